/** Calls a definition's conversion webhook (apiextensions.k8s.io/v1 ConversionReview). */
import { request } from 'node:https';
import { semanticEqual } from '../../api/patch/json.ts';
import type { KubeObject } from '../../api/meta.ts';
import { statusError } from '../../api/status.ts';
import type { CustomResourceDefinition } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Rng } from '../../lib/random.ts';
import type { ServiceReference } from './service-address.ts';

export interface WebhookOptions {
  clock: Clock;
  rng: Rng;
  /** Where a Service's webhook listens; throws Error when nobody does. */
  locate: (service: ServiceReference) => { host: string; port: number };
}

/** From objects of one version to the same in another. Throws StatusError InternalError when the webhook fails or answers wrong. */
export type Converter = (objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>;

/** How long a webhook may take, ms (upstream's conversion client). */
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function converter(definition: CustomResourceDefinition, options: WebhookOptions): Converter {
  const kind = definition.spec.names.kind;
  return async (objects, apiVersion) => {
    const uid = options.rng.uuid();
    const review = {
      kind: 'ConversionReview',
      apiVersion: 'apiextensions.k8s.io/v1',
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    try {
      const answer = await post(definition, review, options);
      return checked(answer, { uid, objects, apiVersion });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw statusError(
        'InternalError',
        `conversion webhook for ${objects[0]?.apiVersion ?? ''}, Kind=${kind} failed: ${why}`,
        undefined,
        error,
      );
    }
  };
}

interface Asked {
  uid: string;
  objects: readonly KubeObject[];
  apiVersion: string;
}

interface Answer {
  kind?: unknown;
  response?: { uid?: unknown; result?: { status?: unknown; message?: unknown }; convertedObjects?: unknown };
}

/** Throws Error for an answer that a converter may not give. */
function checked({ kind, response }: Answer, { uid, objects, apiVersion }: Asked): KubeObject[] {
  if (kind !== 'ConversionReview' || !response) throw new Error('the webhook did not answer with a ConversionReview');
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid)}`);
  if (response.result?.status !== 'Success') throw new Error(textOf(response.result?.message) || 'no message');
  const converted = response.convertedObjects;
  if (!Array.isArray(converted) || converted.length !== objects.length)
    throw new Error(`webhook returned ${Array.isArray(converted) ? converted.length : 0} objects, expected ${objects.length}`);
  return converted.map((object: KubeObject, index) => withMetadataOf(object, objects[index]!, { index, apiVersion }));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Of the metadata a converter may change labels and annotations only. */
function withMetadataOf(
  converted: KubeObject,
  original: KubeObject,
  { index, apiVersion }: { index: number; apiVersion: string },
): KubeObject {
  const wrong = (what: string): Error => new Error(`invalid converted object at index ${index}: ${what}`);
  if (converted.apiVersion !== apiVersion) throw wrong(`invalid groupVersion, expected=${apiVersion}, got=${converted.apiVersion ?? ''}`);
  if (converted.kind !== original.kind) throw wrong(`invalid kind, expected=${original.kind}, got=${converted.kind ?? ''}`);
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if (!semanticEqual(converted.metadata?.[field], original.metadata[field]))
      throw wrong(`invalid metadata, expected metadata.${field}=${original.metadata[field] ?? ''}`);
  }
  const { labels: _labels, annotations: _annotations, ...kept } = original.metadata;
  const { labels, annotations } = converted.metadata;
  return { ...converted, metadata: { ...kept, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) } };
}

interface Endpoint {
  host: string;
  port: number;
  path: string;
  servername: string;
  ca?: string;
}

function endpointOf({ spec }: CustomResourceDefinition, { locate }: WebhookOptions): Endpoint {
  const { service, url, caBundle } = spec.conversion!.webhook!.clientConfig!;
  const ca = caBundle ? { ca: Buffer.from(caBundle, 'base64').toString() } : {};
  if (service) return { ...locate(service), path: service.path ?? '/', servername: `${service.name}.${service.namespace}.svc`, ...ca };
  const { hostname, port, pathname } = new URL(url!);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(port || 443), path: pathname, servername: host, ...ca };
}

async function post(definition: CustomResourceDefinition, body: object, options: WebhookOptions): Promise<Answer> {
  const { host, port, path, servername, ca } = endpointOf(definition, options);
  const deadline = new AbortController();
  const cancel = options.clock.timer(TIMEOUT_MS, () => deadline.abort(new Error('context deadline exceeded')));
  const bytes = Buffer.from(JSON.stringify(body));
  try {
    const text = await new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', accept: 'application/json', 'content-length': bytes.length };
      const isAddress = /^[\d.]+$|:/.test(servername);
      const call = request(
        {
          host,
          port,
          path: `${path}?timeout=30s`,
          method: 'POST',
          headers,
          ca,
          signal: deadline.signal,
          agent: false,
          ...(isAddress ? {} : { servername }),
        },
        (response) => {
          readAll(response).then(
            (answer) =>
              response.statusCode === 200
                ? resolve(answer)
                : reject(new Error(`the server responded with the status code ${response.statusCode}`)),
            reject,
          );
        },
      );
      call.once('error', reject);
      call.end(bytes);
    });
    return JSON.parse(text) as Answer;
  } finally {
    cancel();
  }
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
