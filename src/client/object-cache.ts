import type { ObjectWithMeta } from '../api/meta.ts';

/** What an informer holds: objects by `namespace/name`, and indexes that are kept with every change. */
export class ObjectCache<T extends ObjectWithMeta> {
  readonly #objects = new Map<string, T>();
  readonly #namespaces: Index<T> = { of: (object) => (object.metadata.namespace ? [object.metadata.namespace] : []), entries: new Map() };
  readonly #indexes = new Map<string, Index<T>>();

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  listNamespace(namespace: string): T[] {
    return valuesOf(this.#namespaces, namespace);
  }

  /** Adding an index again under its name changes nothing: users of a shared informer each add what they need. */
  addIndex(name: string, of: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index: Index<T> = { of, entries: new Map() };
    for (const [key, object] of this.#objects) enter(index, key, object);
    this.#indexes.set(name, index);
  }

  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`there is no index "${name}"`);
    return valuesOf(index, value);
  }

  /** Returns what was there before. */
  put(key: string, object: T): T | undefined {
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    replace(this.#namespaces, key, previous, object);
    for (const index of this.#indexes.values()) replace(index, key, previous, object);
    return previous;
  }

  /** Returns whether it was there. */
  remove(key: string): boolean {
    const previous = this.#objects.get(key);
    if (!previous) return false;
    this.#objects.delete(key);
    for (const index of this.#all()) leave(index, key, previous);
    return true;
  }

  *#all(): Iterable<Index<T>> {
    yield this.#namespaces;
    yield* this.#indexes.values();
  }
}

interface Index<T> {
  of: (object: T) => readonly string[];
  entries: Map<string, Map<string, T>>;
}

function valuesOf<T>(index: Index<T>, value: string): T[] {
  const found = index.entries.get(value);
  return found ? [...found.values()] : [];
}

/** Most changes leave an object where it is filed: then it only takes the old one's place. */
function replace<T>(index: Index<T>, key: string, previous: T | undefined, object: T): void {
  if (previous === undefined) return enter(index, key, object);
  const [before, after] = [index.of(previous), index.of(object)];
  if (before.length === after.length && before.every((value, at) => value === after[at])) {
    for (const value of after) index.entries.get(value)!.set(key, object);
  } else {
    leave(index, key, previous);
    enter(index, key, object);
  }
}

function enter<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    const found = index.entries.get(value);
    if (found) found.set(key, object);
    else index.entries.set(value, new Map([[key, object]]));
  }
}

function leave<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.of(object)) {
    const found = index.entries.get(value);
    found?.delete(key);
    if (found?.size === 0) index.entries.delete(value);
  }
}
