import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Schema } from '../schema/schema.ts';
import { StatusError } from '../status.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
};

describe('JSON patch', () => {
  const cases: { name: string; target: unknown; ops: unknown[]; expected: unknown }[] = [
    { name: 'add a member', target: { a: 1 }, ops: [{ op: 'add', path: '/b', value: 2 }], expected: { a: 1, b: 2 } },
    {
      name: 'insert and append',
      target: { l: [1, 3] },
      ops: [
        { op: 'add', path: '/l/1', value: 2 },
        { op: 'add', path: '/l/-', value: 4 },
      ],
      expected: { l: [1, 2, 3, 4] },
    },
    {
      name: 'escaped names',
      target: { 'a/b': { '~': 1 } },
      ops: [{ op: 'replace', path: '/a~1b/~0', value: 2 }],
      expected: { 'a/b': { '~': 2 } },
    },
    { name: 'move', target: { a: { x: 1 } }, ops: [{ op: 'move', from: '/a/x', path: '/b' }], expected: { a: {}, b: 1 } },
    {
      name: 'copy',
      target: { a: [1] },
      ops: [
        { op: 'copy', from: '/a', path: '/b' },
        { op: 'add', path: '/b/-', value: 2 },
      ],
      expected: { a: [1], b: [1, 2] },
    },
    { name: 'remove from a list', target: { l: [1, 2] }, ops: [{ op: 'remove', path: '/l/0' }], expected: { l: [2] } },
    { name: 'test passes', target: { a: { b: [1] } }, ops: [{ op: 'test', path: '/a', value: { b: [1] } }], expected: { a: { b: [1] } } },
    { name: 'absent equals null in a test', target: {}, ops: [{ op: 'test', path: '/a', value: null }], expected: {} },
  ];
  for (const { name, target, ops, expected } of cases) {
    test(name, () => assert.deepEqual(applyJsonPatch(frozen(target), ops), expected));
  }

  const failing: { name: string; ops: unknown; code: number; cause?: RegExp }[] = [
    {
      name: 'removing what is not there',
      ops: [{ op: 'remove', path: '/x' }],
      code: 422,
      cause: /Unable to remove nonexistent key: x: missing value/,
    },
    { name: 'a failed test', ops: [{ op: 'test', path: '/a', value: 2 }], code: 422, cause: /testing value \/a failed: test failed/ },
    { name: 'a path without parent', ops: [{ op: 'add', path: '/x/y', value: 1 }], code: 422, cause: /doc is missing path: "\/x\/y"/ },
    { name: 'an unknown operation', ops: [{ op: 'jump', path: '/a' }], code: 422, cause: /Unexpected kind: jump/ },
    { name: 'an operation that is no name', ops: [{ op: { toString: 1 }, path: '/a' }], code: 422, cause: /Unexpected kind: unknown/ },
    { name: 'not a list', ops: {}, code: 400 },
  ];
  for (const { name, ops, code, cause } of failing) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => applyJsonPatch({ a: 1 }, ops),
        (error) => {
          assert.ok(error instanceof StatusError);
          assert.equal(error.code, code);
          if (cause) assert.match((error.cause as Error).message, cause);
          return true;
        },
      );
    });
  }

  test('copies of copies are held to a size', () => {
    const ops = Array.from({ length: 500 }, (_, at) => ({ op: 'copy', from: '/data', path: `/data/${at}` }));
    assert.throws(
      () => applyJsonPatch({ data: { a: 'x'.repeat(1000) } }, ops),
      (error) => StatusError.is(error, 'RequestEntityTooLarge'),
    );
  });

  test('a member named __proto__ is data', () => {
    const result = applyJsonPatch<Record<string, unknown>>({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.ok(Object.hasOwn(result, '__proto__'));
  });
});

