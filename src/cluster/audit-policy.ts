import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import { readIfExists, writeFileAtomic } from './files.ts';
import { profilePaths } from './paths.ts';
import { failure } from './reasons.ts';

/** The audit policy that a cluster starts with. The profile keeps a copy, so that later starts have it too. */
export interface AuditPolicyFile {
  /** undefined: nothing is audited. */
  text?: string;
  /** Call it when the cluster came up with it: a policy that it could not read is not kept. */
  keep(): Promise<void>;
}

/** `given` is a path; the empty text turns auditing off, undefined leaves it as it was. Throws CONFIG_FILE when the file cannot be read. */
export async function auditPolicyFor(home: string, profile: string, given: string | undefined): Promise<AuditPolicyFile> {
  const copy = profilePaths(home, profile).auditPolicy;
  if (given === undefined) {
    const text = await readIfExists(copy);
    return { ...(text === undefined ? {} : { text }), keep: () => Promise.resolve() };
  }
  if (given === '') return { keep: () => rm(copy, { force: true }) };
  const text = await readGiven(given);
  return { text, keep: () => writeFileAtomic(copy, text) };
}

async function readGiven(path: string): Promise<string> {
  try {
    return await readFile(resolve(path), 'utf8');
  } catch (error) {
    throw failure('CONFIG_FILE', `the audit policy cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
