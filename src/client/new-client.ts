import type { GroupVersionResource, ObjectWithMeta } from '../api/meta.ts';
import { statusError, StatusError } from '../api/status.ts';
import type { ApiRequest, ApiResponse, Transport } from '../api/transport.ts';
import type { Status } from '../api/types.gen.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import { systemRng } from '../lib/random.ts';
import type { Client, ResourceType } from './client.ts';
import type { Informer, InformerOptions } from './informer.ts';
import { createResourceClient } from './resource-client.ts';
import { SharedInformer } from './shared-informer.ts';

export interface ClientOptions {
  transport: Transport;
  clock: Clock;
  log: Logger;
  /** Jitters reconnects; the system's unless a test gives one. */
  rng?: Rng;
}

/** A client over one transport and so one identity. Cheap until an informer is started; nothing is sent before the first call. */
export function createClient({ transport, clock, log, rng = systemRng() }: ClientOptions): Client {
  const informers = new Map<string, SharedInformer<ObjectWithMeta>>();
  const request = (call: ApiRequest): Promise<ApiResponse> => requestOrThrow(transport, call);
  let closed = false;

  function informer<T extends ObjectWithMeta>(type: ResourceType<T>, options: InformerOptions = {}): Informer<T> {
    if (closed) throw new Error('the client is closed');
    const { namespace = '', labelSelector = '', fieldSelector = '' } = options;
    const key = informerKey(type, options);
    let shared = informers.get(key);
    if (!shared) {
      const source = createResourceClient(request, type, namespace || undefined);
      shared = new SharedInformer<ObjectWithMeta>({ type, source, labelSelector, fieldSelector, clock, rng, log });
      informers.set(key, shared);
    }
    // The map is keyed by the resource, so what is stored under a key has that resource's type.
    return shared as unknown as Informer<T>;
  }

  return {
    transport,
    request,
    informer,
    resource: (type, namespace) => createResourceClient(request, type, namespace),
    async dropInformer(type, options = {}) {
      const key = informerKey(type, options);
      const dropped = informers.get(key);
      informers.delete(key);
      await dropped?.stop();
    },
    async syncInformers() {
      await Promise.all([...informers.values()].map((each) => each.start()));
    },
    async close() {
      closed = true;
      await Promise.all([...informers.values()].map((each) => each.stop()));
    },
  };
}

/**
 * The same informers, while calls go out over another transport and so as somebody else: the controllers of one process share their
 * caches, and each writes with its own identity. Closing it closes nothing.
 */
export function withTransport(client: Client, transport: Transport): Client {
  const request = (call: ApiRequest): Promise<ApiResponse> => requestOrThrow(transport, call);
  const resource: Client['resource'] = (type, namespace) => createResourceClient(request, type, namespace);
  return { ...client, transport, request, resource, close: () => Promise.resolve() };
}

function informerKey(
  { group, version, resource }: GroupVersionResource,
  { namespace = '', labelSelector = '', fieldSelector = '' }: InformerOptions,
): string {
  return `${group}/${version}/${resource}\n${namespace}\n${labelSelector}\n${fieldSelector}`;
}

async function requestOrThrow(transport: Transport, request: ApiRequest): Promise<ApiResponse> {
  const response = await transport(request);
  if (response.status < 400) return response;
  throw toStatusError(response);
}

/** What failed, from the answer's Status, or from its code where a proxy answered instead of the API. */
function toStatusError(response: ApiResponse): StatusError {
  const { status: code, body, text } = response;
  if (isStatus(body)) return new StatusError({ ...body, code: body.code ?? code });
  const message = text?.trim() || `the server answered with status ${code}`;
  const reason =
    code === 401 ? 'Unauthorized' : code === 403 ? 'Forbidden' : code === 404 ? 'NotFound' : code === 429 ? 'TooManyRequests' : undefined;
  if (reason) return statusError(reason, message);
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: code === 503 ? 'ServiceUnavailable' : 'InternalError',
    message,
    code,
  });
}

function isStatus(body: unknown): body is Status {
  return typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status';
}
