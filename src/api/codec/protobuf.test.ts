import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeObject } from '../decode.ts';
import type { KubeObject } from '../meta.ts';
import type { Schema } from '../schema/schema.ts';
import { builtinResources, schemaOf } from '../scheme.ts';
import { decodeProtobuf, encodeList, encodeMessage, encodeProtobuf, isProtobuf, watchFrame } from './protobuf.ts';

/** A value with every field set, recursion cut off; numbers and texts differ from field to field. */
function sample(schema: Schema, seed: number, depth: number): unknown {
  switch (schema.type) {
    case 'object': {
      const entries = Object.entries(schema.fields!).filter(
        ([, field]) => field.protobuf && (depth > 0 || !/^(?:object|array|map|any)$/.test(field.schema.type)),
      );
      return Object.fromEntries(entries.map(([name, field], index) => [name, sample(field.schema, seed + index + 1, depth - 1)]));
    }
    case 'array':
      return [sample(schema.items!, seed, depth - 1), sample(schema.items!, seed + 1, depth - 1)];
    case 'map':
      return { b: sample(schema.items!, seed, depth - 1), a: sample(schema.items!, seed + 1, depth - 1) };
    case 'integer':
      return schema.format === 'int64' ? -(2 ** 40) - seed : -seed - 1;
    case 'number':
      return seed + 0.5;
    case 'boolean':
      return true;
    case 'quantity':
      return `${seed + 1}m`;
    case 'intOrString':
      return seed % 2 === 0 ? seed : `port-${seed}`;
    case 'time':
      return '2026-01-02T03:04:05Z';
    case 'microTime':
      return '2026-01-02T03:04:05.000678Z';
    case 'duration':
      return '1m30s';
    case 'bytes':
      return Buffer.from(`bytes ${seed}`).toString('base64');
    case 'any':
      return schema.name?.endsWith('StringArray')
        ? ['a', 'b']
        : schema.name?.endsWith('OrBool')
          ? false
          : schema.name?.endsWith('OrArray')
            ? { type: 'string' }
            : { some: ['json', seed] };
    default:
      return `text-${seed}-ü`;
  }
}

test('every built-in kind comes back with every field set', () => {
  for (const info of builtinResources()) {
    const apiVersion = info.group ? `${info.group}/${info.version}` : info.version;
    const object = { apiVersion, kind: info.kind, ...(sample(info.schema, 1, 9) as object) } as unknown as KubeObject;
    const { object: back } = decodeProtobuf(encodeProtobuf(object, info.schema), schemaOf);
    assert.deepEqual(back, object, `${apiVersion} ${info.kind}`);
  }
});

test('the bytes of a ConfigMap are those of Go, but for the empty fields that Go writes', () => {
  const schema = schemaOf('', 'v1', 'ConfigMap')!;
  const bytes = encodeProtobuf(
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { b: 'c' }, immutable: false },
    schema,
  );
  // k8s\0, typeMeta{v1, ConfigMap}, raw{metadata{name}, data{b: c}, immutable}, contentEncoding, contentType
  assert.equal(
    bytes.toString('hex'),
    '6b387300' +
      '0a0f' +
      '0a027631' +
      '1209436f6e6669674d6170' +
      '120f' +
      '0a030a0161' +
      '1206' +
      '0a0162' +
      '120163' +
      '2000' +
      '1a002200',
  );
  assert.ok(isProtobuf(bytes));
  assert.ok(!isProtobuf(Buffer.from('{}')));
});

test('a list is made of messages, a watch of frames', () => {
  const schema = schemaOf('', 'v1', 'ConfigMap')!;
  const objects = ['a', 'b'].map((name) => ({ metadata: { name } }));
  const list = encodeList(
    'v1',
    'ConfigMapList',
    { resourceVersion: '7' },
    objects.map((object) => encodeMessage(object, schema)),
  );
  assert.deepEqual(decodeProtobuf(list, schemaOf).object, {
    apiVersion: 'v1',
    kind: 'ConfigMapList',
    metadata: { resourceVersion: '7' },
    items: objects,
  });
  const whole = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', ...objects[0]! }, schema);
  const frame = watchFrame('ADDED', whole);
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  assert.equal(frame.subarray(4, 11).toString('latin1'), '\n\x05ADDED');
  assert.ok(frame.subarray(-whole.length).equals(whole));
});

test('objects within objects are read in either form', () => {
  const inner = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
  const schema = schemaOf('', 'v1', 'List')!;
  for (const items of [[inner], [inner, inner]]) {
    const list = encodeProtobuf({ apiVersion: 'v1', kind: 'List', metadata: {}, items }, schema);
    assert.deepEqual(decodeProtobuf(list, schemaOf).object['items'], items);
  }
});

test('zero values that Go sends are gone after decoding', () => {
  const schema = schemaOf('', 'v1', 'Pod')!;
  const sent = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', namespace: '', generateName: '' },
    spec: { hostname: '', priority: 0 },
    status: {},
  };
  const { object } = decodeProtobuf(encodeProtobuf(sent, schema), schemaOf);
  assert.deepEqual(decodeObject(object, schema, { fieldValidation: 'Strict' }).object, {
    ...sent,
    metadata: { name: 'a' },
    spec: { priority: 0 },
  });
});

test('bad bytes are a bad request', () => {
  const schema = schemaOf('', 'v1', 'ConfigMap')!;
  const whole = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }, schema);
  for (const bytes of [Buffer.from('{}'), whole.subarray(0, 20), Buffer.alloc(0)]) {
    assert.throws(() => decodeProtobuf(bytes, schemaOf), { name: 'StatusError', code: 400 });
  }
  assert.throws(() => decodeProtobuf(whole, () => undefined), /no kind "ConfigMap" is registered for version "v1"/);
});
