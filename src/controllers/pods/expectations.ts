import type { Clock } from '../../lib/clock.ts';

/** As long as upstream waits for a watch event that may have been lost (controller.ExpectationsTimeout). */
const TIMEOUT_MS = 300_000;

interface Expected {
  creations: number;
  deletions: Set<string>;
  since: number;
}

/**
 * What a controller has done and its cache does not show yet. Until that is seen, counting pods would count wrong, and a controller that
 * acts on a wrong count creates or deletes too many. Kept in memory alone: a new process starts with a fresh list.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #byOwner = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds to wait at most until the cache can be trusted, 0 when it can be now. */
  waitMs(owner: string): number {
    const expected = this.#byOwner.get(owner);
    if (!expected) return 0;
    const left = expected.since + TIMEOUT_MS - this.#clock.monotonic();
    if (left > 0 && (expected.creations > 0 || expected.deletions.size > 0)) return left;
    this.#byOwner.delete(owner);
    return 0;
  }

  expectCreations(owner: string, count: number): void {
    this.#of(owner).creations += count;
  }

  /** One was seen, or `count` will never come since creating them failed. */
  creationObserved(owner: string, count = 1): void {
    const expected = this.#byOwner.get(owner);
    if (expected) expected.creations -= count;
  }

  /** `uids` of the objects: one that is seen twice, terminating and then gone, counts once. */
  expectDeletions(owner: string, uids: readonly string[]): void {
    const expected = this.#of(owner);
    for (const uid of uids) expected.deletions.add(uid);
  }

  deletionObserved(owner: string, uid: string): void {
    this.#byOwner.get(owner)?.deletions.delete(uid);
  }

  /** The object was deleted, and the cache does not show it yet. */
  awaitsDeletion(owner: string, uid: string): boolean {
    return this.#byOwner.get(owner)?.deletions.has(uid) ?? false;
  }

  forget(owner: string): void {
    this.#byOwner.delete(owner);
  }

  #of(owner: string): Expected {
    let expected = this.#byOwner.get(owner);
    if (!expected) this.#byOwner.set(owner, (expected = { creations: 0, deletions: new Set(), since: 0 }));
    expected.since = this.#clock.monotonic();
    return expected;
  }
}
