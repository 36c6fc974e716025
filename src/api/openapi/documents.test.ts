import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceInfo, Schema } from '../schema/schema.ts';
import { builtinResources, findResource } from '../scheme.ts';
import { Reader } from '../codec/wire.ts';
import { builtinHash, openapiV2, openapiV3Document, openapiV3Index } from './documents.ts';
import { encodeOpenapiV2 } from './v2-protobuf.ts';

interface Node {
  readonly [key: string]: Node;
}

const resources = builtinResources();
const options = { version: 'v1.36.0', descriptions: { 'io.k8s.api.apps.v1.Deployment': { '': 'A deployment.', spec: 'What is wanted.' } } };
const groupVersions = [...new Map(resources.map((info) => [`${info.group}/${info.version}`, info])).values()];

/** Every `$ref` in a document. */
function references(node: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(node)) for (const item of node) references(item, found);
  else if (typeof node === 'object' && node !== null) {
    for (const [key, value] of Object.entries(node)) {
      if (key === '$ref' && typeof value === 'string') found.add(value);
      else references(value, found);
    }
  }
  return found;
}

test('every reference of every document leads somewhere, and every kind is defined with its name', () => {
  for (const { group, version } of groupVersions) {
    const document = openapiV3Document(group, version, resources, options) as unknown as Node;
    const schemas = document['components']!['schemas']!;
    for (const reference of references(document)) assert.ok(schemas[reference.replace('#/components/schemas/', '')], reference);
    const kinds = new Set(
      Object.values(schemas)
        .flatMap(
          (schema) => (schema['x-kubernetes-group-version-kind'] ?? []) as unknown as { group: string; version: string; kind: string }[],
        )
        .map((gvk) => `${gvk.group}/${gvk.version}/${gvk.kind}`),
    );
    for (const info of resources.filter((candidate) => candidate.group === group && candidate.version === version))
      assert.ok(kinds.has(`${group}/${version}/${info.kind}`), info.kind);
  }
});

test('operation ids are unique in a document', () => {
  for (const { group, version } of groupVersions) {
    const { paths } = openapiV3Document(group, version, resources, options) as unknown as Node;
    const ids = Object.values(paths!)
      .flatMap((path) => Object.values(path))
      .map((operation) => operation['operationId'] as unknown)
      .filter((id) => id !== undefined);
    assert.deepEqual(
      ids.filter((id, index) => ids.indexOf(id) !== index),
      [],
      `${group}/${version}`,
    );
  }
});

test('what kubectl looks for: dryRun and fieldValidation on patches, the type behind a path', () => {
  const document = openapiV3Document('apps', 'v1', resources, options) as unknown as Node;
  const item = document['paths']!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']!;
  const names = (item['patch']!['parameters'] as unknown as { name: string }[]).map(({ name }) => name);
  assert.ok(names.includes('dryRun') && names.includes('fieldValidation') && names.includes('fieldManager') && names.includes('force'));
  assert.deepEqual(item['patch']!['x-kubernetes-group-version-kind'], { group: 'apps', version: 'v1', kind: 'Deployment' });
  assert.deepEqual(item['get']!['responses']!['200']!['content']!['application/json'], {
    schema: { $ref: '#/components/schemas/io.k8s.api.apps.v1.Deployment' },
  });
  const deployment = document['components']!['schemas']!['io.k8s.api.apps.v1.Deployment']!;
  assert.equal(deployment['description'], 'A deployment.');
  assert.deepEqual(deployment['properties']!['spec'], {
    allOf: [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec' }],
    description: 'What is wanted.',
    default: {},
  });
  const podSpec = document['components']!['schemas']!['io.k8s.api.core.v1.PodSpec']!;
  assert.deepEqual(podSpec['required'], ['containers']);
  assert.equal(podSpec['properties']!['volumes']!['x-kubernetes-patch-strategy'], 'merge,retainKeys');
  assert.deepEqual(podSpec['properties']!['containers']!['x-kubernetes-list-map-keys'], ['name']);
});

test('the index names each document with its hash', () => {
  const index = openapiV3Index(resources, (group, version) => builtinHash(group, version)) as unknown as Node;
  assert.equal(Object.keys(index['paths']!).length, groupVersions.length);
  assert.match(
    index['paths']!['apis/apps/v1']!['serverRelativeURL'] as unknown as string,
    /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{64}$/,
  );
  assert.notEqual(builtinHash('apps', 'v1'), builtinHash('apps', 'v1', options.descriptions));
});

test('version 2 is whole', () => {
  const document = openapiV2(resources, options) as unknown as Node;
  for (const reference of references(document)) assert.ok(document['definitions']![reference.replace('#/definitions/', '')], reference);
  assert.deepEqual(document['definitions']!['io.k8s.apimachinery.pkg.util.intstr.IntOrString'], {
    type: 'string',
    format: 'int-or-string',
  });
  assert.deepEqual(document['definitions']!['io.k8s.api.apps.v1.Deployment']!['properties']!['spec'], {
    $ref: '#/definitions/io.k8s.api.apps.v1.DeploymentSpec',
    description: 'What is wanted.',
    default: {},
  });
});

test('custom resources have a document like any other', () => {
  const metadata = findResource('', 'v1', 'pods')!.schema.fields!['metadata']!;
  const schema: Schema = {
    type: 'object',
    fields: {
      metadata,
      spec: {
        required: true,
        schema: {
          type: 'object',
          fields: {
            size: { schema: { type: 'integer', rules: { minimum: 1, description: 'How big.' } } },
            any: { schema: { type: 'object', preserveUnknownFields: true } },
          },
        },
      },
    },
  };
  const info: ResourceInfo = {
    ...findResource('apps', 'v1', 'deployments')!,
    group: 'stable.example.com',
    kind: 'CronTab',
    resource: 'crontabs',
    schema,
    subresources: [],
  };
  const document = openapiV3Document('stable.example.com', 'v1', [info], { version: 'v1' }) as unknown as Node;
  const schemas = document['components']!['schemas']!;
  for (const reference of references(document)) assert.ok(schemas[reference.replace('#/components/schemas/', '')], reference);
  assert.deepEqual(schemas['com.example.stable.v1.CronTab'], {
    type: 'object',
    properties: {
      metadata: { allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }], default: {} },
      spec: {
        type: 'object',
        properties: {
          any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          size: { type: 'integer', minimum: 1, description: 'How big.' },
        },
      },
    },
    required: ['spec'],
    'x-kubernetes-group-version-kind': [{ group: 'stable.example.com', version: 'v1', kind: 'CronTab' }],
  });
  assert.ok(schemas['com.example.stable.v1.CronTabList']);
});

test('version 2 as protobuf: swagger first, every definition in it', () => {
  const document = openapiV2(resources, options);
  const bytes = encodeOpenapiV2(document);
  const reader = new Reader(bytes);
  assert.deepEqual(reader.tag(), { number: 1, wire: 2 });
  assert.equal(reader.string(), '2.0');
  let definitions = 0;
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number !== 9) reader.skip(wire);
    else for (const inner = reader.message(); !inner.done; definitions++) inner.skip(inner.tag().wire);
  }
  assert.equal(definitions, Object.keys(document['definitions'] as object).length);
});
