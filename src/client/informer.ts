import type { ObjectWithMeta } from '../api/meta.ts';

export interface InformerOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/**
 * A local copy of a collection, kept current by one watch. It lists (or streams the initial events), watches from there, resumes
 * from its last revision after a cut, and lists again after a 410. What it holds may be stale by the time a watch takes; it never
 * goes back in time. Objects are shared: read only.
 */
export interface Informer<T extends ObjectWithMeta> {
  /** Begins; resolves when the first list is in the cache. Safe to call by every user of a shared informer. */
  start(): Promise<void>;
  readonly synced: boolean;
  /** By `namespace/name` (`keyOf`). */
  get(key: string): T | undefined;
  list(): T[];
  listNamespace(namespace: string): T[];
  /** Adds an index before `start`: each object is filed under every string that `of` returns. */
  addIndex(name: string, of: (object: T) => readonly string[]): void;
  byIndex(name: string, value: string): T[];
  /**
   * Calls the handler for every change, in order, after the cache holds it; for each object already there it calls `added` at once.
   * Handlers must not throw and should only note keys. Returns how to stop.
   */
  subscribe(handler: InformerHandler<T>): () => void;
}

export interface InformerHandler<T extends ObjectWithMeta> {
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  deleted?(object: T): void;
}
