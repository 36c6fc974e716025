import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Event } from '../api/types.gen.ts';
import type { Entry } from './watch/entry.ts';
import type { ResourceCache } from './watch/resource-cache.ts';

/** How long an Event lives after its last change, ms (kube-apiserver's --event-ttl). */
const TTL_MS = 60 * 60_000;
/** Events that expire within this are removed together, so that the timer fires seldom. */
const SLACK_MS = 60_000;

export interface EventExpiryOptions {
  cache: ResourceCache;
  clock: Clock;
  log: Logger;
  remove: (namespace: string, name: string) => Promise<void>;
}

/**
 * Removes Events an hour after their last change. Upstream leaves that to etcd's leases; our stores have none. The Map is in the order of
 * expiry, and without Events no timer runs.
 */
export class EventExpiry {
  readonly #options: EventExpiryOptions;
  readonly #due = new Map<string, { namespace: string; name: string; at: number }>();
  readonly #unsubscribe: () => void;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: EventExpiryOptions) {
    this.#options = options;
    const { cache, clock } = options;
    const known = cache.list().map((entry) => ({ entry, at: changedAt(entry) + TTL_MS }));
    for (const { entry, at } of known.toSorted((a, b) => a.at - b.at)) this.#note(entry, at);
    this.#unsubscribe = cache.subscribe((events) => {
      for (const { type, entry } of events) {
        this.#due.delete(entry.key);
        if (type !== 'DELETED') this.#note(entry, clock.now() + TTL_MS);
      }
      this.#arm();
    });
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancel?.();
  }

  #note({ key, namespace, name }: Entry, at: number): void {
    this.#due.set(key, { namespace, name, at });
  }

  #arm(): void {
    if (this.#cancel || this.#stopped) return;
    const [first] = this.#due.values();
    if (!first) return;
    const { clock } = this.#options;
    this.#cancel = clock.timer(Math.max(first.at + SLACK_MS - clock.now(), 0), () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    const { clock, log, remove } = this.#options;
    const now = clock.now();
    for (const [key, { namespace, name, at }] of this.#due) {
      if (at > now || this.#stopped) break;
      this.#due.delete(key);
      try {
        await remove(namespace, name);
      } catch (error) {
        log.debug('an expired event could not be removed', { namespace, name, error });
      }
    }
    this.#cancel = undefined;
    this.#arm();
  }
}

function changedAt({ object }: Entry): number {
  const { lastTimestamp, eventTime, series, metadata } = object as unknown as Event;
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, metadata.creationTimestamp].map((text) => Date.parse(text ?? ''));
  return Math.max(0, ...times.filter(Number.isFinite));
}
