import type { KubeList, ObjectWithMeta, WatchEvent } from '../api/meta.ts';
import { groupVersion, keyOf } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import { backoffDelay } from '../lib/backoff.ts';
import { pause, type Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import type { ResourceClient, ResourceType } from './client.ts';
import type { Informer, InformerHandler } from './informer.ts';
import { ObjectCache } from './object-cache.ts';

export interface SharedInformerOptions<T extends ObjectWithMeta> {
  type: ResourceType<T>;
  source: Pick<ResourceClient<T>, 'list' | 'watch'>;
  labelSelector?: string;
  fieldSelector?: string;
  clock: Clock;
  rng: Rng;
  log: Logger;
}

/** Delays between attempts while the server does not answer: short at first, since on a laptop it is usually back at once. */
const RETRY = { baseMs: 100, maxMs: 10_000, jitter: 1 };
/** The server ends a watch after this (doubled at random), as client-go asks: a connection that died silently is found out. */
const MIN_WATCH_SECONDS = 300;
/** A watch that lived so long, or that brought an event, ends a row of failures. */
const HEALTHY_WATCH_MS = 1000;

/**
 *     idle --start()--> listing --> watching --stop()--> stopped
 *                          ^------410-----'
 *
 * A watch that ends is taken up again from the last revision seen, bookmarks included.
 */
export class SharedInformer<T extends ObjectWithMeta> implements Informer<T> {
  readonly #options: SharedInformerOptions<T>;
  readonly #cache = new ObjectCache<T>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #abort = new AbortController();
  readonly #firstList = Promise.withResolvers<void>();
  readonly #query: { labelSelector?: string; fieldSelector?: string };
  #running: Promise<void> | undefined;
  #synced = false;
  #failures = 0;
  /** The revision to watch from; undefined asks for a list. */
  #revision: string | undefined;

  constructor(options: SharedInformerOptions<T>) {
    this.#options = options;
    const { labelSelector, fieldSelector } = options;
    this.#query = { ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}) };
    // A stop before the first list rejects it; whoever awaits start() sees that, and it is no failure where nobody does.
    this.#firstList.promise.catch(() => undefined);
  }

  get synced(): boolean {
    return this.#synced;
  }

  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#firstList.promise;
  }

  /** Ends the watch; what is cached stays readable. Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('the informer was stopped'));
    this.#firstList.reject(this.#abort.signal.reason);
    await this.#running;
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  list(): T[] {
    return this.#cache.list();
  }

  listNamespace(namespace: string): T[] {
    return this.#cache.listNamespace(namespace);
  }

  addIndex(name: string, of: (object: T) => readonly string[]): void {
    this.#cache.addIndex(name, of);
  }

  byIndex(name: string, value: string): T[] {
    return this.#cache.byIndex(name, value);
  }

  subscribe(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    if (handler.added) for (const object of this.#cache.list()) handler.added(object);
    return () => void this.#handlers.delete(handler);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        if (this.#revision === undefined) await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#afterFailure(error, signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    // The first list may come from the server's cache; one after a 410 must be current, so that the cache never goes back in time.
    const resourceVersion = this.#synced ? {} : { resourceVersion: '0' };
    const list = await this.#options.source.list({ ...this.#query, ...resourceVersion, signal });
    this.#replace(list);
    this.#revision = list.metadata.resourceVersion;
    this.#synced = true;
    this.#firstList.resolve();
  }

  /** Resolves when the server ended the watch in good order; throws what cut it off. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { source, rng, clock } = this.#options;
    const timeoutSeconds = Math.ceil(MIN_WATCH_SECONDS * (1 + rng.next()));
    const resourceVersion = this.#revision!;
    const began = clock.monotonic();
    try {
      const batches = await source.watch({ ...this.#query, resourceVersion, allowWatchBookmarks: true, timeoutSeconds, signal });
      for await (const batch of batches) for (const event of batch) this.#apply(event);
    } finally {
      if (clock.monotonic() - began >= HEALTHY_WATCH_MS || this.#revision !== resourceVersion) this.#failures = 0;
    }
    // A server that ends each watch at once, with nothing said, must not be asked in a tight loop.
    if (clock.monotonic() - began < HEALTHY_WATCH_MS && this.#revision === resourceVersion) throw new Error('the watch ended at once');
  }

  async #afterFailure(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, rng, log, type } = this.#options;
    if (error instanceof StatusError && error.code === 410) {
      this.#revision = undefined;
      if (this.#failures++ === 0) return;
    }
    const delay = backoffDelay(this.#failures++, RETRY, rng);
    const entry = { resource: type.resource, error: errorMessage(error), retryInMs: Math.round(delay) };
    if (this.#failures > 3) log.warn('cannot list and watch', entry);
    else log.debug('list and watch was cut off', entry);
    await pause(clock, delay, signal);
  }

  /** Throws the Status of an ERROR event. */
  #apply({ type, object }: WatchEvent<T>): void {
    if (type === 'ERROR') throw new StatusError(object);
    this.#revision = object.metadata.resourceVersion ?? this.#revision;
    if (type === 'DELETED') this.#remove(keyOf(object), object);
    else if (type !== 'BOOKMARK') this.#put(object);
  }

  #replace(list: KubeList<T>): void {
    const gone = new Set(this.#synced ? this.#cache.keys() : []);
    for (const object of list.items) {
      gone.delete(keyOf(object));
      this.#put(this.#withKind(object));
    }
    for (const key of gone) this.#remove(key, this.#cache.get(key)!);
  }

  /** kube-apiserver leaves apiVersion and kind out of the items of a list; users of the cache can rely on them. */
  #withKind(object: T): T {
    return object.kind ? object : { apiVersion: groupVersion(this.#options.type), kind: this.#options.type.kind, ...object };
  }

  #put(object: T): void {
    const previous = this.#cache.put(keyOf(object), object);
    if (previous === undefined) {
      for (const handler of this.#handlers) handler.added?.(object);
    } else if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) {
      if (previous.metadata.uid === object.metadata.uid) {
        for (const handler of this.#handlers) handler.updated?.(object, previous);
        return;
      }
      // The deletion in between was missed while the watch was cut: tell of both, so that nobody takes the two for one object.
      for (const handler of this.#handlers) {
        handler.deleted?.(previous);
        handler.added?.(object);
      }
    }
  }

  #remove(key: string, last: T): void {
    if (!this.#cache.remove(key)) return;
    for (const handler of this.#handlers) handler.deleted?.(last);
  }
}
