import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../lib/errors.ts';
import { failure } from './reasons.ts';

export interface WriteOptions {
  /** Permission bits of a new file; 0600 unless given. */
  mode?: number;
  /** Wait until the disk has it: for state that cannot be made again. */
  durable?: boolean;
}

/** Writes beside the file and renames, so that a reader sees the old text or the new, never half of one. */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600, durable = false }: WriteOptions = {},
): Promise<void> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(data);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw diskFailure(error, `cannot write ${path}`);
  }
}

/** The text of a file, or undefined when there is none. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw diskFailure(error, `cannot read ${path}`);
  }
}

/** Names what the disk refused: full, or not ours. Anything else stays as it is. */
export function diskFailure(error: unknown, what: string): unknown {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('DISK_FULL', `${what}: the disk is full`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return failure('HOST_PERMISSION', `${what}: not permitted`, { cause: error });
  return error;
}
