import { groupVersion } from '../../api/meta.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { WebhookConversion } from '../../api/crd/rules.ts';
import type { CustomResourceDefinition } from '../../api/types.gen.ts';
import type { Converter } from './webhook.ts';

/** How many last states are kept. */
const LATEST = 10_000;

/**
 * Remembers what a conversion webhook made of the stored objects. A writer has its object converted to every served version before it is stored,
 * so that watches, which cannot wait, find each of them ready; what was stored earlier is converted when it is first read.
 */
export function rememberedConversion({ spec }: CustomResourceDefinition, convert: Converter): WebhookConversion {
  const { group } = spec;
  const served = spec.versions.filter((version) => version.served).map(({ name }) => groupVersion({ group, version: name }));
  const storage = groupVersion({ group, version: spec.versions.find((version) => version.storage)!.name });
  const known = new WeakMap<KubeObject, Map<string, KubeObject>>();
  /** The last state of each object, for events that show a copy of it: a deletion. */
  const latest = new Map<string, KubeObject>();

  const remember = (object: KubeObject, apiVersion: string, converted: KubeObject): void => {
    const forms = known.get(object) ?? new Map<string, KubeObject>();
    known.set(object, forms.set(apiVersion, converted));
    latest.set(`${object.metadata.uid} ${apiVersion}`, converted);
    if (latest.size > LATEST) latest.delete(latest.keys().next().value!);
  };
  const convertAll = async (objects: readonly KubeObject[], apiVersion: string): Promise<void> => {
    const converted = await convert(objects, apiVersion);
    for (const [index, object] of objects.entries()) remember(object, apiVersion, converted[index]!);
  };
  return {
    converted: (object, apiVersion) => {
      const form = known.get(object)?.get(apiVersion) ?? latest.get(`${object.metadata.uid} ${apiVersion}`);
      const { resourceVersion } = object.metadata;
      return form && { ...form, metadata: { ...form.metadata, ...(resourceVersion ? { resourceVersion } : {}) } };
    },
    prepare: async (objects, apiVersion) => {
      const missing = objects.filter((object) => object.apiVersion !== apiVersion && !known.get(object)?.has(apiVersion));
      // One call for all of a version: a webhook is told of lists at once.
      for (const group of Map.groupBy(missing, (object) => object.apiVersion).values()) await convertAll(group, apiVersion);
    },
    toStorage: async (object) => {
      const [stored] = object.apiVersion === storage ? [object] : await convert([object], storage);
      for (const apiVersion of served) if (apiVersion !== storage) await convertAll([stored!], apiVersion);
      return stored!;
    },
  };
}
