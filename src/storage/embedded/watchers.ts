import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import { StorageError, type StorageEvent, type StorageEvents } from '../storage.ts';

/** A watcher that lags by more events than this reads them from the log again instead of keeping them in memory. */
const MAX_QUEUED_EVENTS = 4096;
const HISTORY_ROWS = 1024;
/** How long watchers of other keys may wait to learn that the store moved on, when nobody asked. */
const PROGRESS_DELAY_MS = 20;

/** What a watcher needs of the store to catch up. */
export interface WatchSource {
  revision(): number;
  compactRevision(): number;
  events(prefix: string, from: number, to: number, limit: number): { events: StorageEvent[]; next: number };
}

interface Watcher {
  prefix: string;
  /** The first revision that has not been delivered or queued. */
  next: number;
  queue: StorageEvent[];
  /**
   *     behind --the log is read to its end--> live --the queue overflows--> behind
   */
  live: boolean;
  /** Whether there is something to yield although the queue is empty. */
  progress: boolean;
  wake: (() => void) | undefined;
}

/** In-process fan-out: commits go straight to those who wait, the log serves those who come late or are slow. No polling. */
export class Watchers {
  readonly #source: WatchSource;
  readonly #clock: Clock;
  readonly #watchers = new Set<Watcher>();
  #closed = false;
  #cancelProgress: (() => void) | undefined;

  constructor(source: WatchSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncGenerator<StorageEvents, void> {
    const watcher: Watcher = { prefix, next: from, queue: [], live: false, progress: false, wake: undefined };
    const onAbort = (): void => wake(watcher);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        if (this.#closed) throw new StorageError('Closed', 'the store is closed');
        const batch = watcher.live ? takeQueued(watcher) : this.#readHistory(watcher);
        if (batch) yield batch;
        else if (watcher.live) await new Promise<void>((resolve) => (watcher.wake = resolve));
        else await nextTurn();
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener('abort', onAbort);
    }
  }

  publish(events: readonly StorageEvent[], revision: number): void {
    let lagging = false;
    for (const watcher of this.#watchers) {
      if (!watcher.live) continue;
      if (enqueue(watcher, events, revision)) wake(watcher);
      else lagging = true;
    }
    if (lagging) this.#cancelProgress ??= this.#clock.timer(PROGRESS_DELAY_MS, () => this.showProgress());
  }

  /** Tells every watcher that has nothing to deliver how far the store is. */
  showProgress(): void {
    this.#cancelProgress?.();
    this.#cancelProgress = undefined;
    for (const watcher of this.#watchers) if (watcher.progress) wake(watcher);
  }

  close(): void {
    this.#closed = true;
    this.#cancelProgress?.();
    for (const watcher of this.#watchers) wake(watcher);
  }

  /** The next piece of the past; undefined when it held nothing for this watcher. Becomes live in the same turn that reads the end. */
  #readHistory(watcher: Watcher): StorageEvents | undefined {
    const compactRevision = this.#source.compactRevision();
    if (watcher.next < compactRevision) {
      throw new StorageError('Compacted', `revision ${watcher.next} is compacted; the oldest is ${compactRevision}`, { compactRevision });
    }
    const to = this.#source.revision();
    if (watcher.next > to) {
      watcher.live = true;
      return undefined;
    }
    const { events, next } = this.#source.events(watcher.prefix, watcher.next, to, HISTORY_ROWS);
    watcher.next = next;
    watcher.live = next > to;
    return events.length > 0 || watcher.live ? { events, revision: next - 1 } : undefined;
  }
}

/** Whether the watcher has events to be woken for; otherwise it only lags in progress. */
function enqueue(watcher: Watcher, events: readonly StorageEvent[], revision: number): boolean {
  if (revision < watcher.next) return true;
  const own = events.filter((event) => event.modRevision >= watcher.next && event.key.startsWith(watcher.prefix));
  if (watcher.queue.length + own.length > MAX_QUEUED_EVENTS && watcher.queue.length > 0) {
    watcher.next = watcher.queue[0]!.modRevision;
    watcher.queue = [];
    watcher.live = false;
    watcher.progress = false;
    return true;
  }
  watcher.queue.push(...own);
  watcher.next = revision + 1;
  watcher.progress = true;
  return own.length > 0;
}

function takeQueued(watcher: Watcher): StorageEvents | undefined {
  if (!watcher.progress) return undefined;
  const events = watcher.queue;
  watcher.queue = [];
  watcher.progress = false;
  return { events, revision: watcher.next - 1 };
}

function wake(watcher: Watcher): void {
  watcher.wake?.();
  watcher.wake = undefined;
}
