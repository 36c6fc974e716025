import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubeObject } from '../../api/meta.ts';
import { StorageError, type KeyValue, type Storage, type StorageEvent, type StorageEvents } from '../../storage/storage.ts';
import { Entry, type ParseStored } from './entry.ts';
import { UnreadableEntry } from './unreadable-entry.ts';
import { ResourceCache, type CacheEvent } from './resource-cache.ts';

/** Every key of ours is under this, as upstream's are. */
const ROOT = '/registry/';

/** How long changes are remembered for watches that resume, ms; fewer when there are very many. */
const HISTORY_MS = 5 * 60_000;

/** How values are kept at rest: the seam for encryption. `key` is authenticated data. */
export interface ValueTransformer {
  toStorage(key: string, plain: Uint8Array): Uint8Array;
  /** Throws what is wrong with the value, naming `key`: the object is unreadable then, and nothing else. */
  fromStorage(key: string, stored: Uint8Array): Uint8Array;
  /** Whether `toStorage` would keep the value in another form today (in the clear, or by an older key): writing it is worth while. */
  isStale?(key: string, stored: Uint8Array): boolean;
}

export interface WatchCacheOptions {
  storage: Storage;
  clock: Clock;
  log: Logger;
  parse: ParseStored;
  transformer?: ValueTransformer;
}

/**
 * All objects of the store in memory, kept current by one storage watch.
 *
 *     created --start()--> following <--(store away: backoff, resume; compacted: load anew)--> following --signal--> stopped
 *
 * Reads that must see every acknowledged write call `fresh()` first.
 */
export class WatchCache {
  /** Everything up to here has been applied. */
  revision = 0;
  readonly #options: WatchCacheOptions;
  readonly #resources = new Map<string, ResourceCache>();
  /** Keys of resources that are not served (yet): custom resources before their definition is known. */
  readonly #unclaimed = new Map<string, KeyValue>();
  readonly #pending = new Map<string, PendingWrite>();
  /** Keys whose value is kept in a form that is no longer written, with its revision. */
  readonly #stale = new Map<string, number>();
  #waiters: Waiter[] = [];
  #loaded = false;
  /** Which revision was current when. */
  readonly #moments: { at: number; revision: number }[] = [];

  constructor(options: WatchCacheOptions) {
    this.#options = options;
  }

