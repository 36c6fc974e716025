import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';

/**
 * client-go starts at 5 ms too, but lets the delay grow to 1000 s: too long for somebody who waits at a laptop for a mended cause to
 * show. Its overall limit of 10 keys a second is left out: the API server is ours and near.
 */
const BACKOFF = { baseMs: 5, maxMs: 60_000 };

/**
 * Keys waiting for work. A key waits once however often it is added; a key in work waits until that is done. `onReady` is called
 * whenever `take` has become worth calling.
 */
export class KeyQueue {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { due: number; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  #closed = false;

  constructor(clock: Clock, onReady: () => void) {
    this.#clock = clock;
    this.#onReady = onReady;
  }

  add(key: string): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
    } else if (!this.#waiting.has(key)) {
      this.#waiting.add(key);
      this.#onReady();
    }
  }

  /** Adds the key after `ms`; of several delays for one key the soonest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    if (ms <= 0) return this.add(key);
    const due = this.#clock.monotonic() + ms;
    const other = this.#delayed.get(key);
    if (other && other.due <= due) return;
    other?.cancel();
    const cancel = this.#clock.timer(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { due, cancel });
  }

  /** Adds the key after a delay that doubles with each failure; returns the delay. */
  addAfterFailure(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const delay = backoffDelay(failures, BACKOFF);
    this.addAfter(key, delay);
    return delay;
  }

  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next failure of this key counts as its first. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The key that has waited longest; it is in work until `done`. */
  take(): string | undefined {
    const key = this.#waiting.values().next().value;
    if (key === undefined) return undefined;
    this.#waiting.delete(key);
    this.#working.add(key);
    return key;
  }

  done(key: string): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Forgets all that waits; later adds do nothing. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
  }
}
