import type { Status } from '../../api/types.gen.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { FieldSelector } from '../../api/selectors.ts';
import type { Entry } from './entry.ts';
import type { CacheEvent, ResourceCache } from './resource-cache.ts';

/** One event as a watcher sees it, after its selectors. */
export interface VisibleEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  entry: Entry;
}

/** What of a resource a watcher sees. `match` is absent when it sees everything in its scope. */
export interface WatchScope {
  namespace: string;
  /** One object only (a `metadata.name` field selector). */
  name?: string;
  match?: (object: KubeObject) => boolean;
}

/** Turns events into what sinks take: bytes for the wire, objects for the loopback. Called once for all sinks of a channel. */
export interface WatchEncoder<T> {
  events(events: readonly VisibleEvent[]): T;
  /** An ERROR that carries a Status: how a watch says that it cannot go on. */
  error(status: Status): T;
  /** A BOOKMARK at `revision`; `initialEnd` marks the end of the initial events (KEP-3157). */
  bookmark(revision: number, initialEnd: boolean): T;
}

/** One watcher's connection. `send` must not block: a sink that cannot keep up ends itself. */
export interface WatchSink<T> {
  send(batch: T): void;
  /** The server ends this watch. */
  end(): void;
}

/**
 * Watchers that see the same: same resource, scope, selectors and encoding. Each batch is filtered and encoded once, however many
 * watch. `Fanout` finds the channels that a change concerns.
 */
export class Channel<T> {
  readonly key: string;
  readonly scope: WatchScope;
  readonly sinks = new Set<WatchSink<T>>();
  readonly #encoder: WatchEncoder<T>;

  constructor(key: string, scope: WatchScope, encoder: WatchEncoder<T>) {
    this.key = key;
    this.scope = scope;
    this.#encoder = encoder;
  }

  deliver(events: readonly CacheEvent[]): void {
    const visible = this.visible(events);
    if (visible.length === 0) return;
    const batch = this.#encoder.events(visible);
    for (const sink of this.sinks) sink.send(batch);
  }

  /** Past or present events, encoded for one sink that joins. */
  encode(events: readonly VisibleEvent[]): T {
    return this.#encoder.events(events);
  }

  error(status: Status): T {
    return this.#encoder.error(status);
  }

  bookmark(revision: number, initialEnd: boolean): T {
    return this.#encoder.bookmark(revision, initialEnd);
  }

  /** Applies the scope: an object that enters the selector is ADDED, one that leaves it is DELETED. */
  visible(events: readonly CacheEvent[]): VisibleEvent[] {
    const { match, namespace, name } = this.scope;
    const found: VisibleEvent[] = [];
    for (const event of events) {
      const { entry } = event;
      if ((namespace && entry.namespace !== namespace) || (name !== undefined && entry.name !== name)) continue;
      const seen = match ? select(event, match) : event;
      if (seen) found.push(seen);
    }
    return found;
  }
}

function select({ type, entry, previous }: CacheEvent, match: (object: KubeObject) => boolean): VisibleEvent | undefined {
  const before = previous !== undefined && match(previous.object);
  if (type === 'DELETED') return before ? { type, entry } : undefined;
  const after = match(entry.object);
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', entry };
  return before ? { type: 'DELETED', entry: previous.at(entry.revision) } : undefined;
}

/** A field whose value decides which watchers can see an object. */
export interface Trigger {
  field: string;
  read: (entry: Entry) => string | undefined;
}

/** The channels of one resource. A change is shown only to those whose scope can contain it. */
export class Fanout {
  readonly #channels = new Map<string, Channel<unknown>>();
  readonly #everywhere = new Set<Channel<unknown>>();
  readonly #byNamespace = new Map<string, Set<Channel<unknown>>>();
  readonly #byName = new Map<string, Set<Channel<unknown>>>();
  readonly #byTrigger = new Map<string, Set<Channel<unknown>>>();
  /** How to take a channel out of the index that it is in. */
  readonly #displace = new Map<Channel<unknown>, () => void>();
  readonly #trigger: Trigger | undefined;
  #unsubscribe: (() => void) | undefined;
  readonly #cache: ResourceCache;

