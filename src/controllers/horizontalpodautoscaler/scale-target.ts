/** The object that an autoscaler scales: anything with a scale subresource, custom kinds too. */
import { parseGroupVersion } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Scale, V2CrossVersionObjectReference } from '../../api/types.gen.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import { discoverResources } from '../../client/discovery.ts';
import * as builtIn from '../../client/resources.ts';
import { wordsOf } from './words.ts';

export interface ScaleTarget {
  /** Without replicas the spec may be absent: scaled to nothing. */
  scale: Scale;
  type: ResourceType;
}

export interface ScaleTargets {
  /** Throws with upstream's words for what went wrong. */
  read(namespace: string, reference: V2CrossVersionObjectReference): Promise<ScaleTarget>;
  /** Guarded by the revision that was read. */
  write(namespace: string, target: ScaleTarget, replicas: number): Promise<void>;
  /** `deployments.apps`: how the custom metrics API names the resource of a kind. Throws when there is none. */
  groupResource(reference: V2CrossVersionObjectReference): Promise<string>;
}

export function createScaleTargets(client: Client): ScaleTargets {
  // Kinds come and go with their definitions: what was found is forgotten once the server no longer knows it.
  const found = new Map<string, ResourceType>();
  const typeOf = async ({ apiVersion = '', kind }: V2CrossVersionObjectReference): Promise<ResourceType> => {
    const { group } = parseGroupVersion(apiVersion);
    const key = `${group}/${kind}`;
    const known = BUILT_IN.get(key) ?? found.get(key);
    if (known) return known;
    const { resources } = await discoverResources(client);
    const type = resources.find((each) => each.group === group && each.kind === kind);
    if (!type) throw new Error(`no matches for kind "${kind}" in group "${group}"`);
    found.set(key, type);
    return type;
  };
  return {
    read: async (namespace, reference) => {
      const type = await determined(typeOf(reference));
      try {
        const scale = await client.resource(type, namespace).subresource<Scale>(reference.name, 'scale', 'GET');
        return { scale, type };
      } catch (error) {
        if (StatusError.is(error, 'NotFound')) found.delete(`${type.group}/${type.kind}`);
        throw error;
      }
    },
    write: async (namespace, { scale, type }, replicas) => {
      const wanted = { ...scale, spec: { ...scale.spec, replicas } };
      await client.resource(type, namespace).subresource(scale.metadata.name!, 'scale', 'PUT', wanted);
    },
    groupResource: async (reference) => {
      const { resource, group } = await typeOf(reference);
      return group ? `${resource}.${group}` : resource;
    },
  };
}

/** That a kind is unknown is told apart from that its scale cannot be read. */
export class UnknownTargetError extends Error {
  override name = 'UnknownTargetError';
}

async function determined(type: Promise<ResourceType>): Promise<ResourceType> {
  try {
    return await type;
  } catch (error) {
    throw new UnknownTargetError(wordsOf(error), { cause: error });
  }
}

const BUILT_IN: ReadonlyMap<string, ResourceType> = new Map(
  (Object.values(builtIn) as ResourceType[]).map((type) => [`${type.group}/${type.kind}`, type]),
);
