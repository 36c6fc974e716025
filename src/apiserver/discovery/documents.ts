/** The discovery documents of one state of the resource list. */
import { createHash } from 'node:crypto';
import { groupVersion, parseGroupVersion } from '../../api/meta.ts';
import type { ResourceInfo, SubresourceInfo } from '../../api/schema/schema.ts';
import { compareGroups, compareVersions } from './versions.ts';

export interface ApiGroupVersion {
  group: string;
  version: string;
  resources: ResourceInfo[];
}

/** Group → its versions, preferred first, both in upstream's order; resources by name. */
export function groupsOf(resources: readonly ResourceInfo[]): Map<string, ApiGroupVersion[]> {
  const found = new Map<string, Map<string, ResourceInfo[]>>();
  for (const resource of resources) {
    const versions = entry(found, resource.group, () => new Map<string, ResourceInfo[]>());
    entry(versions, resource.version, () => []).push(resource);
  }
  const ordered = new Map<string, ApiGroupVersion[]>();
  for (const group of [...found.keys()].toSorted(compareGroups)) {
    const versions = [...found.get(group)!].toSorted(([a], [b]) => compareVersions(a, b));
    ordered.set(
      group,
      versions.map(([version, list]) => ({ group, version, resources: list.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)) })),
    );
  }
  return ordered;
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

function aggregatedVersion({ version, resources }: ApiGroupVersion): object {
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
