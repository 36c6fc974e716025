/** Calls a definition's conversion webhook (apiextensions.k8s.io/v1 ConversionReview). */
import { semanticEqual } from '../../api/patch/json.ts';
import type { KubeObject } from '../../api/meta.ts';
import { statusError } from '../../api/status.ts';
import type { CustomResourceDefinition } from '../../api/types.gen.ts';
import type { Rng } from '../../lib/random.ts';
import { WebhookClient, type WebhookClientOptions } from '../webhook-client.ts';

export interface WebhookOptions extends WebhookClientOptions {
  rng: Rng;
}

/** From objects of one version to the same in another. Throws StatusError InternalError when the webhook fails or answers wrong. */
export type Converter = (objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>;

/** How long a webhook may take (upstream's conversion client). */
const TIMEOUT_SECONDS = 30;

export function converter(definition: CustomResourceDefinition, options: WebhookOptions): Converter {
  const { names, conversion } = definition.spec;
  const client = new WebhookClient(options);
  return async (objects, apiVersion) => {
    const uid = options.rng.uuid();
    const review = {
      kind: 'ConversionReview',
      apiVersion: 'apiextensions.k8s.io/v1',
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    try {
      const answer = (await client.post(conversion!.webhook!.clientConfig!, { body: review, timeoutSeconds: TIMEOUT_SECONDS })) as Answer;
      return checked(answer, { uid, objects, apiVersion });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw statusError(
        'InternalError',
        `conversion webhook for ${objects[0]?.apiVersion ?? ''}, Kind=${names.kind} failed: ${why}`,
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
