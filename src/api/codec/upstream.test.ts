/**
 * Against what upstream's own encoders made: the k8s.io/api sources carry one fully set object of every kind as JSON and as protobuf.
 * Run with ROCKPOOL_GO_SOURCES naming unpacked sources (folders that hold k8s.io/…, joined by `:`).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import { decodeObject } from '../decode.ts';
import { factsModule } from '../generate/facts-module.ts';
import { findSources } from '../generate/sources.ts';
import type { KubeObject } from '../meta.ts';
import { parseGroupVersion } from '../meta.ts';
import { schemaOf } from '../scheme.ts';
import { decodeProtobuf, encodeMessage, encodeProtobuf } from './protobuf.ts';

const given = process.env['ROCKPOOL_GO_SOURCES'];
const roots = given?.split(':').flatMap(findSources) ?? [];
const skip = roots.length > 0 ? false : 'ROCKPOOL_GO_SOURCES names no Go sources';
const fixtures = roots.map((root) => join(root, 'k8s.io/api/testdata/HEAD')).find((path) => existsSync(path));

function* objects(): Generator<{ name: string; object: KubeObject; bytes: Buffer }> {
  for (const file of readdirSync(fixtures!).filter((name) => name.endsWith('.json'))) {
    const object = JSON.parse(readFileSync(join(fixtures!, file), 'utf8')) as KubeObject;
    yield { name: file, object, bytes: readFileSync(join(fixtures!, file.replace('.json', '.pb'))) };
  }
}

const lookup = ({ apiVersion = '', kind = '' }: KubeObject) => {
  const { group, version } = parseGroupVersion(apiVersion);
  return schemaOf(group, version, kind);
};

test('the committed table is the one that these sources give', { skip }, () => {
  const committed = readFileSync(new URL('../schema/facts.gen.ts', import.meta.url), 'utf8');
  assert.ok(factsModule(roots) === committed, 'run "npm run generate"');
});

test('every object of a served version decodes to itself, from JSON and from protobuf, and encodes to the same bytes', { skip }, () => {
  let count = 0;
  for (const { name, object, bytes } of objects()) {
    const schema = lookup(object);
    if (!schema) continue;
    assert.deepEqual(decodeObject(object, schema, { fieldValidation: 'Strict' }).object, object, name);
    assert.deepEqual(decodeObject(decodeProtobuf(bytes, schemaOf).object, schema, { fieldValidation: 'Strict' }).object, object, name);
    assert.ok(encodeProtobuf(object, schema).equals(bytes), name);
    count += 1;
  }
  assert.ok(count > 100, `${count} objects`);
});

test('protobufjs reads our messages with the published definitions', { skip }, async () => {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => roots.map((path) => join(path, target)).find((path) => existsSync(path)) ?? target;
  await root.load('k8s.io/api/core/v1/generated.proto');
  const type = root.lookupType('k8s.io.api.core.v1.Pod');
  const { object } = objects().find(({ name }) => name === 'core.v1.Pod.json')!;
  const pod = type.toObject(type.decode(encodeMessage(object, lookup(object)!)), { longs: Number }) as {
    spec: { volumes: { name: string; volumeSource: object }[]; nodeName: string };
  };
  const spec = object['spec'] as typeof pod.spec;
  assert.equal(pod.spec.nodeName, spec.nodeName);
  assert.equal(pod.spec.volumes[0]!.name, spec.volumes[0]!.name);
  assert.ok(Object.keys(pod.spec.volumes[0]!.volumeSource).length > 20);
});
