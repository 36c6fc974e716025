/** What an API server behind a Service says that it serves: asked in the aggregated form (KEP-3352), else in the older one. */
import type { Fetched } from './backend.ts';

/** apidiscovery.k8s.io/v2 APIResourceDiscovery; passed on as the other server wrote it. */
export type ResourceDiscovery = Readonly<Record<string, unknown>>;

type Get = (path: string, accept: string) => Promise<Fetched>;

const AGGREGATED =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';

/** The resources of one group version. Throws Error for an answer that cannot be understood. */
export async function discoverVersion(get: Get, group: string, version: string): Promise<ResourceDiscovery[]> {
  const all = await get('/apis', AGGREGATED);
  if (all.status === 200 && all.contentType.includes('APIGroupDiscoveryList')) {
    const found = fromAggregated(parse(all), group, version);
    if (found) return found;
  }
  const path = `/apis/${group}/${version}`;
  const one = await get(path, 'application/json');
  if (one.status !== 200) throw new Error(`bad status from ${path}: ${one.status}`);
  return fromResourceList(parse(one), group, version);
}

interface GroupItem {
  metadata?: { name?: string };
  versions?: { version?: string; resources?: ResourceDiscovery[] }[];
}

function fromAggregated(document: Readonly<Record<string, unknown>>, group: string, version: string): ResourceDiscovery[] | undefined {
  const items = (document['items'] ?? []) as GroupItem[];
  const versions = items.find((item) => item.metadata?.name === group)?.versions;
  return versions?.find((each) => each.version === version)?.resources;
}

interface ListedResource {
  name: string;
  singularName?: string;
  namespaced?: boolean;
  group?: string;
  version?: string;
  kind: string;
  verbs?: string[];
  shortNames?: string[];
  categories?: string[];
}

/** From the list of old, where subresources stand beside their resources. */
function fromResourceList(document: Readonly<Record<string, unknown>>, group: string, version: string): ResourceDiscovery[] {
  const listed = (document['resources'] ?? []) as ListedResource[];
  const kindOf = (each: ListedResource): object => ({ group: each.group || group, version: each.version || version, kind: each.kind });
  return listed
    .filter(({ name }) => !name.includes('/'))
    .map((each) => {
      const own = listed.filter(({ name }) => name.startsWith(`${each.name}/`));
      return {
        resource: each.name,
        responseKind: kindOf(each),
        scope: each.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: each.singularName ?? '',
        verbs: each.verbs ?? [],
        ...(each.shortNames ? { shortNames: each.shortNames } : {}),
        ...(each.categories ? { categories: each.categories } : {}),
        ...(own.length > 0
          ? {
              subresources: own.map((subresource) => ({
                subresource: subresource.name.slice(each.name.length + 1),
                responseKind: kindOf(subresource),
                verbs: subresource.verbs ?? [],
              })),
            }
          : {}),
      };
    });
}

function parse({ bytes }: Fetched): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(bytes.toString());
  if (typeof value !== 'object' || value === null) throw new Error('the answer is not an object');
  return value as Readonly<Record<string, unknown>>;
}
