/** /openapi/v3, /openapi/v3/…/GROUP/VERSION and /openapi/v2. A document is made when first asked for and kept, encoded, until the resources change. */
import { createHash } from 'node:crypto';
import type * as Documents from '../../api/openapi/documents.ts';
import type { Descriptions } from '../../api/openapi/descriptions.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import { statusError } from '../../api/status.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Handler, HandlerResponse, RequestContext, ResourceLookup } from '../contract.ts';
import { notFoundPage } from '../errors.ts';

export interface OpenApiOptions {
  resources: ResourceLookup;
  /** `v1.36.0` */
  version: string;
  clock: Clock;
}

/** The makers of documents; loaded with the first request, since a cluster may live long without one. */
interface Makers {
  documents: typeof Documents;
  descriptions: Descriptions;
}

interface Encoded {
  bytes: Buffer;
  etag: string;
}

const YEAR_MS = 365 * 24 * 3600 * 1000;

export function openApiHandler({ resources, version, clock }: OpenApiOptions): Handler {
  let makers: Promise<Makers> | undefined;
  let generation = -1;
  const encoded = new Map<string, Encoded>();

  const encode = (key: string, build: () => object): Encoded => {
    let found = encoded.get(key);
    if (!found) {
      const bytes = Buffer.from(JSON.stringify(build()));
      found = { bytes, etag: `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"` };
      encoded.set(key, found);
    }
    return found;
  };

  const groupDocument = (context: RequestContext, made: Makers, group: string, groupVersion: string): HandlerResponse => {
    const own = resources.all().filter((info) => info.group === group && info.version === groupVersion);
    if (own.length === 0) throw notFoundPage();
    const hash = hashOf(made, own, group, groupVersion);
    const asked = context.query.get('hash');
    // A client that follows an old index is sent to the document of today, never told an old hash is still good.
    if (asked !== null && asked !== hash) return moved(`${context.info.path}?hash=${hash}`);
    const options = { version, descriptions: made.descriptions };
    const document = encode(`${group}/${groupVersion}`, () =>
      made.documents.openapiV3Document(group, groupVersion, resources.all(), options),
    );
    const immutable = { 'cache-control': 'public, immutable', expires: new Date(clock.now() + YEAR_MS).toUTCString() };
    return respond(context, document, asked === null ? {} : immutable);
  };

  return {
    name: 'openapi',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && /^\/openapi\/v[23](?:\/|$)/.test(info.path),
    handle: async (context) => {
      makers ??= loadMakers();
      const made = await makers;
      if (generation !== resources.generation) {
        generation = resources.generation;
        encoded.clear();
      }
      const [, document, root, ...rest] = context.info.path.split('/').filter(Boolean);
      if (document === 'v2')
        return openApiV2(context, () =>
          encode('v2', () => made.documents.openapiV2(resources.all(), { version, descriptions: made.descriptions })),
        );
      if (root === undefined)
        return respond(
          context,
          encode('v3', () => index(made, resources.all())),
        );
      if (root === 'api' && rest.length === 1) return groupDocument(context, made, '', rest[0]!);
      if (root === 'apis' && rest.length === 2) return groupDocument(context, made, rest[0]!, rest[1]!);
      throw notFoundPage();
    },
  };
}

async function loadMakers(): Promise<Makers> {
  const [documents, descriptions] = await Promise.all([
    import('../../api/openapi/documents.ts'),
    import('../../api/openapi/descriptions.ts'),
  ]);
  return { documents, descriptions: await descriptions.loadDescriptions() };
}

function index(made: Makers, all: readonly ResourceInfo[]): object {
  const byGroup = Map.groupBy(all, ({ group, version }) => `${group}/${version}`);
  return made.documents.openapiV3Index(all, (group, version) => hashOf(made, byGroup.get(`${group}/${version}`)!, group, version));
}

/** Custom resources bring their own schema, so it counts; the built-in ones are all told apart by the fact table. */
function hashOf({ documents, descriptions }: Makers, own: readonly ResourceInfo[], group: string, version: string): string {
  const custom = own.filter(({ schema }) => !schema.name?.startsWith('io.k8s.'));
  const builtin = documents.builtinHash(group, version, descriptions);
  if (custom.length === 0) return builtin;
  return createHash('sha256').update(builtin).update(JSON.stringify(custom)).digest('hex').toUpperCase();
}

/** The one document of all groups; in JSON. Clients that take protobuf only are told so, and go on to version 3. */
function openApiV2(context: RequestContext, document: () => Encoded): HandlerResponse {
  const { accept } = context.headers;
  if (accept && !/(?:application\/(?:json|\*)|\*\/\*)/.test(accept)) {
    throw statusError('NotAcceptable', 'only the following media types are accepted: application/json');
  }
  return respond(context, document());
}

function respond({ headers }: RequestContext, { bytes, etag }: Encoded, extra: Readonly<Record<string, string>> = {}): HandlerResponse {
  const sent = { etag, vary: 'Accept', ...extra };
  const contentType = 'application/json';
  const known = headers['if-none-match']?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  return known ? { status: 304, bytes: Buffer.alloc(0), contentType, headers: sent } : { status: 200, bytes, contentType, headers: sent };
}

function moved(location: string): HandlerResponse {
  return { status: 301, bytes: Buffer.alloc(0), contentType: 'text/plain; charset=utf-8', headers: { location } };
}
