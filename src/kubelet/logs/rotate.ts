/** Keeps container logs bounded: at 10 MiB a log is renamed and begun anew; five files of a container are kept, the older ones compressed. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errorCode } from '../../lib/errors.ts';

export interface RotationLimits {
  maxBytes: number;
  /** The current file included. */
  maxFiles: number;
}

export const DEFAULT_LIMITS: RotationLimits = { maxBytes: 10 * 1024 * 1024, maxFiles: 5 };

export interface RotationRequest {
  file: string;
  /** Tells the runtime to open the log anew after the rename. */
  reopen(): Promise<void>;
  now: number;
}

/** Rotates one log if it is due; returns whether it was. */
export async function rotateLog(
  { file, reopen, now }: RotationRequest,
  { maxBytes, maxFiles }: RotationLimits = DEFAULT_LIMITS,
): Promise<boolean> {
  if ((await sizeOf(file)) < maxBytes) return false;
  const older = await rotatedFiles(file);
  for (const name of older.slice(0, Math.max(0, older.length - (maxFiles - 2)))) await rm(name, { force: true });
  for (const name of (await rotatedFiles(file)).filter((one) => !one.endsWith('.gz'))) await compress(name);
  const stamp = new Date(now).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const rotated = `${file}.${stamp}`;
  await rename(file, rotated);
  try {
    await reopen();
  } catch (error) {
    // the runtime still writes to the old file: give it its name back, or its lines would be lost to readers
    await rename(rotated, file);
    throw error;
  }
  return true;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Oldest first: their names carry the time. */
async function rotatedFiles(file: string): Promise<string[]> {
  const folder = path.dirname(file);
  const names = await readdir(folder);
  return names
    .filter((name) => name.startsWith(`${path.basename(file)}.`))
    .toSorted()
    .map((name) => path.join(folder, name));
}

async function compress(file: string): Promise<void> {
  const target = `${file}.gz.tmp`;
  await pipeline(createReadStream(file), createGzip(), createWriteStream(target));
  await rename(target, `${file}.gz`);
  await rm(file);
}
