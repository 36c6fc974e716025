/**
 * Writes a set of files so that readers see either all of the old ones or all of the new ones: the files stand in a folder named by
 * time, `..data` is a link to it that is renamed into place, and the visible names are links through `..data`. The layout is
 * upstream's (pkg/volume/util/atomic_writer.go); programs that watch for the rename of `..data` depend on it.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { changeOwner } from './change-owner.ts';
import { errorCode } from '../../lib/errors.ts';

export interface PayloadFile {
  data: Buffer;
  mode: number;
}

/** By path relative to the volume: `config/app.yaml`. */
export type Payload = ReadonlyMap<string, PayloadFile>;

export interface Ownership {
  uid?: number;
  gid?: number;
}

const DATA = '..data';
const DATA_NEW = '..data_tmp';

/** Returns whether anything changed. Throws RangeError for a path that leads out of the volume. */
export async function writePayload(folder: string, payload: Payload, owner: Ownership = {}, now = 0): Promise<boolean> {
  for (const name of payload.keys()) checkPath(name);
  await mkdir(folder, { recursive: true });
  const previous = await readData(folder);
  if (previous && (await samePayload(path.join(folder, previous), payload))) return false;
  const stamp = new Date(now).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_');
  const next = await mkdtemp(path.join(folder, `..${stamp}.`));
  await chmod(next, 0o755);
  if (owner.gid !== undefined) await changeOwner(next, -1, owner.gid);
  for (const [name, file] of payload) await writeOne(next, name, file, owner);
  await rm(path.join(folder, DATA_NEW), { force: true });
  await symlink(path.basename(next), path.join(folder, DATA_NEW));
  await rename(path.join(folder, DATA_NEW), path.join(folder, DATA));
  await linkVisible(folder, payload);
  if (previous) await rm(path.join(folder, previous), { recursive: true, force: true });
  return true;
}

function checkPath(name: string): void {
  const parts = name.split('/');
  if (path.isAbsolute(name) || parts.includes('..') || parts[0]!.startsWith('..') || name === '') {
    throw new RangeError(`invalid path: ${name}: must be relative and not contain ".."`);
  }
}

async function writeOne(folder: string, name: string, { data, mode }: PayloadFile, { uid = -1, gid = -1 }: Ownership): Promise<void> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  await writeFile(file, data);
  if (uid !== -1 || gid !== -1) await changeOwner(file, uid, gid);
  // a group that was given may read what the owner may (SetVolumeOwnership)
  await chmod(file, gid === -1 ? mode : mode | ((mode & 0o400) >> 3));
}

async function readData(folder: string): Promise<string | undefined> {
  try {
    return await readlink(path.join(folder, DATA));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function samePayload(folder: string, payload: Payload): Promise<boolean> {
  const present = await filesUnder(folder);
  if (!present || present.length !== payload.size) return false;
  for (const name of present) {
    const wanted = payload.get(name);
    if (!wanted) return false;
    const file = path.join(folder, name);
    if (!(await readFile(file)).equals(wanted.data)) return false;
    if (((await stat(file)).mode & 0o700) !== (wanted.mode & 0o700)) return false;
  }
  return true;
}

async function filesUnder(folder: string): Promise<string[] | undefined> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** One link for each first part of a path; links of what is gone are removed after the switch. */
async function linkVisible(folder: string, payload: Payload): Promise<void> {
  const visible = new Set([...payload.keys()].map((name) => name.split('/')[0]!));
  const present = new Set((await readdir(folder)).filter((name) => !name.startsWith('..')));
  for (const name of visible) if (!present.has(name)) await symlink(path.join(DATA, name), path.join(folder, name));
  for (const name of present) if (!visible.has(name)) await unlink(path.join(folder, name));
}
