import type { APIGroupList, APIResourceList } from '../api/types.gen.ts';
import { groupVersion } from '../api/meta.ts';
import type { Client, ResourceType } from './client.ts';

/** A resource that the server offers, in its group's preferred version. */
export interface DiscoveredResource extends ResourceType {
  verbs: readonly string[];
}

export interface Discovery {
  resources: readonly DiscoveredResource[];
  /** Groups (`metrics.k8s.io/v1beta1`) whose server did not answer: what they hold is unknown, not absent. */
  failed: readonly string[];
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';

/** Every resource (no subresources) of every group, once, in the preferred version. Two requests where the server aggregates its discovery. */
export async function discoverResources(client: Client): Promise<Discovery> {
  const headers = { accept: AGGREGATED };
  const [core, groups] = await Promise.all(
    ['/api', '/apis'].map(async (path) => (await client.request({ method: 'GET', path, headers })).body),
  );
  if (isAggregated(core) && isAggregated(groups)) return flatten([...core.items, ...groups.items]);
  return discoverOneByOne(client, groups as APIGroupList);
}

/** The parts of apidiscovery.k8s.io/v2 that are read here. */
interface AggregatedDiscovery {
  kind: 'APIGroupDiscoveryList';
  items: GroupDiscovery[];
}

interface GroupDiscovery {
  metadata?: { name?: string };
  versions: { version: string; freshness?: string; resources?: ResourceDiscovery[] }[];
}

interface ResourceDiscovery {
  resource: string;
  responseKind?: { kind?: string };
  scope: 'Namespaced' | 'Cluster';
  verbs: string[];
}

function isAggregated(body: unknown): body is AggregatedDiscovery {
  return typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'APIGroupDiscoveryList';
}

function flatten(groups: readonly GroupDiscovery[]): Discovery {
  const resources = new Map<string, DiscoveredResource>();
  const failed: string[] = [];
  for (const { metadata, versions } of groups) {
    const group = metadata?.name ?? '';
    // The versions come in order of preference; a resource may exist in a later one only.
    for (const { version, freshness, resources: found = [] } of versions) {
      if (freshness === 'Stale') failed.push(groupVersion({ group, version }));
      for (const { resource, responseKind, scope, verbs } of found) {
        const key = `${group}/${resource}`;
        if (resources.has(key)) continue;
        resources.set(key, { group, version, resource, kind: responseKind?.kind ?? '', namespaced: scope === 'Namespaced', verbs });
      }
    }
  }
  return { resources: [...resources.values()], failed };
}

/** For servers before 1.30: one request a group version. */
async function discoverOneByOne(client: Client, { groups }: APIGroupList): Promise<Discovery> {
  const preferred = [{ group: '', version: 'v1' }];
  for (const { name, preferredVersion, versions } of groups) {
    preferred.push({ group: name, version: preferredVersion?.version ?? versions[0]!.version });
  }
  const failed: string[] = [];
  const lists = await Promise.all(
    preferred.map(async ({ group, version }): Promise<DiscoveredResource[]> => {
      const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
      try {
        const { body } = await client.request({ method: 'GET', path });
        return fromList(group, version, body as APIResourceList);
      } catch {
        // An aggregated server that is down answers 503; its group is told as failed and the others are still of use.
        failed.push(groupVersion({ group, version }));
        return [];
      }
    }),
  );
  return { resources: lists.flat(), failed };
}

function fromList(group: string, version: string, { resources }: APIResourceList): DiscoveredResource[] {
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name, kind, namespaced, verbs }) => ({ group, version, resource: name, kind, namespaced, verbs }));
}
