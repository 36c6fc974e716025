import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { errorCode } from '../../lib/errors.ts';
import { StorageError } from '../storage.ts';

/** Who holds a lock. A pid alone is not enough: in a container a new process often has the pid of the one before the restart. */
interface Owner {
  pid: number;
  /** When the process began, in the kernel's own count; empty where the system does not tell. */
  started: string;
}

/**
 * Takes the lock file at `file`, or throws Unavailable naming the process that has it. A lock whose process is gone is taken over.
 * Returns what releases it.
 */
export async function takeLock(file: string): Promise<() => Promise<void>> {
  const text = JSON.stringify({ pid: process.pid, started: startOf(process.pid) } satisfies Owner);
  const draft = `${file}.${process.pid}.${randomUUID()}`;
  await writeFile(draft, text, { mode: 0o600 });
  try {
    await linkOrTakeOver(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return () => rm(file, { force: true });
}

const ATTEMPTS = 5;
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

async function linkOrTakeOver(draft: string, file: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (await appears(draft, file)) return;
    const held = await readLock(file);
    if (held === undefined) continue;
    refuseIfAlive(held, file);
    if (await replaceStale(draft, file, held)) return;
  }
  throw new StorageError('Unavailable', `the lock ${file} keeps changing hands`);
}

/**
 * Puts our lock in the place of the stale one, which never leaves a moment without a lock. Only who holds the second lock beside it may do so:
 * without that, the slower of two could throw out the faster one's new lock.
 */
async function replaceStale(draft: string, file: string, held: string): Promise<boolean> {
  const turn = `${file}.takeover`;
  if (!(await appears(draft, turn))) {
    const other = await readLock(turn);
    if (other !== undefined) refuseIfAlive(other, turn);
    // Its owner died between two system calls.
    await rm(turn, { force: true });
    return false;
  }
  try {
    if ((await readLock(file)) !== held) return false;
    await rename(draft, file);
    return true;
  } finally {
    await rm(turn, { force: true });
  }
}

function refuseIfAlive(held: string, file: string): void {
  const owner = ownerOf(held);
  if (owner && isAlive(owner)) throw new StorageError('Unavailable', `the store is in use by process ${owner.pid} (${file})`);
}

/**
 * Whether `file` was not there and is now, with the draft's content. A link appears whole or not at all: nobody can read a half-written
 * lock. Some file systems have no links.
 */
async function appears(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file).catch((error: unknown) => {
      if (!NO_LINKS.has(errorCode(error) ?? '')) throw error;
      return copyFile(draft, file, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readLock(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function ownerOf(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number') return undefined;
    return { pid: value.pid, started: 'started' in value ? String(value.started) : '' };
  } catch (error) {
    // A machine that lost power may leave a lock without content; it is nobody's.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    if (errorCode(error) !== 'EPERM') throw error;
  }
  if (isZombie(owner.pid)) return false;
  const started = startOf(owner.pid);
  return started === '' || owner.started === '' || started === owner.started;
}

/** A process that ended and holds nothing any more, but whose parent has not asked how. */
function isZombie(pid: number): boolean {
  return statOf(pid)?.[0] === 'Z';
}

/** Boot and start time of a process (proc(5): the 22nd field of stat), where the system has /proc. */
function startOf(pid: number): string {
  const fields = statOf(pid);
  return fields ? `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}` : '';
}

/** The fields of /proc/PID/stat from the third, the state, on. */
function statOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}
