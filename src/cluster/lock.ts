import { randomBytes } from 'node:crypto';
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { errorCode } from '../lib/errors.ts';
import { diskFailure, readIfExists } from './files.ts';
import { processStart } from './processes.ts';
import { failure } from './reasons.ts';

export interface LockOptions {
  clock: Clock;
  /** What the holder is doing: another command that waits in vain says so. */
  purpose: string;
  /** How long to wait for the holder, ms; 0 fails at once. */
  waitMs?: number;
  signal?: AbortSignal;
}

interface Holder {
  pid: number;
  start: string;
  purpose: string;
}

const RETRY_MS = 50;

/**
 * Holds the lock file while `work` runs. A lock whose process has gone is taken over, at once when it is ours, after `waitMs` when it is
 * another program's. Throws PROFILE_LOCKED with the holder's pid.
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await acquire(path, options);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string, { clock, purpose, waitMs = 0, signal }: LockOptions): Promise<void> {
  const deadline = clock.monotonic() + waitMs;
  const mine: Holder = { pid: process.pid, start: (await processStart(process.pid)) ?? '', purpose };
  for (;;) {
    if (await tryCreate(path, mine)) return;
    const holder = await readHolder(path);
    const late = clock.monotonic() >= deadline;
    if (holder === 'free') continue;
    if (holder === 'gone' || (holder === 'unknown' && late)) {
      await removeStale(path);
    } else if (late && holder !== 'unknown') {
      throw failure('PROFILE_LOCKED', `\`rockpool ${holder.purpose}\` is at work here (process ${holder.pid})`);
    } else {
      await clock.sleep(RETRY_MS, signal);
    }
  }
}

/** Links a finished file to the name, so that the lock never exists without its holder. */
async function tryCreate(path: string, holder: Holder): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(draft, JSON.stringify(holder), { mode: 0o600 });
    await link(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw diskFailure(error, `cannot lock ${path}`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moves the file aside before it goes: should somebody have taken the lock since it was looked at, theirs is put back. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  const holder = await readHolder(aside);
  if (typeof holder === 'object') {
    await link(aside, path).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
  await rm(aside, { force: true });
}

/** Who holds the lock; `unknown` for a file of another program, such as the empty one that kubectl makes beside a kubeconfig. */
async function readHolder(path: string): Promise<Holder | 'free' | 'gone' | 'unknown'> {
  const text = await readIfExists(path);
  if (text === undefined) return 'free';
  try {
    const holder = JSON.parse(text) as Holder;
    return (await processStart(holder.pid)) === holder.start ? holder : 'gone';
  } catch (error) {
    if (error instanceof SyntaxError) return 'unknown';
    throw error;
  }
}
