import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonPath } from './json-path.ts';
import { customPrinter } from './printer.ts';

const OBJECT = {
  metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z', labels: { 'app.io/name': 'x' } },
  spec: { replicas: 3, list: [{ n: 1 }, { n: 2 }] },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Done', status: 'False' },
    ],
  },
};

const PATHS: [path: string, found: unknown[]][] = [
  ['.spec.replicas', [3]],
  ['.spec.nothing.below', []],
  [".metadata.labels['app.io/name']", ['x']],
  ['.metadata.labels.app\\.io/name', ['x']],
  ['.spec.list[1].n', [2]],
  ['.spec.list[-1].n', [2]],
  ['.spec.list[*].n', [1, 2]],
  ['.spec.list[0:1].n', [1]],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  ['.spec.list[?(@.n > 1)].n', [2]],
  ['..n', [1, 2]],
  ['{.spec.replicas}', [3]],
];

for (const [path, found] of PATHS) test(`path ${path}`, () => assert.deepEqual(jsonPath(path)(OBJECT), found));

test('what is no path is an error', () => assert.throws(() => jsonPath('.spec['), SyntaxError));

test('columns show values of their type', () => {
  const column = (type: string, path: string): { name: string; type: string; jsonPath: string } => ({ name: type, type, jsonPath: path });
  const printer = customPrinter([
    column('string', '.spec.list[0]'),
    column('integer', '.spec.replicas'),
    column('boolean', '.spec.replicas'),
    column('string', '.spec.none'),
    column('date', '.metadata.creationTimestamp'),
  ]);
  assert.deepEqual(printer.cells(OBJECT, Date.parse('2026-01-01T00:01:00Z')), ['a', '{"n":1}', 3, null, null, '60s']);
});
