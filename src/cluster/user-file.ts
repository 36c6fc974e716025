import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import { readIfExists, writeFileAtomic } from './files.ts';
import { failure } from './reasons.ts';

/** A configuration file of the user's that a cluster starts with. The profile keeps a copy, so that later starts have it too. */
export interface UserFile {
  /** undefined: there is none. */
  text?: string;
  /** Call it when the cluster came up with it: a file that the node could not read is not kept. */
  keep(): Promise<void>;
}

/**
 * `given` is a path; the empty text does without the file from now on, undefined leaves it as it was. `copy` is where the profile keeps it,
 * `what` names it in messages. Throws CONFIG_FILE when the file cannot be read.
 */
export async function userFile(given: string | undefined, { what, copy }: { what: string; copy: string }): Promise<UserFile> {
  if (given === undefined) {
    const text = await readIfExists(copy);
    return { ...(text === undefined ? {} : { text }), keep: () => Promise.resolve() };
  }
  if (given === '') return { keep: () => rm(copy, { force: true }) };
  const text = await readGiven(given, what);
  return { text, keep: () => writeFileAtomic(copy, text) };
}

async function readGiven(path: string, what: string): Promise<string> {
  try {
    return await readFile(resolve(path), 'utf8');
  } catch (error) {
    throw failure('CONFIG_FILE', `the ${what} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