  /** The cache of a storage prefix (`/registry/pods`), made when first asked for. */
  resource(prefix: string): ResourceCache {
    const existing = this.#resources.get(prefix);
    if (existing) return existing;
    const made = new ResourceCache(prefix);
    this.#resources.set(prefix, made);
    if (this.#loaded) made.reset(this.#claim(prefix), this.revision);
    return made;
  }

  /** Loads everything, then follows the store until `signal` aborts. Resolves when loaded. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#load();
    void this.#follow(signal);
  }

  /** Resolves when every write acknowledged before the call is in the cache. */
  async fresh(waiter?: { readonly signal: AbortSignal }): Promise<void> {
    const revision = await this.#options.storage.currentRevision();
    if (this.revision < revision) await this.reached(revision, waiter?.signal);
  }

  /** Resolves when the cache holds `revision`; rejects with the signal's reason. */
  reached(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal!.reason as Error);
      };
      const waiter: Waiter = {
        revision,
        resolve: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /**
   * Announces a write of ours, so that its event takes over `object` instead of parsing the bytes again. `object` is handed over;
   * its resourceVersion is set when the revision is known. Call `settle` in any case afterwards.
   */
  expect(key: string, plain: Uint8Array, object: KubeObject): PendingWrite {
    const { transformer, parse } = this.#options;
    const written = transformer ? transformer.toStorage(key, plain) : plain;
    const pending = new PendingWrite({ key, written, plain, object, parse, prefixLength: this.#prefixOf(key)?.length ?? 0 });
    this.#pending.set(key, pending);
    return pending;
  }

  /** The write failed: nothing is expected any more. */
  cancel(pending: PendingWrite): void {
    if (this.#pending.get(pending.key) === pending) this.#pending.delete(pending.key);
  }

  /**
   * Forgets changes that are older than `HISTORY_MS`: called now and then, so that a quiet resource does not keep what nobody resumes from.
   */
  forgetOld(): void {
    const now = this.#options.clock.monotonic();
    this.#moments.push({ at: now, revision: this.revision });
    const keep = this.#moments.findLastIndex(({ at }) => at <= now - HISTORY_MS);
    if (keep < 0) return;
    const { revision } = this.#moments[keep]!;
    this.#moments.splice(0, keep);
    for (const cache of this.#resources.values()) cache.forget(revision);
  }

  /** An entry from what the store answered outside of the feed (a range of the past, the loser's view of a conflict). */
  entryOf(item: Pick<KeyValue, 'key' | 'value' | 'modRevision'>, prefix: string): Entry {
    const { transformer, parse, log } = this.#options;
    const fields = { key: item.key, ...splitName(item.key, prefix.length), revision: item.modRevision };
    if (!transformer) return new Entry({ ...fields, stored: item.value }, parse);
    try {
      const stored = transformer.fromStorage(item.key, item.value);
      if (transformer.isStale?.(item.key, item.value)) this.#stale.set(item.key, item.modRevision);
      return new Entry({ ...fields, stored }, parse);
    } catch (error) {
      log.error('a stored value cannot be read', { key: item.key, error });
      return new UnreadableEntry(fields, error);
    }
  }

  /** Whether the entry's value would be kept in another form if it were written today. */
  isStale({ key, revision }: Entry): boolean {
    return this.#stale.size > 0 && this.#stale.get(key) === revision;
  }

  async #load(): Promise<void> {
    const { items, revision } = await this.#options.storage.range(ROOT);
    const found = new Map<ResourceCache, Entry[]>([...this.#resources.values()].map((cache) => [cache, []]));
    this.#unclaimed.clear();
    this.#pending.clear();
    for (const item of items) {
      const cache = this.#cacheOf(item.key);
      if (cache) found.get(cache)!.push(this.entryOf(item, cache.prefix));
      else this.#unclaimed.set(item.key, item);
    }
    for (const [cache, entries] of found) cache.reset(entries, revision);
    this.#loaded = true;
    this.#advance(revision);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        for await (const batch of this.#options.storage.watch(ROOT, this.revision + 1, signal)) {
          failures = 0;
          this.#apply(batch);
        }
      } catch (error) {
        if (signal.aborted) return;
        failures = await this.#recover(error, failures, signal);
      }
    }
  }

  /** Returns how often in a row following failed. */
  async #recover(error: unknown, failures: number, signal: AbortSignal): Promise<number> {
    const { log, clock } = this.#options;
    log.warn('the store stopped sending changes', { error });
    try {
      if (error instanceof StorageError && error.code === 'Compacted') {
        await this.#load();
        return 0;
      }
      await clock.sleep(backoffDelay(failures, { baseMs: 50, maxMs: 5000 }), signal);
    } catch (again) {
      if (!signal.aborted) log.warn('the store cannot be read', { error: again });
    }
    return failures + 1;
  }

  #apply(batch: StorageEvents): void {
    let current: ResourceCache | undefined;
    let events: CacheEvent[] = [];
    let latest = new Map<string, Entry | undefined>();
    for (const event of batch.events) {
      const cache = this.#cacheOf(event.key);
      if (!cache) {
        this.#applyUnclaimed(event);
        continue;
      }
      if (cache !== current) {
        current?.apply(events);
        current = cache;
        events = [];
        latest = new Map();
      }
      events.push(this.#cacheEvent(event, cache, latest));
    }
    current?.apply(events);
    this.#advance(batch.revision);
  }

  /** `latest` is what earlier events of the same batch, which the cache does not hold yet, made of their keys. */
  #cacheEvent(event: StorageEvent, cache: ResourceCache, latest: Map<string, Entry | undefined>): CacheEvent {
    const previous = latest.has(event.key) ? latest.get(event.key) : cache.byKey(event.key);
    const revision = event.modRevision;
    if (event.type === 'delete') {
      const last = previous ?? this.entryOf(event, cache.prefix);
      latest.set(event.key, undefined);
      this.#stale.delete(event.key);
      return { type: 'DELETED', entry: last.at(revision), previous: last, revision };
    }
    const pending = this.#pending.get(event.key);
    const ours = pending?.wrote(event.value);
    if (ours) this.#pending.delete(event.key);
    const entry = ours ? pending!.entry(revision) : this.entryOf(event, cache.prefix);
    latest.set(event.key, entry);
    return previous ? { type: 'MODIFIED', entry, previous, revision } : { type: 'ADDED', entry, revision };
  }

  #applyUnclaimed({ type, key, value, createRevision, modRevision }: StorageEvent): void {
    if (type === 'delete') this.#unclaimed.delete(key);
    else this.#unclaimed.set(key, { key, value, createRevision, modRevision });
  }

