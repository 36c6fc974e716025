/** Which resources must be counted to know the usage of a quota's limits. */
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import { discoverResources } from '../../client/discovery.ts';
import * as builtIn from '../../client/resources.ts';

/** `group/resource` */
export type ResourceKey = string;

const BUILT_IN = new Map((Object.values(builtIn) as ResourceType<ObjectWithMeta>[]).map((type) => [keyOfResource(type), type]));
const OF_SERVICES = new Set(['services.nodeports', 'services.loadbalancers']);

export function keyOfResource({ group, resource }: Pick<ResourceType, 'group' | 'resource'>): ResourceKey {
  return `${group}/${resource}`;
}

/** What the names of limits are about: `count/deployments.apps`, `services.nodeports`, `requests.storage`, `cpu` … */
export function resourcesOf(limits: readonly string[]): Set<ResourceKey> {
  return new Set(limits.map(resourceOf));
}

function resourceOf(limit: string): ResourceKey {
  if (limit.startsWith('count/')) {
    const [resource, ...group] = limit.slice('count/'.length).split('.');
    return `${group.join('.')}/${resource}`;
  }
  if (OF_SERVICES.has(limit)) return '/services';
  if (limit === 'requests.storage' || limit.includes('.storageclass.storage.k8s.io/')) return '/persistentvolumeclaims';
  if (BUILT_IN.has(`/${limit}`)) return `/${limit}`;
  // All the rest is of what containers ask for.
  return '/pods';
}

/** Whether the resource comes and goes with a CustomResourceDefinition, or with an aggregated API. */
export function isCustom(key: ResourceKey): boolean {
  return !BUILT_IN.has(key);
}

/** undefined for a resource that the server does not have (now). */
export async function typeOf(client: Client, key: ResourceKey): Promise<ResourceType<ObjectWithMeta> | undefined> {
  const known = BUILT_IN.get(key);
  if (known) return known;
  const { resources } = await discoverResources(client);
  return resources.find((each) => keyOfResource(each) === key);
}
