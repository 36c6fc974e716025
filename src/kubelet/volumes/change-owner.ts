import { chown } from 'node:fs/promises';
import process from 'node:process';
import { errorCode } from '../../lib/errors.ts';

/**
 * Gives a file to a user and a group; -1 leaves one as it is. A kubelet that is not root may not, and need not: its containers are
 * modelled, and owners mean nothing to them.
 */
export async function changeOwner(file: string, uid: number, gid: number): Promise<void> {
  try {
    await chown(file, uid, gid);
  } catch (error) {
    if (errorCode(error) !== 'EPERM' || process.getuid?.() === 0) throw error;
  }
}
