import { rm, writeFile } from 'node:fs/promises';
import { errorCode } from '../../lib/errors.ts';
import { StorageError } from '../storage.ts';

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** errno of the same, and LMDB's own for a map that cannot grow: what lmdb gives as `code`. */
const NO_SPACE_NUMBERS = new Set([28, 122, 27, -30_792]);
const EIO = 5;
const PROBE_BYTES = 4 * 1024 * 1024;

/** Why a commit failed: NoSpace, or Unavailable with lmdb's error as the cause. */
export async function commitFailure(error: unknown, dataFile: string): Promise<StorageError> {
  const cause = await reasonOf(error);
  const number = cause instanceof Error && 'code' in cause && typeof cause.code === 'number' ? cause.code : 0;
  // LMDB calls a write that was cut short an I/O error; on a disk that fills up, that is the first sign of it.
  if (NO_SPACE_NUMBERS.has(number) || (number === EIO && (await isFull(dataFile)))) {
    return new StorageError('NoSpace', 'no space left on the device', { cause });
  }
  return new StorageError('Unavailable', 'the commit failed', { cause });
}

/** lmdb rejects with "Commit failed" and keeps the reason in a promise that rejects, too. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

/** Asks by trying: free blocks alone do not tell of quotas. */
async function isFull(dataFile: string): Promise<boolean> {
  const probe = `${dataFile}.probe`;
  try {
    await writeFile(probe, Buffer.alloc(PROBE_BYTES));
    return false;
  } catch (error) {
    if (NO_SPACE.has(errorCode(error) ?? '')) return true;
    throw error;
  } finally {
    await rm(probe, { force: true });
  }
}
