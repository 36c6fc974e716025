import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface SyncerOptions {
  clock: Clock;
  log: Logger;
  /** Brings the packet filter up to date for these Services (`namespace/name`). After a failure the same keys come again, with what was added since. */
  sync(keys: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
}

/** How long the first change of a burst waits for the others; a rollout's come within a few milliseconds. */
const GATHER_MS = 3;
const RETRY = { baseMs: 50, maxMs: 10_000 };
const DEADLINE_MS = 30_000;

/**
 * Gathers changes and hands them over one batch at a time.
 *
 *     idle --touch--> gathering --3 ms--> syncing --done--> idle, or gathering when something was touched meanwhile
 *                         ^-----backoff------/
 */
export class Syncer {
  readonly #options: SyncerOptions;
  readonly #abort = new AbortController();
  #dirty = new Set<string>();
  #cancelTimer: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(options: SyncerOptions) {
    this.#options = options;
  }

  /** Notes that this Service may need other rules. */
  touch(key: string): void {
    this.#dirty.add(key);
    this.#schedule(GATHER_MS);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the proxy was stopped'));
    this.#cancelTimer?.();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#cancelTimer || this.#running || this.#abort.signal.aborted) return;
    this.#cancelTimer = this.#options.clock.timer(ms, () => {
      this.#cancelTimer = undefined;
      this.#running = this.#sync().then((nextMs) => {
        this.#running = undefined;
        if (nextMs !== undefined) this.#schedule(nextMs);
      });
    });
  }

  /** Returns when to go on, or undefined where there is nothing left to do. */
  async #sync(): Promise<number | undefined> {
    const keys = this.#dirty;
    this.#dirty = new Set();
    try {
      await this.#options.sync(keys, AbortSignal.any([this.#abort.signal, AbortSignal.timeout(DEADLINE_MS)]));
      this.#failures = 0;
      return this.#dirty.size > 0 ? GATHER_MS : undefined;
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      for (const key of keys) this.#dirty.add(key);
      const retryInMs = backoffDelay(this.#failures++, RETRY);
      this.#options.log.warn('the packet filter was not changed; all rules are written anew', { error: errorMessage(error), retryInMs });
      return retryInMs;
    }
  }
}
