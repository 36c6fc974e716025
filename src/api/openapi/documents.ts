/**
 * The OpenAPI documents, made from the fact table and the resources at hand (built in or from CRDs). Making one takes some milliseconds:
 * callers keep the encoded result.
 */
import { createHash } from 'node:crypto';
import { groupVersion } from '../meta.ts';
import { FACTS } from '../schema/facts.gen.ts';
import type { ResourceInfo, Schema } from '../schema/schema.ts';
import { definition } from '../schema/table.ts';
import { definitionName, schemaOf } from '../scheme.ts';
import type { Descriptions } from './descriptions.ts';
import { NO_DESCRIPTIONS } from './descriptions.ts';
import { Definitions } from './nodes.ts';
import type { Node } from './nodes.ts';
import { resourcePaths } from './paths.ts';
import type { Dialect, PathContext } from './paths.ts';

export interface DocumentOptions {
  /** `v1.36.0`, for the document's info. */
  version: string;
  descriptions?: Descriptions;
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/**
 * The answer to GET /openapi/v3: one entry for each group version of `resources`. `hashOf` gives what changes when the document does;
 * clients cache a document under its hash for ever.
 */
export function openapiV3Index(resources: readonly ResourceInfo[], hashOf: (group: string, version: string) => string): Node {
  const paths: Record<string, Node> = {};
  for (const { group, version } of resources) {
    const path = group ? `apis/${group}/${version}` : `api/${version}`;
    paths[path] ??= { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(group, version)}` };
  }
  return { paths };
}

let factsHash: string | undefined;

/** The hash for documents of built-in groups: they change with the fact table and with the descriptions being there or not. */
export function builtinHash(group: string, version: string, descriptions: Descriptions = NO_DESCRIPTIONS): string {
  factsHash ??= createHash('sha256').update(FACTS).digest('hex');
  const described = descriptions === NO_DESCRIPTIONS ? '' : 'described';
  return createHash('sha256').update(`${factsHash} ${group}/${version} ${described}`).digest('hex').toUpperCase();
}

/** GET /openapi/v3/apis/<group>/<version>. `resources` may hold those of other groups, they are passed over. */
export function openapiV3Document(group: string, version: string, resources: readonly ResourceInfo[], options: DocumentOptions): Node {
  const own = resources.filter((info) => info.group === group && info.version === version);
  const { paths, definitions } = build(3, own, V3, options, resources);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: options.version },
    paths,
    components: { schemas: definitions, securitySchemes: { BearerToken: BEARER } },
  };
}

/** GET /openapi/v2: everything in one document. */
export function openapiV2(resources: readonly ResourceInfo[], options: DocumentOptions): Node {
  const { paths, definitions } = build(2, resources, V2, options, resources);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: options.version },
    paths,
    definitions,
    securityDefinitions: { BearerToken: BEARER },
    security: [{ BearerToken: [] }],
  };
}

const BEARER = { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' };

function build(
  version: 2 | 3,
  own: readonly ResourceInfo[],
  dialect: Dialect,
  options: DocumentOptions,
  all: readonly ResourceInfo[],
): { paths: Node; definitions: Node } {
  const definitions = new Definitions(version, options.descriptions ?? NO_DESCRIPTIONS, kindsOf(own, all));
  const context: PathContext = { dialect, definitions, kind: (group, kindVersion, kind) => kindOf(own, group, kindVersion, kind) };
  const paths: Record<string, Node> = {};
  for (const info of own) Object.assign(paths, resourcePaths(info, context));
  for (const { group, version: optionsVersion } of own.slice(0, 1)) {
    const event = kindOf(own, group, optionsVersion, 'WatchEvent');
    if (event) definitions.reference(event.schema, event.name);
  }
  return { paths: sorted(paths), definitions: sorted(definitions.nodes) };
}

function sorted(record: Record<string, Node>): Node {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function kindOf(own: readonly ResourceInfo[], group: string, version: string, kind: string): { schema: Schema; name: string } | undefined {
  if (kind === 'Patch') return { schema: definition(`${META}.Patch`)!, name: `${META}.Patch` };
  const builtin = schemaOf(group, version, kind);
  if (builtin?.name) return { schema: builtin, name: builtin.name };
  const isList = kind.endsWith('List');
  const info = own.find(
    (candidate) => candidate.group === group && candidate.version === version && candidate.kind === (isList ? kind.slice(0, -4) : kind),
  );
  if (!info) return undefined;
  const name = customName(group, version, kind);
  return { schema: isList ? customList(info) : info.schema, name };
}

/** `stable.example.com` v1 CronTab is `com.example.stable.v1.CronTab`. */
function customName(group: string, version: string, kind: string): string {
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`;
}

function customList(info: ResourceInfo): Schema {
  // The item is a definition of its own, so it gets the name that a plain CRD schema lacks.
  const items: Schema = { ...info.schema, name: customName(info.group, info.version, info.kind) };
  return {
    type: 'object',
    fields: {
      apiVersion: { schema: { type: 'string' } },
      kind: { schema: { type: 'string' } },
      metadata: { schema: definition(`${META}.ListMeta`)! },
      items: { required: true, schema: { type: 'array', items } },
    },
  };
}

/** Which kinds a definition stands for: one for a resource, one for every group version for DeleteOptions and WatchEvent. */
function kindsOf(own: readonly ResourceInfo[], all: readonly ResourceInfo[]): ReadonlyMap<string, readonly Node[]> {
  const kinds = new Map<string, readonly Node[]>();
  const add = (group: string, version: string, kind: string): void => {
    const name = schemaOf(group, version, kind)?.name ?? definitionName({ group, version, kind }) ?? customName(group, version, kind);
    kinds.set(name, [{ group, version, kind }]);
  };
  for (const { group, version, kind, subresources } of own) {
    add(group, version, kind);
    add(group, version, `${kind}List`);
    for (const subresource of subresources)
      if (!subresource.kind.endsWith('Options')) add(subresource.group, subresource.version, subresource.kind);
  }
  add('', 'v1', 'Status');
  const versions = [...new Map(all.map((info) => [groupVersion(info), info])).values()];
  for (const kind of ['DeleteOptions', 'WatchEvent'])
    kinds.set(
      `${META}.${kind}`,
      versions.map(({ group, version }) => ({ group, version, kind })),
    );
  return kinds;
}

const V3: Dialect = {
  parameter: ({ name, in: place, type, description }) => ({
    name,
    in: place,
    description,
    ...(place === 'path' ? { required: true } : {}),
    schema: { type, uniqueItems: true },
  }),
  operation: (parameters, body, answer, codes) => ({
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            ...(body.required ? { required: true } : {}),
            content: Object.fromEntries(body.types.map((type) => [type, { schema: body.schema }])),
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(
        codes.map((code) => [
          code,
          {
            description: REASONS[code],
            content: Object.fromEntries((answer['$ref'] ? TYPES : ['*/*']).map((type) => [type, { schema: answer }])),
          },
        ]),
      ),
      401: { description: 'Unauthorized' },
    },
  }),
};

const V2: Dialect = {
  parameter: ({ name, in: place, type, description }) => ({
    uniqueItems: true,
    type,
    description,
    name,
    in: place,
    ...(place === 'path' ? { required: true } : {}),
  }),
  operation: (parameters, body, answer, codes) => ({
    consumes: body?.types ?? ['*/*'],
    produces: answer['$ref'] ? TYPES : ['*/*'],
    schemes: ['https'],
    parameters: [
      ...(body ? [{ name: 'body', in: 'body', ...(body.required ? { required: true } : {}), schema: body.schema }] : []),
      ...parameters,
    ],
    responses: {
      ...Object.fromEntries(codes.map((code) => [code, { description: REASONS[code], schema: answer }])),
      401: { description: 'Unauthorized' },
    },
  }),
};

const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };
