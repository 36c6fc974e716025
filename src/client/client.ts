/**
 * The typed client: what components know of the cluster. One implementation over a `Transport` (https or loopback).
 * Failures are thrown as `StatusError` (api/status.ts). Objects that come back are shared with caches: read only.
 */
import type { GroupVersionResource, KubeList, KubeObject, ObjectWithMeta, WatchEvent } from '../api/meta.ts';
import type { ApiRequest, ApiResponse, Transport } from '../api/transport.ts';
import type { Informer, InformerOptions } from './informer.ts';

/** A resource, its kind and its scope. `resources.ts` in this folder has a constant for every built-in one: `PODS`, `DEPLOYMENTS` … */
export interface ResourceType<T extends ObjectWithMeta = KubeObject> extends GroupVersionResource {
  kind: string;
  namespaced: boolean;
  /** Carries T for inference only; never set. */
  readonly __type?: T;
}

export interface Client {
  readonly transport: Transport;
  /** Calls on one resource. `namespace` is required for single objects of namespaced resources; without it, list and watch see all namespaces. */
  resource<T extends ObjectWithMeta>(type: ResourceType<T>, namespace?: string): ResourceClient<T>;
  /** The shared informer for a resource and its selector: the same one for the same arguments, so that components share one watch. */
  informer<T extends ObjectWithMeta>(type: ResourceType<T>, options?: InformerOptions): Informer<T>;
  /** Stops and forgets an informer whose resource is gone (a CRD that was deleted). Whoever still holds it sees its last state. */
  dropInformer(type: ResourceType, options?: InformerOptions): Promise<void>;
  /** Anything else. Throws StatusError for an answer of 400 and more. */
  request(request: ApiRequest): Promise<ApiResponse>;
  /** Starts every informer that was asked for so far; resolves when each holds its first list. */
  syncInformers(): Promise<void>;
  /** Stops every informer. */
  close(): Promise<void>;
}

export interface ListOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  signal?: AbortSignal;
}

export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: readonly string[];
}

export type PatchType = 'json' | 'merge' | 'strategic';

export interface ResourceClient<T extends ObjectWithMeta> {
  get(name: string): Promise<T>;
  list(options?: ListOptions): Promise<KubeList<T>>;
  watch(options?: WatchOptions): Promise<AsyncIterable<readonly WatchEvent<T>[]>>;
  create(object: T): Promise<T>;
  /** Replaces; with metadata.resourceVersion set, only that revision. */
  update(object: T): Promise<T>;
  updateStatus(object: T): Promise<T>;
  patch(name: string, type: PatchType, patch: unknown, subresource?: string): Promise<T>;
  /** Server-side apply. */
  apply(object: T, options: { fieldManager: string; force?: boolean; subresource?: string }): Promise<T>;
  /** Resolves also when the object stays for its finalizers or grace period. Throws NotFound. */
  delete(name: string, options?: DeleteOptions): Promise<void>;
  deleteCollection(options?: ListOptions & DeleteOptions): Promise<void>;
  /** POST, PUT or GET on a subresource: `binding`, `eviction`, `token`, `scale`, `finalize`. */
  subresource<R = unknown>(name: string, subresource: string, method: 'GET' | 'POST' | 'PUT', body?: unknown): Promise<R>;
}