  #advance(revision: number): void {
    if (revision > this.revision) this.revision = revision;
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.revision);
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.revision);
    for (const waiter of due) waiter.resolve();
  }

  #claim(prefix: string): Entry[] {
    const claimed: Entry[] = [];
    for (const item of this.#unclaimed.values()) {
      if (!item.key.startsWith(`${prefix}/`)) continue;
      claimed.push(this.entryOf(item, prefix));
      this.#unclaimed.delete(item.key);
    }
    return claimed;
  }

  #cacheOf(key: string): ResourceCache | undefined {
    const prefix = this.#prefixOf(key);
    return prefix === undefined ? undefined : this.#resources.get(prefix);
  }

  /** `/registry/pods` or, where upstream's prefix has two parts, `/registry/services/specs`. */
  #prefixOf(key: string): string | undefined {
    const first = key.indexOf('/', ROOT.length);
    if (first < 0) return undefined;
    const second = key.indexOf('/', first + 1);
    if (second > 0) {
      const long = key.slice(0, second);
      if (this.#resources.has(long)) return long;
    }
    const short = key.slice(0, first);
    return this.#resources.has(short) ? short : undefined;
  }
}

/** A write on its way to the store. */
export class PendingWrite {
  readonly key: string;
  /** The bytes to give to the store. */
  readonly written: Uint8Array;
  readonly #plain: Uint8Array;
  readonly #object: KubeObject;
  readonly #parse: ParseStored;
  readonly #prefixLength: number;
  #entry: Entry | undefined;

  constructor(fields: {
    key: string;
    written: Uint8Array;
    plain: Uint8Array;
    object: KubeObject;
    parse: ParseStored;
    prefixLength: number;
  }) {
    this.key = fields.key;
    this.written = fields.written;
    this.#plain = fields.plain;
    this.#object = fields.object;
    this.#parse = fields.parse;
    this.#prefixLength = fields.prefixLength;
  }

  wrote(value: Uint8Array): boolean {
    return value === this.written || Buffer.compare(value, this.written) === 0;
  }

  /** The same entry for the writer's answer and for the cache. */
  entry(revision: number): Entry {
    if (!this.#entry) {
      this.#object.metadata.resourceVersion = String(revision);
      this.#entry = new Entry(
        { key: this.key, ...splitName(this.key, this.#prefixLength), revision, stored: this.#plain, object: this.#object },
        this.#parse,
      );
    }
    return this.#entry;
  }
}

interface Waiter {
  revision: number;
  resolve: () => void;
}

function splitName(key: string, prefixLength: number): { namespace: string; name: string } {
  const slash = key.indexOf('/', prefixLength + 1);
  return slash < 0
    ? { namespace: '', name: key.slice(prefixLength + 1) }
    : { namespace: key.slice(prefixLength + 1, slash), name: key.slice(slash + 1) };
}
