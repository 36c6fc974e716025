/**
 * The built-in API: which resources there are, and the schema of every kind. Everything is made on first use and then shared.
 */
import type { GroupVersionKind } from './meta.ts';
import { groupVersion } from './meta.ts';
import { GROUPS, SUBRESOURCES } from './schema/resources.ts';
import type { GroupRow, ResourceRow } from './schema/resources.ts';
import type { ResourceInfo, Schema, SubresourceInfo } from './schema/schema.ts';
import { definition } from './schema/table.ts';

const STORED_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** Registered in every group version: what clients send as options, and what they get that is no resource. */
const META_KINDS = new Set(['CreateOptions', 'DeleteOptions', 'GetOptions', 'ListOptions', 'PatchOptions', 'UpdateOptions', 'WatchEvent']);
/** meta/v1 kinds that the wire calls `v1` (the core group) or `meta.k8s.io/v1`. */
const UNVERSIONED = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'List', 'Status']);
const OUTPUT_KINDS = new Set(['PartialObjectMetadata', 'PartialObjectMetadataList', 'Table', 'TableOptions']);

let resources: readonly ResourceInfo[] | undefined;
let byResource: ReadonlyMap<string, ResourceInfo> | undefined;
let byKind: ReadonlyMap<string, ResourceInfo> | undefined;

/** Every built-in resource in the order of discovery: groups by priority, the preferred version first, resources by name. */
export function builtinResources(): readonly ResourceInfo[] {
  resources ??= GROUPS.flatMap(resourcesOfRow);
  return resources;
}

/** The resources of one group version, by name. */
export function resourcesOfRow(row: GroupRow): ResourceInfo[] {
  return row.resources.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)).map((resource) => resourceInfo(row, resource));
}

/** The resource that `/apis/<group>/<version>/<resource>` names, off-by-default ones included. */
export function findResource(group: string, version: string, resource: string): ResourceInfo | undefined {
  byResource ??= new Map(builtinResources().map((info) => [`${info.group}/${info.version}/${info.resource}`, info]));
  return byResource.get(`${group}/${version}/${resource}`);
}

export function resourceByKind(group: string, version: string, kind: string): ResourceInfo | undefined {
  byKind ??= new Map(builtinResources().map((info) => [`${info.group}/${info.version}/${info.kind}`, info]));
  return byKind.get(`${group}/${version}/${kind}`);
}

/** The schema of any built-in kind: resources, their lists, subresource kinds (Scale, Eviction …), options and the meta kinds. */
export function schemaOf(group: string, version: string, kind: string): Schema | undefined {
  if (META_KINDS.has(kind)) return definition(`${META}.${kind}`);
  if (UNVERSIONED.has(kind) && group === '' && version === 'v1') return definition(`${META}.${kind}`);
  if (OUTPUT_KINDS.has(kind) && group === 'meta.k8s.io') return definition(`${META}.${kind}`);
  const name = definitionName({ group, version, kind });
  return name === undefined ? undefined : definition(name);
}

/** `io.k8s.api.apps.v1.Deployment`; undefined for groups that are not built in. */
export function definitionName({ group, version, kind }: GroupVersionKind): string | undefined {
  const prefix = DEFINITIONS[group];
  return prefix === undefined ? undefined : `${prefix}.${version}.${kind}`;
}

const DEFINITIONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(GROUPS.map((row) => [row.group, row.definitions])),
  // Served by api/legacy alone.
  extensions: 'io.k8s.api.extensions',
  'admission.k8s.io': 'io.k8s.api.admission',
  'apidiscovery.k8s.io': 'io.k8s.api.apidiscovery',
};

function resourceInfo(row: GroupRow, resource: ResourceRow): ResourceInfo {
  const own = groupVersion(row);
  const info: Omit<ResourceInfo, 'schema'> = {
    group: row.group,
    version: row.version,
    resource: resource.resource,
    singular: resource.singular ?? resource.kind.toLowerCase(),
    kind: resource.kind,
    namespaced: !resource.cluster,
    shortNames: resource.short ?? [],
    categories: resource.categories ?? [],
    verbs: resource.verbs ?? STORED_VERBS,
    subresources: (resource.subresources ?? []).map((name) => subresourceInfo(row, resource, name)),
    storagePrefix: resource.prefix === '' ? '' : `/registry/${resource.prefix ?? resource.resource}`,
    storageVersion: resource.storageVersion ?? own,
    selectableFields: resource.fields ?? [],
    ...(/alpha|beta/.test(row.version) ? { offByDefault: true } : {}),
  };
  return withSchema(info, `${row.definitions}.${row.version}.${resource.kind}`);
}

/** `schema` is looked up on its first read: most kinds are never touched in a cluster's life. */
function withSchema(info: Omit<ResourceInfo, 'schema'>, name: string): ResourceInfo {
  return Object.defineProperty(info as ResourceInfo, 'schema', {
    configurable: true,
    enumerable: true,
    get() {
      const schema = definition(name);
      if (!schema) throw new Error(`no facts about ${name}: run "npm run generate"`);
      Object.defineProperty(info, 'schema', { value: schema, enumerable: true });
      return schema;
    },
  });
}

function subresourceInfo(row: GroupRow, resource: ResourceRow, name: string): SubresourceInfo {
  const rule = SUBRESOURCES[`${resource.resource}/${name}`] ?? SUBRESOURCES[name];
  if (!rule) throw new Error(`no rule for the subresource ${resource.resource}/${name}`);
  const [group, version, kind] = rule.kind?.split('/') ?? [row.group, row.version, resource.kind];
  return { name, group: group!, version: version!, kind: kind!, verbs: rule.verbs };
}
