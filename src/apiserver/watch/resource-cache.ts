import type { Entry } from './entry.ts';
import { isReadable, readableEvents } from './unreadable-entry.ts';

/** One change, as the store ordered it. For DELETED `entry` is the removed object at the revision of its deletion. */
export interface CacheEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  entry: Entry;
  previous?: Entry;
  revision: number;
}

/** Told of changes in the order of their revisions, each batch after the cache holds it. */
export type CacheListener = (events: readonly CacheEvent[]) => void;

/**
 * The current objects of one storage prefix in key order, and the recent changes, from which watches resume. Changed by the feed of
 * WatchCache only.
 */
export class ResourceCache {
  readonly prefix: string;
  /** The revision of the last change here; a list is the same at every revision from this on. */
  changedAt = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #namespaces = new Map<string, NamespaceBucket>();
  #namespaceOrder: string[] | undefined;
  #all: readonly Entry[] | undefined;
  readonly #ring: CacheEvent[] = [];
  #ringStart = 0;
  #floor = 0;
  readonly #listeners = new Set<CacheListener>();
  readonly #indexes = new Map<string, Index>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(namespace: string, name: string): Entry | undefined {
    return this.#entries.get(objectKey(this.prefix, namespace, name));
  }

  byKey(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** In key order; of one namespace, or all. The same array as long as nothing changes, which is how encoders know lists that they have had. */
  list(namespace = ''): readonly Entry[] {
    if (namespace) return this.#namespaces.get(namespace)?.ordered() ?? NO_ENTRIES;
    return (this.#all ??= this.#everything());
  }

  #everything(): readonly Entry[] {
    this.#namespaceOrder ??= [...this.#namespaces.keys()].toSorted((a, b) => compareKeys(`${a}/`, `${b}/`));
    if (this.#namespaceOrder.length === 1) return this.#namespaces.get(this.#namespaceOrder[0]!)!.ordered();
    const all: Entry[] = [];
    for (const name of this.#namespaceOrder) for (const entry of this.#namespaces.get(name)!.ordered()) all.push(entry);
    return all;
  }

  count(namespace = ''): number {
    return namespace ? (this.#namespaces.get(namespace)?.size ?? 0) : this.#entries.size;
  }

  /** The entries whose `read(object)` is `value`, unordered. The index is built on first use and kept from then on. */
  indexed(name: string, read: (entry: Entry) => string | undefined, value: string): Iterable<Entry> {
    let index = this.#indexes.get(name);
    if (!index) {
      index = new Index(read);
      for (const entry of this.#entries.values()) if (isReadable(entry)) index.put(entry, undefined);
      this.#indexes.set(name, index);
    }
    return index.get(value);
  }

  subscribe(listener: CacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Changes after `revision`, or undefined when some of them are forgotten. */
  changesSince(revision: number): CacheEvent[] | undefined {
    if (revision < this.#floor) return undefined;
    let low = this.#ringStart;
    let high = this.#ring.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ring[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#ring.slice(low);
  }

  /** The oldest revision that a watch can resume from. */
  get floor(): number {
    return this.#floor;
  }

  /** Fills the cache from a range at `revision`: history begins there. Entries that differ from what was held become events. */
  reset(entries: readonly Entry[], revision: number): void {
    const events: CacheEvent[] = [];
    const kept = new Set<string>();
    for (const entry of entries) {
      kept.add(entry.key);
      const previous = this.#entries.get(entry.key);
      if (previous?.revision === entry.revision) continue;
      events.push({ type: previous ? 'MODIFIED' : 'ADDED', entry, ...(previous ? { previous } : {}), revision: entry.revision });
    }
    for (const previous of this.#entries.values()) {
      if (!kept.has(previous.key)) events.push({ type: 'DELETED', entry: previous.at(revision), previous, revision });
    }
    events.sort((a, b) => a.revision - b.revision);
    this.apply(events);
    this.#ring.length = 0;
    this.#ringStart = 0;
    this.#floor = revision;
  }

  apply(events: readonly CacheEvent[]): void {
    if (events.length === 0) return;
    for (const event of events) this.#applyOne(event);
    this.changedAt = Math.max(this.changedAt, events.at(-1)!.revision);
    const shown = readableEvents(events);
    for (const listener of this.#listeners) listener(shown);
    for (const { previous } of events) previous?.shed();
  }

  /** Forgets changes at or before `revision`. */
  forget(revision: number): void {
    while (this.#ringStart < this.#ring.length && this.#ring[this.#ringStart]!.revision <= revision) this.#dropOldest();
    this.#compactRing();
  }

  #applyOne(event: CacheEvent): void {
    const { entry, previous, type } = event;
    this.#all = undefined;
    if (type === 'DELETED') this.#remove(entry);
    else this.#put(entry);
    for (const index of this.#indexes.values())
      index.put(type === 'DELETED' || !isReadable(entry) ? undefined : entry, previous && isReadable(previous) ? previous : undefined);
    this.#ring.push(event);
    if (this.#ring.length - this.#ringStart > RING_EVENTS) this.#dropOldest();
    if (this.#ringStart > RING_EVENTS) this.#compactRing();
  }

  #put(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    let bucket = this.#namespaces.get(entry.namespace);
    if (!bucket) {
      bucket = new NamespaceBucket();
      this.#namespaces.set(entry.namespace, bucket);
      this.#namespaceOrder = undefined;
    }
    bucket.put(entry);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    const bucket = this.#namespaces.get(entry.namespace);
    bucket?.remove(entry.name);
    if (bucket?.size !== 0) return;
    this.#namespaces.delete(entry.namespace);
    this.#namespaceOrder = undefined;
  }

  #dropOldest(): void {
    this.#floor = this.#ring[this.#ringStart]!.revision;
    this.#ringStart++;
  }

  #compactRing(): void {
    this.#ring.splice(0, this.#ringStart);
    this.#ringStart = 0;
  }
}

/** How many changes are remembered for each resource. */
const RING_EVENTS = 8192;

/** `/registry/pods/default/web`; cluster-scoped objects have no namespace part. */
export function objectKey(prefix: string, namespace: string, name: string): string {
  return namespace ? `${prefix}/${namespace}/${name}` : `${prefix}/${name}`;
}

export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const NO_ENTRIES: readonly Entry[] = [];

/** The objects of one namespace; their order is made on first use and kept up from then on. */
class NamespaceBucket {
  readonly #slots = new Map<string, { entry: Entry }>();
  #order: { entry: Entry }[] | undefined;
  #entries: readonly Entry[] | undefined;

  get size(): number {
    return this.#slots.size;
  }

  ordered(): readonly Entry[] {
    this.#order ??= [...this.#slots.values()].toSorted((a, b) => compareKeys(a.entry.name, b.entry.name));
    return (this.#entries ??= this.#order.map((slot) => slot.entry));
  }

  put(entry: Entry): void {
    this.#entries = undefined;
    const existing = this.#slots.get(entry.name);
    if (existing) {
      existing.entry = entry;
      return;
    }
    const slot = { entry };
    this.#slots.set(entry.name, slot);
    this.#order?.splice(position(this.#order, entry.name), 0, slot);
  }

  remove(name: string): void {
    this.#entries = undefined;
    if (!this.#slots.delete(name) || !this.#order) return;
    this.#order.splice(position(this.#order, name), 1);
  }
}

/** Where `name` is, or belongs. */
function position(order: readonly { entry: Entry }[], name: string): number {
  let low = 0;
  let high = order.length;
  if (high > 0 && compareKeys(order[high - 1]!.entry.name, name) < 0) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(order[middle]!.entry.name, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

class Index {
  readonly #read: (entry: Entry) => string | undefined;
  readonly #values = new Map<string, Map<string, Entry>>();

  constructor(read: (entry: Entry) => string | undefined) {
    this.#read = read;
  }

  get(value: string): Iterable<Entry> {
    return this.#values.get(value)?.values() ?? [];
  }

  put(entry: Entry | undefined, previous: Entry | undefined): void {
    const before = previous && this.#read(previous);
    const after = entry && this.#read(entry);
    if (before !== undefined && before !== after) {
      const bucket = this.#values.get(before);
      bucket?.delete(previous!.key);
      if (bucket?.size === 0) this.#values.delete(before);
    }
    if (after === undefined) return;
    const bucket = this.#values.get(after);
    if (bucket) bucket.set(entry!.key, entry!);
    else this.#values.set(after, new Map([[entry!.key, entry!]]));
  }
}
