import { mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../../lib/errors.ts';
import { VolumeError } from './payload.ts';

/** Checks a hostPath volume against its type and makes what the type says to make. Throws VolumeError. */
export async function prepareHostPath(file: string, type = ''): Promise<void> {
  if (type === '') return;
  const present = await statOf(file);
  if (type === 'DirectoryOrCreate' || type === 'FileOrCreate') {
    const wantFolder = type === 'DirectoryOrCreate';
    if (!present) return wantFolder ? void (await mkdir(file, { recursive: true, mode: 0o755 })) : createFile(file);
    if (present.isDirectory() !== wantFolder)
      throw new VolumeError(`hostPath type check failed: ${file} is not a ${wantFolder ? 'directory' : 'file'}`);
    return;
  }
  const kinds: Record<string, { what: string; fits: boolean }> = {
    Directory: { what: 'directory', fits: present?.isDirectory() ?? false },
    File: { what: 'file', fits: present?.isFile() ?? false },
    Socket: { what: 'socket file', fits: present?.isSocket() ?? false },
    CharDevice: { what: 'character device', fits: present?.isCharacterDevice() ?? false },
    BlockDevice: { what: 'block device', fits: present?.isBlockDevice() ?? false },
  };
  const kind = kinds[type];
  if (!kind) throw new VolumeError(`hostPath type ${type} is unknown`);
  if (!kind.fits) throw new VolumeError(`hostPath type check failed: ${file} is not a ${kind.what}`);
}

async function statOf(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function createFile(file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await (await open(file, 'a', 0o644)).close();
}
