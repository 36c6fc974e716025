/** The discovery documents of one state of the resource list. */
import { createHash } from 'node:crypto';
import { groupVersion, parseGroupVersion } from '../../api/meta.ts';
import type { ResourceInfo, SubresourceInfo } from '../../api/schema/schema.ts';
import { compareVersions } from './versions.ts';

export interface ApiGroupVersion {
  group: string;
  version: string;
  resources: ResourceInfo[];
  /** Served by another API server. */
  foreign?: ForeignVersion;
}

/** A group version that another API server serves, as that one describes it. */
export interface ForeignVersion {
  group: string;
  version: string;
  /** `Stale`: it does not answer now; the resources are those of its last answer. */
  freshness: 'Current' | 'Stale';
  /** apidiscovery.k8s.io/v2 APIResourceDiscovery. */
  resources: readonly object[];
}

export interface Priority {
  /** An APIService's spec.groupPriorityMinimum: larger first. */
  group: number;
  /** spec.versionPriority, within the group. */
  version: number;
}

/** Group → its versions, preferred first; resources by name. `priority` is asked with `group/version`, larger first. */
export function groupsOf(
  resources: readonly ResourceInfo[],
  foreign: readonly ForeignVersion[],
  priority: (groupVersion: string) => Priority,
): Map<string, ApiGroupVersion[]> {
  const found = new Map<string, Map<string, ApiGroupVersion>>();
  const place = (group: string, version: string): ApiGroupVersion => {
    const versions = entry(found, group, () => new Map<string, ApiGroupVersion>());
    return entry(versions, version, () => ({ group, version, resources: [] }));
  };
  for (const resource of resources) place(resource.group, resource.version).resources.push(resource);
  for (const version of foreign) {
    const own = place(version.group, version.version);
    // What is served here is served here, whatever an APIService says.
    if (own.resources.length === 0) own.foreign = version;
  }
  const ranked = [...found].map(([group, versions]) => ({ group, ...ordered([...versions.values()], priority) }));
  return new Map(
    ranked.toSorted((a, b) => b.rank - a.rank || (a.group < b.group ? -1 : 1)).map(({ group, versions }) => [group, versions]),
  );
}

function ordered(
  versions: readonly ApiGroupVersion[],
  priority: (groupVersion: string) => Priority,
): { versions: ApiGroupVersion[]; rank: number } {
  const ranked = versions.map((each) => ({ each, ...priority(groupVersion(each)) }));
  const sorted = ranked.toSorted((a, b) => b.version - a.version || compareVersions(a.each.version, b.each.version));
  return {
    rank: Math.max(...ranked.map(({ group }) => group)),
    versions: sorted.map(({ each }) => ({ ...each, resources: each.resources.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)) })),
  };
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** `/api` */
export function apiVersions(serverAddress: string): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] };
}

/** `/apis` */
export function apiGroupList(groups: Map<string, ApiGroupVersion[]>): object {
  const named = [...groups].filter(([group]) => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(([group, versions]) => groupFields(group, versions)) };
}

/** `/apis/apps` */
export function apiGroup(group: string, versions: readonly ApiGroupVersion[]): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupFields(group, versions) };
}

function groupFields(name: string, versions: readonly ApiGroupVersion[]): object {
  const list = versions.map(({ group, version }) => ({ groupVersion: groupVersion({ group, version }), version }));
  return { name, versions: list, preferredVersion: list[0] };
}

/** `/api/v1`, `/apis/apps/v1` */
export function apiResourceList({ group, version, resources }: ApiGroupVersion): object {
  return {
    kind: 'APIResourceList',
    ...(group ? { apiVersion: 'v1' } : {}),
    groupVersion: groupVersion({ group, version }),
    resources: resources.flatMap((info) => [
      ...(info.verbs.length > 0 ? [apiResource(info)] : []),
      ...sorted(info.subresources).map((subresource) => apiSubresource(info, subresource)),
    ]),
  };
}

function apiResource(info: ResourceInfo): object {
  return {
    name: info.resource,
    singularName: info.singular,
    namespaced: info.namespaced,
    kind: info.kind,
    verbs: info.verbs.toSorted(),
    ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
    ...(info.categories.length > 0 ? { categories: info.categories } : {}),
    ...(info.storagePrefix ? { storageVersionHash: storageVersionHash(info) } : {}),
  };
}

function apiSubresource(info: ResourceInfo, { name, group, version, kind, verbs }: SubresourceInfo): object {
  const foreign = group !== info.group || version !== info.version;
  return {
    name: `${info.resource}/${name}`,
    singularName: '',
    namespaced: info.namespaced,
    ...(foreign ? { group, version } : {}),
    kind,
    verbs: verbs.toSorted(),
  };
}

/** Changes when the version that a resource is stored in does; upstream's form. */
export function storageVersionHash({ storageVersion, kind }: Pick<ResourceInfo, 'storageVersion' | 'kind'>): string {
  const { group, version } = parseGroupVersion(storageVersion);
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

/** All groups with their resources in one document (KEP-3352). `legacy` is the core group's, served at `/api`. */
export function aggregatedList(groups: Map<string, ApiGroupVersion[]>, apiVersion: string, legacy: boolean): object {
  const items = [...groups]
    .filter(([group]) => (group === '') === legacy)
    .map(([name, versions]) => ({
      metadata: { ...(name ? { name } : {}), creationTimestamp: null },
      versions: versions.map(aggregatedVersion),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion, metadata: {}, items };
}

function aggregatedVersion({ version, resources, foreign }: ApiGroupVersion): object {
  if (foreign) return { version, resources: foreign.resources, freshness: foreign.freshness };
  return { version, resources: resources.map(aggregatedResource), freshness: 'Current' };
}

function aggregatedResource(info: ResourceInfo): object {
  return {
    resource: info.resource,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: info.verbs.toSorted(),
    ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
    ...(info.categories.length > 0 ? { categories: info.categories } : {}),
    ...(info.subresources.length > 0
      ? {
          subresources: sorted(info.subresources).map(({ name, group, version, kind, verbs }) => ({
            subresource: name,
            responseKind: { group, version, kind },
            verbs: verbs.toSorted(),
          })),
        }
      : {}),
  };
}

function sorted(subresources: readonly SubresourceInfo[]): SubresourceInfo[] {
  return subresources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
