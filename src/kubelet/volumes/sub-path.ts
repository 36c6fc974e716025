import { mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../../lib/errors.ts';
import { VolumeError } from './payload.ts';

/**
 * The place on the node of a volume mount's subPath: made as a folder when missing. Links in it may not lead out of the volume
 * (CVE-2017-1002101). Throws VolumeError.
 */
export async function resolveSubPath(volumeRoot: string, subPath: string, { create }: { create: boolean }): Promise<string> {
  if (path.isAbsolute(subPath) || subPath.split('/').includes('..'))
    throw new VolumeError(`subPath "${subPath}" must not contain ".." or be absolute`);
  const root = await realpath(volumeRoot);
  const wanted = path.join(root, subPath);
  if (create) await makeInside(root, subPath);
  const real = await realpathOf(wanted);
  if (real === undefined) throw new VolumeError(`failed to prepare subPath for volumeMount: ${subPath} does not exist`);
  if (!inside(root, real)) throw new VolumeError(`subPath "${subPath}" leads out of its volume`);
  return real;
}

/** Step by step, so that no link is followed out of the volume while folders are made. */
async function makeInside(root: string, subPath: string): Promise<void> {
  let at = root;
  for (const part of subPath.split('/').filter((one) => one !== '' && one !== '.')) {
    const next = path.join(at, part);
    const real = await realpathOf(next);
    if (real === undefined) {
      await mkdir(next, { mode: 0o750 });
      at = next;
    } else {
      if (!inside(root, real)) throw new VolumeError(`subPath "${subPath}" leads out of its volume`);
      at = real;
    }
  }
}

const inside = (root: string, file: string): boolean => file === root || file.startsWith(`${root}/`);

async function realpathOf(file: string): Promise<string | undefined> {
  try {
    return await realpath(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
