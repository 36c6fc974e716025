import type { Clock } from '../../lib/clock.ts';

/** Many deadlines on one timer: thousands of watches that end some time within the hour cost one entry each and no timer of their own. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Set<{ at: number; run: () => void }>();
  #cancel: (() => void) | undefined;
  #next = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `run` once after `ms`, unless the returned function is called first. */
  add(ms: number, run: () => void): () => void {
    const entry = { at: this.#clock.monotonic() + ms, run };
    this.#entries.add(entry);
    if (entry.at < this.#next) this.#arm(entry.at);
    return () => {
      this.#entries.delete(entry);
      if (this.#entries.size === 0) this.stop();
    };
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#next = Infinity;
  }

  #arm(at: number): void {
    this.#cancel?.();
    this.#next = at;
    this.#cancel = this.#clock.timer(Math.max(at - this.#clock.monotonic(), 0), () => this.#fire());
  }

  #fire(): void {
    const now = this.#clock.monotonic();
    const due = [...this.#entries].filter((entry) => entry.at <= now + 1);
    this.stop();
    for (const entry of due) this.#entries.delete(entry);
    let next = Infinity;
    for (const { at } of this.#entries) next = Math.min(next, at);
    if (next < Infinity) this.#arm(next);
    for (const { run } of due) run();
  }
}
