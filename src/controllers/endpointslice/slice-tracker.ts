import type { EndpointSlice } from '../../api/types.gen.ts';

/**
 * Remembers, for each Service, what was written and whether the cache shows it. Slices have generated names, so acting on a stale cache
 * would make a second slice for the same endpoints.
 */
export class SliceTracker {
  /** Service uid to slice uid to the generation that must be seen; 'gone' for a deletion. */
  readonly #expected = new Map<string, Map<string, number | 'gone'>>();

  wrote(serviceUid: string, { metadata }: EndpointSlice): void {
    this.#of(serviceUid).set(metadata.uid!, metadata.generation ?? 0);
  }

  removed(serviceUid: string, { metadata }: EndpointSlice): void {
    this.#of(serviceUid).set(metadata.uid!, 'gone');
  }

  /** The watch told of its end, whoever ended it. */
  sawDeletion({ metadata }: EndpointSlice): void {
    for (const expected of this.#expected.values()) expected.delete(metadata.uid!);
  }

  forget(serviceUid: string): void {
    this.#expected.delete(serviceUid);
  }

  /** Whether `cached`, all slices of the Service in the cache, are as new as what was written. */
  isCurrent(serviceUid: string, cached: readonly EndpointSlice[]): boolean {
    const expected = this.#expected.get(serviceUid);
    if (!expected || expected.size === 0) return true;
    for (const { metadata } of cached) {
      const generation = expected.get(metadata.uid!);
      if (generation !== undefined && generation !== 'gone' && (metadata.generation ?? 0) >= generation) expected.delete(metadata.uid!);
    }
    return expected.size === 0;
  }

  #of(serviceUid: string): Map<string, number | 'gone'> {
    let expected = this.#expected.get(serviceUid);
    if (!expected) this.#expected.set(serviceUid, (expected = new Map()));
    return expected;
  }
}
