import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { StorageError, type Storage } from './storage.ts';

export interface AutoCompactOptions {
  clock: Clock;
  log: Logger;
  /** How often, in milliseconds; 5 minutes unless given, as kube-apiserver's --etcd-compaction-interval. */
  every?: number;
  /** How much of the past stays readable, in milliseconds; 5 minutes unless given. */
  keep?: number;
}

const FIVE_MINUTES_MS = 5 * 60 * 1000;

/** Compacts on a timer, so that every revision younger than `keep` stays readable. Does nothing while nothing is written. Returns what ends it. */
export function autoCompact(
  storage: Storage,
  { clock, log, every = FIVE_MINUTES_MS, keep = FIVE_MINUTES_MS }: AutoCompactOptions,
): () => void {
  const marks: { at: number; revision: number }[] = [];
  let compacted = 0;
  let stopped = false;
  let cancel = (): void => undefined;

  const tick = async (): Promise<void> => {
    const now = clock.monotonic();
    const old = marks.findLast((mark) => mark.at <= now - keep);
    marks.push({ at: now, revision: await storage.currentRevision() });
    if (!old) return;
    marks.splice(0, marks.indexOf(old));
    if (old.revision <= compacted) return;
    await storage.compact(old.revision);
    compacted = old.revision;
    log.debug('compacted', { revision: old.revision });
  };
  const schedule = (): void => {
    if (stopped) return;
    cancel = clock.timer(every, () => {
      tick()
        .catch((error: unknown) => {
          if (error instanceof StorageError && (error.code === 'Compacted' || error.code === 'Closed')) return;
          log.warn('compaction failed', { error });
        })
        .finally(schedule);
    });
  };
  marks.push({ at: clock.monotonic(), revision: 0 });
  schedule();
  return () => {
    stopped = true;
    cancel();
  };
}
