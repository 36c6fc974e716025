import { open } from 'node:fs/promises';
import { errorCode } from '../../lib/errors.ts';
import { StorageError } from '../storage.ts';

/** Where the first page of a file of LMDB (1.0's format, as lmdb-js has it) carries its stamp, and the stamp. */
const MAGIC_OFFSET = 24;
const MAGIC = 0xbeefc0de;

/** Throws Unavailable when there is a file and it is not a store: LMDB itself would crash the process over it. */
export async function checkDataFile(file: string): Promise<void> {
  const start = await readStart(file, MAGIC_OFFSET + 4);
  if (start === undefined || start.length === 0) return;
  if (start.length < MAGIC_OFFSET + 4 || start.readUInt32LE(MAGIC_OFFSET) !== MAGIC) {
    throw new StorageError('Unavailable', `${file} is damaged, or not a store`);
  }
}

/** The first bytes of a file, fewer when it is shorter; undefined when there is none. */
async function readStart(file: string, length: number): Promise<Buffer | undefined> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