  /** `trigger` is the field that selectors most often pin (a pod's spec.nodeName). */
  constructor(cache: ResourceCache, trigger?: Trigger) {
    this.#cache = cache;
    this.#trigger = trigger;
  }

  /** Reads the trigger field of an entry; the index of lists reads with it too. */
  get trigger(): ((entry: Entry) => string | undefined) | undefined {
    return this.#trigger?.read;
  }

  /** The value that a selector demands of the trigger field. */
  pinned(fields: FieldSelector): string | undefined {
    return this.#trigger && fields.exact(this.#trigger.field);
  }

  channel<T>(key: string, scope: WatchScope, pinned: string | undefined, make: () => WatchEncoder<T>): Channel<T> {
    const existing = this.#channels.get(key);
    if (existing) return existing as Channel<T>;
    const made = new Channel<T>(key, scope, make());
    this.#channels.set(key, made);
    this.#displace.set(made, this.#place(made, pinned));
    this.#unsubscribe ??= this.#cache.subscribe((events) => this.#dispatch(events));
    return made;
  }

  join<T>(channel: Channel<T>, sink: WatchSink<T>): void {
    channel.sinks.add(sink);
  }

  /** Harmless when it had left already. */
  leave<T>(channel: Channel<T>, sink: WatchSink<T>): void {
    channel.sinks.delete(sink);
    if (channel.sinks.size > 0 || !this.#channels.delete(channel.key)) return;
    this.#displace.get(channel)?.();
    this.#displace.delete(channel);
    if (this.#channels.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Ends every watch: what they are made with is no longer what is served. Clients come back, or are told that it is gone. */
  end(): void {
    for (const channel of this.#channels.values()) {
      for (const sink of channel.sinks) {
        this.leave(channel, sink);
        sink.end();
      }
    }
  }

  #place(channel: Channel<unknown>, pinned: string | undefined): () => void {
    const { name, namespace } = channel.scope;
    if (pinned !== undefined && this.#trigger) return addTo(this.#byTrigger, pinned, channel);
    if (name !== undefined) return addTo(this.#byName, name, channel);
    if (namespace) return addTo(this.#byNamespace, namespace, channel);
    this.#everywhere.add(channel);
    return () => this.#everywhere.delete(channel);
  }

  #dispatch(events: readonly CacheEvent[]): void {
    for (const channel of this.#everywhere) channel.deliver(events);
    if (this.#byNamespace.size + this.#byName.size + this.#byTrigger.size === 0) return;
    const concerned = new Map<Channel<unknown>, CacheEvent[]>();
    for (const event of events) this.#concerned(event, concerned);
    for (const [channel, some] of concerned) channel.deliver(some);
  }

  #concerned(event: CacheEvent, found: Map<Channel<unknown>, CacheEvent[]>): void {
    const { entry, previous } = event;
    const add = (channels: Iterable<Channel<unknown>> | undefined): void => {
      for (const channel of channels ?? []) {
        const list = found.get(channel);
        if (!list) found.set(channel, [event]);
        else if (list.at(-1) !== event) list.push(event);
      }
    };
    add(this.#byNamespace.get(entry.namespace));
    add(this.#byName.get(entry.name));
    if (this.#byTrigger.size === 0) return;
    add(this.#byTrigger.get(this.#trigger!.read(entry) ?? ''));
    if (previous) add(this.#byTrigger.get(this.#trigger!.read(previous) ?? ''));
  }
}

/** Returns how to take it out again. */
function addTo<V>(index: Map<string, Set<V>>, value: string, item: V): () => void {
  const set = index.get(value) ?? new Set();
  index.set(value, set.add(item));
  return () => {
    if (set.delete(item) && set.size === 0) index.delete(value);
  };
}
