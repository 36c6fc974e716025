import type { Clock } from '../../../lib/clock.ts';

/** What an idle server takes: a plausible constant. */
const IDLE_CORES = 0.001;
/** What a container without a limit may take at most. */
const MOST_CORES = 4;

/**
 * The CPU time of a modelled container. Nothing burns it: programs say what their work would cost, and wait as long as it would take under the
 * container's limit. All times in milliseconds.
 */
export class SimCpu {
  readonly #clock: Clock;
  #limit: number;
  #charged = 0;
  #total = 0;
  #readAt: number;
  /** When all work that was taken on so far is done. */
  #freeAt: number;

  /** `limit` in cores; undefined: none. */
  constructor(clock: Clock, limit: number | undefined) {
    this.#clock = clock;
    this.#limit = limit ?? MOST_CORES;
    this.#readAt = this.#freeAt = clock.monotonic();
  }

  /** What was used until now was used under the old one. */
  limitTo(cores: number | undefined): void {
    this.total(undefined);
    this.#limit = cores ?? MOST_CORES;
  }

  /** Work that was done while nobody waited for it. */
  charge(ms: number): void {
    this.#charged += ms;
  }

  /** Work of one thread; resolves when it is done, later where others wait for the same cores. */
  async work(ms: number, signal: AbortSignal): Promise<void> {
    this.charge(ms);
    const now = this.#clock.monotonic();
    // One thread is at most one core; the whole container is held to its limit, first come first served.
    this.#freeAt = Math.max(now, this.#freeAt) + ms / this.#limit;
    await this.#clock.sleep(Math.max(this.#freeAt - now, ms), signal);
  }

  /** CPU time since the start. `cores` is what a user says that it takes all along, in place of what its programs say. */
  total(cores: number | undefined): number {
    const now = this.#clock.monotonic();
    const elapsed = now - this.#readAt;
    this.#total += Math.min(cores === undefined ? elapsed * IDLE_CORES + this.#charged : elapsed * cores, elapsed * this.#limit);
    this.#charged = 0;
    this.#readAt = now;
    return this.#total;
  }
}