describe('merge patch', () => {
  // The table of RFC 7386, appendix A.
  const cases: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases) {
    test(`${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () =>
      assert.deepEqual(applyMergePatch(frozen(target), frozen(patch)), expected));
  }
});

const string: Schema = { type: 'string' };
const container: Schema = {
  type: 'object',
  name: 'Container',
  fields: {
    name: { schema: string },
    image: { schema: string },
    args: { schema: { type: 'array', items: string } },
    env: {
      schema: { type: 'array', items: { type: 'object', fields: { name: { schema: string }, value: { schema: string } } } },
      patchStrategy: ['merge'],
      patchMergeKey: 'name',
    },
  },
};
const pod: Schema = {
  type: 'object',
  fields: {
    labels: { schema: { type: 'map', items: string } },
    finalizers: { schema: { type: 'array', items: string }, patchStrategy: ['merge'] },
    containers: { schema: { type: 'array', items: container }, patchStrategy: ['merge'], patchMergeKey: 'name' },
    strategy: {
      schema: { type: 'object', fields: { type: { schema: string }, rollingUpdate: { schema: { type: 'object', fields: {} } } } },
      patchStrategy: ['retainKeys'],
    },
  },
};

describe('strategic merge patch', () => {
  const cases: { name: string; target: unknown; patch: unknown; expected: unknown }[] = [
    {
      name: 'merges a list by key',
      target: {
        containers: [
          { name: 'a', image: '1' },
          { name: 'b', image: '1' },
        ],
      },
      patch: { containers: [{ name: 'b', image: '2' }] },
      expected: {
        containers: [
          { name: 'a', image: '1' },
          { name: 'b', image: '2' },
        ],
      },
    },
    {
      name: 'puts an unknown element in front',
      target: { containers: [{ name: 'a' }] },
      patch: { containers: [{ name: 'b' }] },
      expected: { containers: [{ name: 'b' }, { name: 'a' }] },
    },
    {
      name: 'deletes an element',
      target: { containers: [{ name: 'a' }, { name: 'b' }] },
      patch: { containers: [{ name: 'a', $patch: 'delete' }] },
      expected: { containers: [{ name: 'b' }] },
    },
    {
      name: 'replaces a list by directive',
      target: { containers: [{ name: 'a' }] },
      patch: { containers: [{ name: 'c' }, { $patch: 'replace' }] },
      expected: { containers: [{ name: 'c' }] },
    },
    {
      name: 'replaces a map by directive',
      target: { labels: { a: '1' } },
      patch: { labels: { b: '2', $patch: 'replace' } },
      expected: { labels: { b: '2' } },
    },
    {
      name: 'empties a map by directive',
      target: { labels: { a: '1' } },
      patch: { labels: { $patch: 'delete' } },
      expected: { labels: {} },
    },
    {
      name: 'replaces lists without a strategy',
      target: { containers: [{ name: 'a', args: ['x'] }] },
      patch: { containers: [{ name: 'a', args: ['y'] }] },
      expected: { containers: [{ name: 'a', args: ['y'] }] },
    },
    {
      name: 'null removes',
      target: { containers: [{ name: 'a', image: '1' }] },
      patch: { containers: [{ name: 'a', image: null }] },
      expected: { containers: [{ name: 'a' }] },
    },
    { name: 'nulls are not stored', target: {}, patch: { labels: { a: null, b: '1' } }, expected: { labels: { b: '1' } } },
    {
      name: 'joins primitives',
      target: { finalizers: ['a', 'b'] },
      patch: { finalizers: ['c', 'a'] },
      expected: { finalizers: ['c', 'a', 'b'] },
    },
    {
      name: 'removes primitives',
      target: { finalizers: ['a', 'b'] },
      patch: { '$deleteFromPrimitiveList/finalizers': ['a'] },
      expected: { finalizers: ['b'] },
    },
    {
      name: 'sets the order',
      target: { containers: [{ name: 'a' }, { name: 'b' }] },
      patch: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      expected: { containers: [{ name: 'b' }, { name: 'a' }] },
    },
    {
      name: 'sets the order while merging',
      target: { containers: [{ name: 'a' }, { name: 's' }, { name: 'b' }] },
      patch: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'n' }, { name: 'a' }], containers: [{ name: 'n', image: '1' }] },
      expected: { containers: [{ name: 's' }, { name: 'b' }, { name: 'n', image: '1' }, { name: 'a' }] },
    },
    {
      name: 'retains only the listed keys',
      target: { strategy: { type: 'RollingUpdate', rollingUpdate: {} } },
      patch: { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      expected: { strategy: { type: 'Recreate' } },
    },
    {
      name: 'merges nested lists',
      target: { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] },
      patch: { containers: [{ name: 'a', env: [{ name: 'X', value: '2' }] }] },
      expected: { containers: [{ name: 'a', env: [{ name: 'X', value: '2' }] }] },
    },
  ];
  for (const { name, target, patch, expected } of cases) {
    test(name, () => assert.deepEqual(applyStrategicMergePatch(frozen(target), frozen(patch), pod), expected));
  }

  const refused: { name: string; patch: unknown; message: RegExp }[] = [
    { name: 'an element without its key', patch: { containers: [{ image: '1' }] }, message: /does not contain declared merge key: name/ },
    { name: 'an unknown directive', patch: { labels: { $patch: 'twist' } }, message: /unknown patch type: twist in map/ },
    {
      name: 'keys beside the retained ones',
      patch: { strategy: { $retainKeys: ['type'], rollingUpdate: {} } },
      message: /doesn't match retainKeys list/,
    },
  ];
  for (const { name, patch, message } of refused) {
    test(`refuses ${name}`, () =>
      assert.throws(
        () => applyStrategicMergePatch({ labels: { a: '1' }, containers: [{ name: 'a' }], strategy: {} }, patch, pod),
        message,
      ));
  }
});
