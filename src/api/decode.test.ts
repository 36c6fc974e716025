import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findDuplicateFields } from './codec/duplicates.ts';
import { decodeObject, pruneObject } from './decode.ts';
import type { Schema } from './schema/schema.ts';
import { schemaOf } from './scheme.ts';

const POD = schemaOf('', 'v1', 'Pod')!;
const DEPLOYMENT = schemaOf('apps', 'v1', 'Deployment')!;
const META = schemaOf('', 'v1', 'ConfigMap')!.fields!['metadata']!.schema;

function pod(spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'c', resources: {} }], ...spec },
    status: {},
  };
}

test('an object in canonical form is given back as it is', () => {
  const value = pod({ nodeName: 'n', activeDeadlineSeconds: 0 });
  assert.equal(decodeObject(value, POD, { fieldValidation: 'Strict' }).object, value);
});

test('what Go would write', () => {
  const cases: readonly (readonly [string, object, object])[] = [
    ['null is absence', { nodeName: null, volumes: null }, {}],
    ['zero values of plain fields vanish', { nodeName: '', hostNetwork: false, volumes: [], nodeSelector: {} }, {}],
    [
      'zero values of pointers stay',
      { activeDeadlineSeconds: 0, priority: 0, enableServiceLinks: false },
      { activeDeadlineSeconds: 0, priority: 0, enableServiceLinks: false },
    ],
    ['quantities become canonical', { overhead: { cpu: 0.5, memory: '1024Mi' } }, { overhead: { cpu: '500m', memory: '1Gi' } }],
    ['structs always written appear', { containers: [{ name: 'c' }] }, { containers: [{ name: 'c', resources: {} }] }],
    [
      'a divisor is written',
      { volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'p', resourceFieldRef: { resource: 'limits.cpu' } }] } }] },
      { volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'p', resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } }] } }] },
    ],
  ];
  for (const [name, given, expected] of cases)
    assert.deepEqual(decodeObject(pod(given), POD, { fieldValidation: 'Strict' }).object, pod(expected), name);
});

test('missing parts of a minimal object', () => {
  const { object } = decodeObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', creationTimestamp: null } }, POD, {
    fieldValidation: 'Strict',
  });
  assert.deepEqual(object, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: {}, status: {} });
  const condition = { type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: '2026-01-01T01:00:00.9+01:00' };
  const decoded = decodeObject({ ...pod({}), status: { conditions: [condition] } }, POD, { fieldValidation: 'Strict' }).object as {
    status?: unknown;
  };
  assert.deepEqual(decoded.status, { conditions: [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }] });
});

test('type errors in the words of upstream', () => {
  const deployment = (spec: unknown): object => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec });
  const template = (container: object): object => deployment({ template: { spec: { containers: [container] } } });
  const head = 'Deployment in version "v1" cannot be handled as a Deployment: ';
  const cases: readonly (readonly [object, string])[] = [
    [deployment({ replicas: 'x' }), 'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment({ replicas: 1.5 }), 'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [
      deployment({ replicas: 3e9 }),
      'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [deployment([]), 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      template({ name: 1 }),
      'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.name of type string',
    ],
    [
      template({ name: 'c', ports: {} }),
      'json: cannot unmarshal object into Go struct field Container.spec.template.spec.containers.ports of type []v1.ContainerPort',
    ],
    [
      template({ name: 'c', resources: { limits: { cpu: 'lots' } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      template({ name: 'c', env: [{ name: 'x', value: true }] }),
      'json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => decodeObject(given, DEPLOYMENT, { fieldValidation: 'Ignore' }), { name: 'StatusError', message: head + message });
  }
  assert.throws(
    () => decodeObject('text', DEPLOYMENT, { fieldValidation: 'Ignore' }),
    /the object provided is unrecognized \(must be of type Deployment\)/,
  );
});

test('unknown and duplicate fields', () => {
  const given = pod({ containers: [{ name: 'c', resources: {}, imagee: 'x' }], foo: { bar: 1 } });
  const expected = ['unknown field "spec.containers[0].imagee"', 'unknown field "spec.foo"'];
  const warned = decodeObject(given, POD, {
    fieldValidation: 'Warn',
    duplicates: { warnings: ['duplicate field "spec.nodeName"'], strict: [] },
  });
  assert.deepEqual(warned.object, pod({}));
  assert.deepEqual(warned.warnings, ['duplicate field "spec.nodeName"', ...expected]);
  assert.deepEqual(decodeObject(given, POD, { fieldValidation: 'Ignore', duplicates: { warnings: ['x'], strict: ['x'] } }).warnings, []);
  assert.throws(() => decodeObject(given, POD, { fieldValidation: 'Strict' }), {
    message: `Pod in version "v1" cannot be handled as a Pod: strict decoding error: ${expected.join(', ')}`,
  });
});

test('duplicate fields are found in the text', () => {
  const text = '{"a":1,"b":[{"c":"}\\"","c":{}},{"c":1}],"a":{"x":1,"x":2,"\\u0078":3},"d":{},"e":[]}';
  assert.deepEqual(findDuplicateFields(Buffer.from(text)), ['b[0].c', 'a', 'a.x']);
  assert.deepEqual(findDuplicateFields(Buffer.from('{"a\\\\":"\\\\\\"","b":"\\"a\\\\","a\\\\":[]}')), ['a\\']);
  assert.deepEqual(findDuplicateFields(Buffer.from('[ ]')), []);
});

test('custom resources are pruned and otherwise left alone', () => {
  const schema: Schema = {
    type: 'object',
    fields: {
      apiVersion: { schema: { type: 'string' } },
      kind: { schema: { type: 'string' } },
      metadata: { schema: META },
      spec: {
        schema: {
          type: 'object',
          fields: { size: { schema: { type: 'integer' } }, free: { schema: { type: 'object', preserveUnknownFields: true } } },
        },
      },
    },
  };
  const value = {
    apiVersion: 'x/v1',
    kind: 'X',
    metadata: { name: 'n', labels: {} },
    spec: { size: 'wrong', free: { any: null }, gone: 1, zero: 0 },
  };
  const { object, warnings } = decodeObject(value, schema, { fieldValidation: 'Warn' });
  assert.deepEqual(object, { apiVersion: 'x/v1', kind: 'X', metadata: { name: 'n' }, spec: { size: 'wrong', free: { any: null } } });
  assert.deepEqual(warnings, ['unknown field "spec.gone"', 'unknown field "spec.zero"']);
  assert.deepEqual(pruneObject(value, schema).unknown, ['spec.gone', 'spec.zero']);
});
