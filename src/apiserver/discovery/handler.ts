import { createHash } from 'node:crypto';
import type { Handler, HandlerResponse, RequestContext, ResourceLookup } from '../contract.ts';
import { notFoundPage } from '../errors.ts';
import type { ApiGroupVersion, ForeignVersion, Priority } from './documents.ts';
import { aggregatedList, apiGroup, apiGroupList, apiResourceList, apiVersions, groupsOf } from './documents.ts';

export interface DiscoveryOptions {
  resources: ResourceLookup;
  /** Who else serves what, and what clients prefer. */
  served: ServedVersions;
  /** `127.0.0.1:6443` */
  serverAddress: string;
}

export interface ServedVersions {
  /** Grows with every change. */
  readonly generation: number;
  foreign(): readonly ForeignVersion[];
  priority(groupVersion: string): Priority;
}

interface Document {
  bytes: Buffer;
  /** Quoted, as the header has it. */
  etag: string;
  contentType: string;
}

const AGGREGATED = /^application\/json;g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList$/i;

/** What is served: /api and /apis, one document a group version or all in one. Built when first asked for, kept until the resources change. */
export function discoveryHandler({ resources, served, serverAddress }: DiscoveryOptions): Handler {
  let generation = -1;
  let groups: Map<string, ApiGroupVersion[]> = new Map();
  const documents = new Map<string, Document>();

  const document = (key: string, contentType: string, build: () => object): Document => {
    let found = documents.get(key);
    if (!found) {
      const bytes = Buffer.from(`${JSON.stringify(build())}\n`);
      found = { bytes, contentType, etag: `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"` };
      documents.set(key, found);
    }
    return found;
  };

  return {
    name: 'discovery',
    match: ({ info, method }) => !info.isResourceRequest && isRead(method) && /^\/apis?(?:\/|$)/.test(info.path),
    handle: async (context) => {
      const current = resources.generation + served.generation;
      if (generation !== current) {
        generation = current;
        documents.clear();
        groups = groupsOf(resources.all(), served.foreign(), (version) => served.priority(version));
      }
      const [root, group, version] = context.info.path.split('/').filter(Boolean) as [string, string?, string?];
      if (group === undefined) return rootDocument(context, root, groups, serverAddress, document);
      const build = root === 'api' ? coreDocument(groups, group) : groupDocument(groups, group, version);
      if (!build) throw notFoundPage();
      return respond(context, document([root, group, version].join('/'), 'application/json', build));
    },
  };
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';

type Documents = (key: string, contentType: string, build: () => object) => Document;

function rootDocument(
  context: RequestContext,
  root: string,
  groups: Map<string, ApiGroupVersion[]>,
  serverAddress: string,
  document: Documents,
): HandlerResponse {
  const aggregated = aggregatedVersionAccepted(context.headers.accept);
  if (aggregated) {
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${aggregated};as=APIGroupDiscoveryList`;
    const build = (): object => aggregatedList(groups, `apidiscovery.k8s.io/${aggregated}`, root === 'api');
    return respond(context, document(`${root} ${aggregated}`, contentType, build));
  }
  return respond(
    context,
    document(root, 'application/json', () => (root === 'api' ? apiVersions(serverAddress) : apiGroupList(groups))),
  );
}

function coreDocument(groups: Map<string, ApiGroupVersion[]>, version: string): (() => object) | undefined {
  const found = groups.get('')?.find((candidate) => candidate.version === version);
  return found && (() => apiResourceList(found));
}

function groupDocument(groups: Map<string, ApiGroupVersion[]>, group: string, version: string | undefined): (() => object) | undefined {
  const versions = groups.get(group);
  if (!versions || group === '') return undefined;
  if (version === undefined) return () => apiGroup(group, versions);
  const found = versions.find((candidate) => candidate.version === version);
  // Of what others serve they give this document themselves.
  return found && !found.foreign ? () => apiResourceList(found) : undefined;
}

/** The first media type that the client accepts and we have decides. */
function aggregatedVersionAccepted(accept: string | undefined): string | undefined {
  for (const type of accept?.split(',') ?? []) {
    const match = AGGREGATED.exec(type.replaceAll(/\s+/g, '').replace(/;q=[\d.]+$/, ''));
    if (match) return match[1];
    if (/^\s*(?:application\/(?:json|\*)|\*\/\*)\s*(?:;\s*q=|$)/.test(type)) return undefined;
  }
  return undefined;
}

function respond({ headers }: RequestContext, { bytes, contentType, etag }: Document): HandlerResponse {
  const sent = { etag, vary: 'Accept', 'cache-control': 'public' };
  const known = headers['if-none-match']?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  return known ? { status: 304, bytes: Buffer.alloc(0), contentType, headers: sent } : { status: 200, bytes, contentType, headers: sent };
}
