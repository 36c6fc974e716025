import type { RequestInfo, Verb } from './contract.ts';

const VERB_OF_METHOD: Readonly<Record<string, Verb>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
/** Subresources of a namespace itself; anything else behind its name is a resource in it. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);
/** Old path prefixes that name a verb: /api/v1/watch/pods, /api/v1/proxy/nodes/x. */
const SPECIAL_VERBS = new Set(['watch', 'proxy']);
const WITHOUT_SUBRESOURCE = new Set(['proxy', 'watch']);

/**
 * What a URL and a method ask for; the rules are those of k8s.io/apiserver's RequestInfoFactory. `path` comes undecoded and without
 * query. Throws URIError for a malformed escape.
 */
export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const parts = segments(path);
  const resourceParts = parts[0] === 'api' ? parts.slice(2) : parts.slice(3);
  if ((parts[0] !== 'api' && parts[0] !== 'apis') || resourceParts.length === 0) return nonResourceInfo(method, path);
  const info = nonResourceInfo(method, path);
  info.isResourceRequest = true;
  info.group = parts[0] === 'api' ? '' : parts[1]!;
  info.version = parts[0] === 'api' ? parts[1]! : parts[2]!;
  info.verb = VERB_OF_METHOD[method] ?? method.toLowerCase();
  readParts(info, SPECIAL_VERBS.has(resourceParts[0]!) && resourceParts.length > 1 ? specialVerb(info, resourceParts) : resourceParts);
  refineVerb(info, query);
  return info;
}

/** What is asked of a path that is no resource; with neither verb nor path, of nothing at all. */
export function nonResourceInfo(method: string, path: string): MutableInfo {
  return {
    isResourceRequest: false,
    verb: method.toLowerCase(),
    path,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    parts: [],
  };
}

type MutableInfo = { -readonly [K in keyof RequestInfo]: RequestInfo[K] };

function segments(path: string): string[] {
  const trimmed = path.replace(/^\/+|\/+$/g, '');
  if (trimmed === '') return [];
  const parts = trimmed.split('/');
  return trimmed.includes('%') ? parts.map(decodeURIComponent) : parts;
}

function specialVerb(info: MutableInfo, parts: string[]): string[] {
  info.verb = parts[0]!;
  return parts.slice(1);
}

function readParts(info: MutableInfo, given: string[]): void {
  let parts = given;
  if (parts[0] === 'namespaces' && parts.length > 1) {
    info.namespace = parts[1]!;
    if (parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2]!)) parts = parts.slice(2);
  }
  info.resource = parts[0]!;
  info.name = parts[1] ?? '';
  if (parts.length > 2 && !WITHOUT_SUBRESOURCE.has(info.verb)) info.subresource = parts[2]!;
  info.parts = parts.slice(3);
}

function refineVerb(info: MutableInfo, query: URLSearchParams): void {
  if (info.name !== '') return;
  if (info.verb === 'get') info.verb = isTrue(query.get('watch')) ? 'watch' : 'list';
  else if (info.verb === 'delete') info.verb = 'deletecollection';
  if (info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection') info.name = pinnedName(query.get('fieldSelector'));
}

/** Authorisation of lists and watches sees the one name that a field selector allows. */
function pinnedName(fieldSelector: string | null): string {
  if (!fieldSelector?.includes('metadata.name')) return '';
  return /(?:^|,)metadata\.name==?([a-zA-Z0-9._:-]+)(?:,|$)/.exec(fieldSelector)?.[1] ?? '';
}

/** A boolean of a query as apimachinery reads it: given and neither `false` nor `0`. */
export function isTrue(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}
