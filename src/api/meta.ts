import type { ObjectMeta } from './types.gen.ts';

/** Anything the API stores. Objects that come out of a cache are shared: never change one, build a new one. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** The least that typed objects (Pod, Deployment …) share; use it as a bound: `<T extends ObjectWithMeta>`. */
export interface ObjectWithMeta {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

export interface KubeList<T extends ObjectWithMeta = KubeObject> {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export interface WatchEvent<T = KubeObject> {
  type: WatchEventType;
  /** For ERROR a `Status`, for BOOKMARK an object with only its kind and metadata.resourceVersion. */
  object: T;
}

/** A resource as the URL names it: `{ group: 'apps', version: 'v1', resource: 'deployments' }`; the core group is ''. */
export interface GroupVersionResource {
  group: string;
  version: string;
  resource: string;
}

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** `namespace/name`, or the name alone for what is not namespaced: the key of caches and queues. */
export function keyOf(object: ObjectWithMeta): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name!;
}

export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `apps/v1` for a group, `v1` for the core group. */
export function groupVersion({ group, version }: { group: string; version: string }): string {
  return group ? `${group}/${version}` : version;
}

export function parseGroupVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
