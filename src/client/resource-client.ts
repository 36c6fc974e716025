import type { KubeList, ObjectWithMeta, WatchEvent } from '../api/meta.ts';
import { groupVersion } from '../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { DeleteOptions, ListOptions, PatchType, ResourceClient, ResourceType, WatchOptions } from './client.ts';
import type { QueryValue, ResourceTarget } from './resource-path.ts';
import { resourcePath } from './resource-path.ts';

type Send = (request: ApiRequest) => Promise<ApiResponse>;

const PATCH_CONTENT_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Calls on one resource through `send`, which throws StatusError for a failure. */
export function createResourceClient<T extends ObjectWithMeta>(send: Send, type: ResourceType<T>, namespace?: string): ResourceClient<T> {
  const call = async <R>(method: ApiRequest['method'], target: ResourceTarget, rest: Partial<ApiRequest> = {}): Promise<R> => {
    const response = await send({ method, path: resourcePath(type, { namespace, ...target }), ...rest });
    return response.body as R;
  };
  const one = (name: string, subresource?: string): ResourceTarget => {
    if (!name) throw new TypeError(`a name is needed to address one of ${type.resource}`);
    if (type.namespaced && !namespace) throw new TypeError(`a namespace is needed to address ${type.resource} "${name}"`);
    return { name, subresource };
  };
  const replace = (object: T, subresource?: string): Promise<T> =>
    call('PUT', one(object.metadata.name ?? '', subresource), { body: withKind(type, object) });

  return {
    get: (name) => call('GET', one(name)),
    list: ({ signal, ...query } = {}) => call<KubeList<T>>('GET', { query: listQuery(query) }, signal ? { signal } : {}),
    watch: (options = {}) => watch(send, type, namespace, options),
    create: (object) =>
      call('POST', { namespace: type.namespaced ? (namespace ?? object.metadata.namespace) : undefined }, { body: withKind(type, object) }),
    update: (object) => replace(object),
    updateStatus: (object) => replace(object, 'status'),
    patch: (name, patchType, patch, subresource) =>
      call('PATCH', one(name, subresource), { body: patch, headers: { 'content-type': PATCH_CONTENT_TYPES[patchType] } }),
    apply: (object, { fieldManager, force, subresource }) =>
      call(
        'PATCH',
        { ...one(object.metadata.name ?? '', subresource), query: { fieldManager, force } },
        { body: withKind(type, object), headers: { 'content-type': 'application/apply-patch+yaml' } },
      ),
    async delete(name, options) {
      await call('DELETE', one(name), options ? { body: deleteBody(options) } : {});
    },
    async deleteCollection(options = {}) {
      const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun, signal, ...query } = options;
      const body = deleteBody({ gracePeriodSeconds, propagationPolicy, preconditions, dryRun });
      await call('DELETE', { query: listQuery(query) }, signal ? { body, signal } : { body });
    },
    subresource: (name, subresource, method, body) => call(method, one(name, subresource), body === undefined ? {} : { body }),
  };
}

async function watch<T extends ObjectWithMeta>(
  send: Send,
  type: ResourceType<T>,
  namespace: string | undefined,
  { signal, ...options }: WatchOptions,
): Promise<AsyncIterable<readonly WatchEvent<T>[]>> {
  const { allowWatchBookmarks, sendInitialEvents, timeoutSeconds, ...list } = options;
  const query = { ...listQuery(list), watch: true, allowWatchBookmarks, sendInitialEvents, timeoutSeconds };
  const response = await send({ method: 'GET', path: resourcePath(type, { namespace, query }), ...(signal ? { signal } : {}) });
  if (!response.events) throw new TypeError(`the answer to a watch of ${type.resource} is not a stream of events`);
  // The server sends objects of the resource that was asked for.
  return response.events as AsyncIterable<readonly unknown[]> as AsyncIterable<readonly WatchEvent<T>[]>;
}

function listQuery(options: Omit<ListOptions, 'signal'>): Record<string, QueryValue> {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options;
  return { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion, resourceVersionMatch };
}

function deleteBody(options: DeleteOptions): Record<string, unknown> {
  return { kind: 'DeleteOptions', apiVersion: 'v1', ...options };
}

function withKind<T extends ObjectWithMeta>(type: ResourceType<T>, object: T): T {
  return object.kind && object.apiVersion ? object : { apiVersion: groupVersion(type), kind: type.kind, ...object };
}
