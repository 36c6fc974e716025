/**
 * How long a thing that failed must wait, by key: 10 s, doubled each time, 5 min at most, forgotten after ten quiet minutes
 * (client-go's flowcontrol.Backoff as the kubelet uses it, for restarts and for image pulls).
 */
import type { Clock } from '../../lib/clock.ts';

const BASE_MS = 10_000;
const MAX_MS = 300_000;

interface Entry {
  delayMs: number;
  updatedAt: number;
}

export class Backoff {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the key still has to wait (ms), counted from when it last failed; 0 when it may go on. */
  remaining(key: string, failedAt: number): number {
    const entry = this.#entries.get(key);
    if (!entry || this.#clock.now() - entry.updatedAt > 2 * MAX_MS) return 0;
    return Math.max(0, failedAt + entry.delayMs - this.#clock.now());
  }

  /** The same, counted from the last `next`. */
  remainingSinceUpdate(key: string): number {
    const entry = this.#entries.get(key);
    return entry ? this.remaining(key, entry.updatedAt) : 0;
  }

  /** Notes one more try; the next one waits longer. */
  next(key: string): void {
    const entry = this.#entries.get(key);
    const now = this.#clock.now();
    const fresh = !entry || now - entry.updatedAt > 2 * MAX_MS;
    this.#entries.set(key, { delayMs: fresh ? BASE_MS : Math.min(entry.delayMs * 2, MAX_MS), updatedAt: now });
  }

  /** As upstream prints it: `10s`, `1m20s`, `5m0s`. */
  delayText(key: string): string {
    const seconds = Math.round((this.#entries.get(key)?.delayMs ?? 0) / 1000);
    return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  }

  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }
}
