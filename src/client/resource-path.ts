import type { GroupVersionResource } from '../api/meta.ts';

/** Where in a resource a request goes: the collection unless `name` is given. */
export interface ResourceTarget {
  namespace?: string | undefined;
  name?: string | undefined;
  subresource?: string | undefined;
  query?: Readonly<Record<string, QueryValue>>;
}

export type QueryValue = string | number | boolean | undefined;

/** `/apis/apps/v1/namespaces/default/deployments/web/scale?dryRun=All`: the path that every Kubernetes API server knows. */
export function resourcePath(type: GroupVersionResource, { namespace, name, subresource, query }: ResourceTarget): string {
  let path = type.group ? `/apis/${type.group}/${type.version}` : `/api/${type.version}`;
  if (namespace) path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${type.resource}`;
  if (name) path += `/${encodeURIComponent(name)}`;
  if (subresource) path += `/${subresource}`;
  return query ? path + queryString(query) : path;
}

function queryString(query: Readonly<Record<string, QueryValue>>): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') pairs.push(`${key}=${encodeURIComponent(value)}`);
  }
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}
