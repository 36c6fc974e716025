/**
 * What fields mean, in upstream's sentences: read from a file that the build makes (`generate/descriptions.ts`), since the texts are not
 * ours to commit. Without the file the documents are complete but silent.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** Definition name to texts: `''` for the type itself, else by field. */
export type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

export const NO_DESCRIPTIONS: Descriptions = {};

/** Beside the bundle, or in dist/ when the sources run as they are. */
const CANDIDATES = ['./descriptions.json.gz', '../../../dist/descriptions.json.gz'];

/** Reads the build's file; no descriptions when there is none. */
export async function loadDescriptions(): Promise<Descriptions> {
  for (const candidate of CANDIDATES) {
    const packed = await readIfPresent(new URL(candidate, import.meta.url));
    if (packed) return JSON.parse((await promisify(gunzip)(packed)).toString('utf8')) as Descriptions;
  }
  return NO_DESCRIPTIONS;
}

async function readIfPresent(file: URL): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
