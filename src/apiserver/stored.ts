import type { ObjectWithMeta } from '../api/meta.ts';
import type { ResourceInfo } from '../api/schema/schema.ts';
import type { ObjectSource, ResourceLookup } from './contract.ts';

/** One resource of the watch cache with its type. Objects are shared: read only. */
export interface Stored<T extends ObjectWithMeta> {
  readonly resource: ResourceInfo;
  get(namespace: string, name: string): T | undefined;
  /** As `get`, but what was written a moment ago is there for certain. Waits only for what is missing. */
  find(namespace: string, name: string): Promise<T | undefined>;
  /** All of them, or one namespace's. */
  list(namespace?: string): readonly T[];
  subscribe(onChange: (object: T, previous: T | undefined, deleted: boolean) => void): () => void;
}

/** Where a part of the server reads what is stored. */
export interface StoredObjects {
  source: ObjectSource;
  resources: ResourceLookup;
}

/** A typed view on a built-in resource. It is looked up on first use, so that views can be made before the server has started. */
export function stored<T extends ObjectWithMeta>(
  { source, resources }: StoredObjects,
  group: string,
  version: string,
  resource: string,
): Stored<T> {
  let found: ResourceInfo | undefined;
  const info = (): ResourceInfo => {
    found ??= resources.find(group, version, resource);
    if (!found) throw new Error(`the resource ${group}/${version} ${resource} is not served`);
    return found;
  };
  return {
    get resource() {
      return info();
    },
    get: (namespace, name) => source.get(info(), namespace, name) as T | undefined,
    find: async (namespace, name) => {
      const found = source.get(info(), namespace, name) as T | undefined;
      if (found) return found;
      await source.fresh();
      return source.get(info(), namespace, name) as T | undefined;
    },
    list: (namespace) => source.list(info(), namespace) as readonly unknown[] as readonly T[],
    subscribe: (onChange) => source.subscribe(info(), onChange as unknown as Parameters<ObjectSource['subscribe']>[1]),
  };
}
