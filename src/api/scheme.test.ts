import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources, findResource, resourceByKind, schemaOf } from './scheme.ts';
import { definition, definitionNames } from './schema/table.ts';

test('every built-in resource has a schema, its subresources too, and stored ones a prefix and a list', () => {
  for (const info of builtinResources()) {
    const name = `${info.group}/${info.version}/${info.resource}`;
    assert.equal(info.schema.type, 'object', name);
    assert.ok(info.schema.fields?.['metadata'], name);
    assert.equal(info.storagePrefix !== '', info.verbs.includes('update'), name);
    if (info.verbs.includes('list')) assert.ok(schemaOf(info.group, info.version, `${info.kind}List`)?.fields?.['items'], name);
    for (const { group, version, kind } of info.subresources) assert.ok(schemaOf(group, version, kind), `${name}: ${kind}`);
    const [version, group = ''] = info.storageVersion.split('/').toReversed() as [string, string?];
    assert.ok(findResource(group, version, info.resource), `${name}: stored as ${info.storageVersion}`);
    assert.equal(info.offByDefault ?? false, /alpha|beta/.test(info.version), name);
  }
});

test('resources of different kinds never share a prefix, versions and the two Events do', () => {
  const owners = new Map<string, string>();
  for (const { storagePrefix, kind } of builtinResources()) {
    if (storagePrefix) assert.equal(owners.get(storagePrefix) ?? kind, kind);
    owners.set(storagePrefix, kind);
  }
  assert.equal(findResource('events.k8s.io', 'v1', 'events')?.storagePrefix, findResource('', 'v1', 'events')?.storagePrefix);
  assert.equal(findResource('', 'v1', 'nodes')?.storagePrefix, '/registry/minions');
  assert.equal(findResource('', 'v1', 'services')?.storagePrefix, '/registry/services/specs');
  assert.equal(
    findResource('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')?.storagePrefix,
    '/registry/apiextensions.k8s.io/customresourcedefinitions',
  );
});

test('every type of the table can be read, and required fields are those of Go', () => {
  for (const name of definitionNames()) assert.ok(definition(name)!.fields, name);
  const pod = schemaOf('', 'v1', 'Pod')!;
  const spec = pod.fields!['spec']!.schema;
  assert.equal(spec.name, 'io.k8s.api.core.v1.PodSpec');
  assert.equal(spec.fields!['containers']!.required, true);
  assert.deepEqual(spec.fields!['volumes']!.patchStrategy, ['merge', 'retainKeys']);
  const ports = spec.fields!['containers']!.schema.items!.fields!['ports']!;
  assert.deepEqual(ports.schema.listMapKeys, ['containerPort', 'protocol']);
  assert.equal(ports.schema.items!.fields!['protocol']!.default, 'TCP');
  assert.deepEqual(spec.fields!['volumes']!.schema.items!.fields!['emptyDir']!.protobuf, { number: 2, wire: 'bytes', path: [2] });
  assert.equal(spec.fields!['constructor'], undefined);
});

test('meta kinds and kinds without a resource', () => {
  for (const [group, version, kind] of [
    ['', 'v1', 'DeleteOptions'],
    ['apps', 'v1', 'DeleteOptions'],
    ['', 'v1', 'Status'],
    ['', 'v1', 'List'],
    ['meta.k8s.io', 'v1', 'Table'],
    ['meta.k8s.io', 'v1', 'PartialObjectMetadata'],
    ['autoscaling', 'v1', 'Scale'],
    ['policy', 'v1', 'Eviction'],
    ['admission.k8s.io', 'v1', 'AdmissionReview'],
    ['apidiscovery.k8s.io', 'v2', 'APIGroupDiscoveryList'],
    ['', 'v1', 'PodExecOptions'],
    ['', 'v1', 'SerializedReference'],
  ] as const)
    assert.ok(schemaOf(group, version, kind), kind);
  assert.equal(schemaOf('', 'v1', 'Nonsense'), undefined);
  assert.equal(schemaOf('example.com', 'v1', 'Pod'), undefined);
  assert.equal(resourceByKind('apps', 'v1', 'Deployment')?.resource, 'deployments');
});
