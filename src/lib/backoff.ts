import type { Rng } from './random.ts';

export interface BackoffOptions {
  /** First delay, ms. */
  baseMs: number;
  /** Upper bound, ms. */
  maxMs: number;
  /** Share of each delay added at random, 0 to 1. */
  jitter?: number;
}

/** The delay before attempt number `failures` + 1: doubled each time, bounded, jittered. */
export function backoffDelay(failures: number, { baseMs, maxMs, jitter = 0 }: BackoffOptions, rng?: Rng): number {
  const delay = Math.min(baseMs * 2 ** Math.min(failures, 40), maxMs);
  return rng ? delay * (1 + jitter * rng.next()) : delay;
}
