import type { EndpointSlice } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';

/** A slice that was deleted before its creation was answered is never seen; waiting ends then. */
export const TRACKING_TIMEOUT_MS = 10_000;

/**
 * Remembers, for each Service, what was written and whether the cache shows it. Slices have generated names, so acting on a stale cache
 * would make a second slice for the same endpoints.
 */
export class SliceTracker {
  /** Service uid to slice uid to the generation that must be seen; 'gone' for a deletion. */
  readonly #expected = new Map<string, { slices: Map<string, number | 'gone'>; since: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wrote(serviceUid: string, { metadata }: EndpointSlice): void {
    this.#of(serviceUid).set(metadata.uid!, metadata.generation ?? 0);
  }

  removed(serviceUid: string, { metadata }: EndpointSlice): void {
    this.#of(serviceUid).set(metadata.uid!, 'gone');
  }

  /** The watch told of its end, whoever ended it. */
  sawDeletion({ metadata }: EndpointSlice): void {
    for (const { slices } of this.#expected.values()) slices.delete(metadata.uid!);
  }

  forget(serviceUid: string): void {
    this.#expected.delete(serviceUid);
  }

  /** Whether `cached`, all slices of the Service in the cache, are as new as what was written. */
  isCurrent(serviceUid: string, cached: readonly EndpointSlice[]): boolean {
    const expected = this.#expected.get(serviceUid);
    if (!expected) return true;
    const { slices, since } = expected;
    for (const { metadata } of cached) {
      const generation = slices.get(metadata.uid!);
      if (generation !== undefined && generation !== 'gone' && (metadata.generation ?? 0) >= generation) slices.delete(metadata.uid!);
    }
    const isCurrent = slices.size === 0 || this.#clock.monotonic() - since >= TRACKING_TIMEOUT_MS;
    if (isCurrent) this.#expected.delete(serviceUid);
    return isCurrent;
  }

  #of(serviceUid: string): Map<string, number | 'gone'> {
    let expected = this.#expected.get(serviceUid);
    if (!expected) this.#expected.set(serviceUid, (expected = { slices: new Map(), since: 0 }));
    expected.since = this.#clock.monotonic();
    return expected.slices;
  }
}
