/** /openapi/v3, /openapi/v3/…/GROUP/VERSION and /openapi/v2. A document is made when first asked for and kept, encoded, until the resources change. */
import { createHash } from 'node:crypto';
import type * as Documents from '../../api/openapi/documents.ts';
import type { Node } from '../../api/openapi/nodes.ts';
import type { encodeOpenapiV2 } from '../../api/openapi/v2-protobuf.ts';
import type { Descriptions } from '../../api/openapi/descriptions.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import { statusError } from '../../api/status.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Backend } from '../aggregation/backends.ts';
import { mergedV2, remoteIndex, remoteV2Reader } from '../aggregation/openapi.ts';
import type { Handler, HandlerResponse, RequestContext, ResourceLookup } from '../contract.ts';
import { notFoundPage } from '../errors.ts';

export interface OpenApiOptions {
  resources: ResourceLookup;
  /** What other API servers serve. */
  backends: () => readonly Backend[];
  /** `v1.36.0` */
  version: string;
  clock: Clock;
}

/** The makers of documents; loaded with the first request, since a cluster may live long without one. */
interface Makers {
  documents: typeof Documents;
  descriptions: Descriptions;
  encodeOpenapiV2: typeof encodeOpenapiV2;
}

interface Encoded {
  bytes: Buffer;
  etag: string;
  contentType: string;
}

const JSON_TYPE = 'application/json';
/** What version 2 is called in protobuf, today and by older clients (kubectl before 1.26 asks for nothing else). */
const PROTOBUF_V2 = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const OLD_PROTOBUF_V2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

const YEAR_MS = 365 * 24 * 3600 * 1000;

export function openApiHandler({ resources, backends, version, clock }: OpenApiOptions): Handler {
  let makers: Promise<Makers> | undefined;
  let generation = -1;
  const encoded = new Map<string, Encoded>();

  const keep = (key: string, contentType: string, build: () => Buffer): Encoded => {
    let found = encoded.get(key);
    if (!found) {
      const bytes = build();
      found = { bytes, etag: etagOf(bytes), contentType };
      encoded.set(key, found);
    }
    return found;
  };
  const encode = (key: string, build: () => object): Encoded => keep(key, JSON_TYPE, () => Buffer.from(JSON.stringify(build())));

  const readRemoteV2 = remoteV2Reader();
  const version2 = async (context: RequestContext, made: Makers): Promise<HandlerResponse> => {
    const form = formOfV2(context.headers.accept);
    const remote = await readRemoteV2(backends());
    const key = [form, ...remote.map((each) => each.key)].join(' ');
    const build = (): Node => mergedV2(made.documents.openapiV2(resources.all(), { version, descriptions: made.descriptions }), remote);
    const document = form === JSON_TYPE ? encode(key, build) : keep(key, PROTOBUF_V2, () => made.encodeOpenapiV2(build()));
    return respond(context, document);
  };

  const version3 = async (context: RequestContext, made: Makers): Promise<HandlerResponse> => {
    const own = index(made, resources.all());
    const remote = await remoteIndex(backends());
    const bytes = Buffer.from(JSON.stringify({ paths: { ...remote, ...(own['paths'] as Node) } }));
    return respond(context, { bytes, etag: etagOf(bytes), contentType: JSON_TYPE });
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
      if (document === 'v2') return version2(context, made);
      if (root === undefined) return version3(context, made);
      if (root === 'api' && rest.length === 1) return groupDocument(context, made, '', rest[0]!);
      const backend = backends().find(({ group, version: served }) => root === 'apis' && rest[0] === group && rest[1] === served);
      if (backend) return remoteDocument(backend, context);
      if (root === 'apis' && rest.length === 2) return groupDocument(context, made, rest[0]!, rest[1]!);
      throw notFoundPage();
    },
  };
}

async function loadMakers(): Promise<Makers> {
  const [documents, descriptions, protobuf] = await Promise.all([
    import('../../api/openapi/documents.ts'),
    import('../../api/openapi/descriptions.ts'),
    import('../../api/openapi/v2-protobuf.ts'),
  ]);
  return { documents, descriptions: await descriptions.loadDescriptions(), encodeOpenapiV2: protobuf.encodeOpenapiV2 };
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
}

/** As the other server has it. */
async function remoteDocument(backend: Backend, { info, query, headers }: RequestContext): Promise<HandlerResponse> {
  const path = query.size > 0 ? `${info.path}?${query.toString()}` : info.path;
  const { status, bytes, contentType, etag, location } = await backend.fetch(path, {
    accept: JSON_TYPE,
    ...(headers['if-none-match'] ? { 'if-none-match': headers['if-none-match'] } : {}),
  });
  return { status, bytes, contentType, headers: { vary: 'Accept', ...(etag ? { etag } : {}), ...(location ? { location } : {}) } };
}

function index(made: Makers, all: readonly ResourceInfo[]): Node {
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

/** The first of the accepted media types that version 2 can be written in. Throws StatusError 406. */
function formOfV2(accept = ''): string {
  const asked = accept.split(',').map((clause) => clause.split(';')[0]!.trim().toLowerCase());
  for (const type of asked) {
    if (type === '' || type === '*/*' || type === 'application/*' || type === JSON_TYPE) return JSON_TYPE;
    if (type === PROTOBUF_V2 || type === OLD_PROTOBUF_V2) return PROTOBUF_V2;
  }
  throw statusError(
    'NotAcceptable',
    `only the following media types are accepted: ${[JSON_TYPE, OLD_PROTOBUF_V2, PROTOBUF_V2].join(', ')}`,
  );
}

function respond(
  { headers }: RequestContext,
  { bytes, etag, contentType }: Encoded,
  extra: Readonly<Record<string, string>> = {},
): HandlerResponse {
  const sent = { etag, vary: 'Accept', ...extra };
  const known = headers['if-none-match']?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  return known ? { status: 304, bytes: Buffer.alloc(0), contentType, headers: sent } : { status: 200, bytes, contentType, headers: sent };
}

function moved(location: string): HandlerResponse {
  return { status: 301, bytes: Buffer.alloc(0), contentType: 'text/plain; charset=utf-8', headers: { location } };
}
