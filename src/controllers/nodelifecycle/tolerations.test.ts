import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Taint, Toleration } from '../../api/types.gen.ts';
import { toleratedFor } from './tolerations.ts';

const NOT_READY: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' };
const LOCAL: Taint = { key: 'dedicated', value: 'gpu', effect: 'NoExecute' };

const cases: { name: string; taints: Taint[]; tolerations: Toleration[]; expected: number }[] = [
  { name: 'no taint', taints: [], tolerations: [], expected: Infinity },
  { name: 'no toleration', taints: [NOT_READY], tolerations: [], expected: 0 },
  {
    name: 'for ever',
    taints: [NOT_READY],
    tolerations: [{ key: NOT_READY.key, operator: 'Exists', effect: 'NoExecute' }],
    expected: Infinity,
  },
  {
    name: 'for a time',
    taints: [NOT_READY],
    tolerations: [{ key: NOT_READY.key, operator: 'Exists', tolerationSeconds: 300 }],
    expected: 300_000,
  },
  { name: 'everything', taints: [NOT_READY, LOCAL], tolerations: [{ operator: 'Exists' }], expected: Infinity },
  { name: 'the same value', taints: [LOCAL], tolerations: [{ key: 'dedicated', value: 'gpu' }], expected: Infinity },
  { name: 'another value', taints: [LOCAL], tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'cpu' }], expected: 0 },
  { name: 'another effect', taints: [LOCAL], tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }], expected: 0 },
  { name: 'one of two taints', taints: [NOT_READY, LOCAL], tolerations: [{ key: 'dedicated', operator: 'Exists' }], expected: 0 },
  { name: 'an empty key with Equal', taints: [LOCAL], tolerations: [{ value: 'gpu' }], expected: 0 },
  { name: 'a negative time', taints: [LOCAL], tolerations: [{ key: 'dedicated', operator: 'Exists', tolerationSeconds: -5 }], expected: 0 },
  {
    name: 'the shortest of several times',
    taints: [NOT_READY, LOCAL],
    tolerations: [
      { key: NOT_READY.key, operator: 'Exists', tolerationSeconds: 300 },
      { key: 'dedicated', operator: 'Exists', tolerationSeconds: 20 },
    ],
    expected: 20_000,
  },
];

for (const { name, taints, tolerations, expected } of cases) {
  test(`tolerated: ${name}`, () => assert.equal(toleratedFor(taints, tolerations), expected));
}
