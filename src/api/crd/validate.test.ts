import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JSONSchemaProps } from '../types.gen.ts';
import { validateValue } from './validate.ts';

const CASES: { name: string; node: JSONSchemaProps; value: unknown; old?: unknown; expected: string[] }[] = [
  { name: 'null where it may be', node: { type: 'string', nullable: true }, value: null, expected: [] },
  {
    name: 'null where it may not be',
    node: { type: 'string' },
    value: null,
    expected: ['x: Invalid value: "null": x in body must be of type string: "null"'],
  },
  { name: 'a whole number is an integer', node: { type: 'integer' }, value: 3.0, expected: [] },
  {
    name: 'a fraction is none',
    node: { type: 'integer' },
    value: 3.5,
    expected: ['x: Invalid value: "number": x in body must be of type integer: "number"'],
  },
  { name: 'int-or-string takes both', node: { 'x-kubernetes-int-or-string': true }, value: 'http', expected: [] },
  {
    name: 'int-or-string takes no more',
    node: { 'x-kubernetes-int-or-string': true },
    value: true,
    expected: ['x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"'],
  },
  {
    name: 'an enumeration',
    node: { type: 'string', enum: ['a', 'b'] },
    value: 'c',
    expected: ['x: Unsupported value: "c": supported values: "a", "b"'],
  },
  {
    name: 'a pattern',
    node: { type: 'string', pattern: '^a+$' },
    value: 'b',
    expected: ['x: Invalid value: "b": x in body should match \'^a+$\''],
  },
  { name: 'RE2’s flags', node: { type: 'string', pattern: '(?i)^A$' }, value: 'a', expected: [] },
  { name: 'too long', node: { type: 'string', maxLength: 2 }, value: 'abc', expected: ['x: Too long: may not be more than 2 bytes'] },
  {
    name: 'too short',
    node: { type: 'string', minLength: 2 },
    value: 'a',
    expected: ['x: Invalid value: "a": x in body should be at least 2 chars long'],
  },
  {
    name: 'an exclusive bound',
    node: { type: 'integer', maximum: 3, exclusiveMaximum: true },
    value: 3,
    expected: ['x: Invalid value: 3: x in body should be less than 3'],
  },
  {
    name: 'a multiple',
    node: { type: 'integer', multipleOf: 2 },
    value: 3,
    expected: ['x: Invalid value: 3: x in body should be a multiple of 2'],
  },
  {
    name: 'a format',
    node: { type: 'string', format: 'date-time' },
    value: 'today',
    expected: ['x: Invalid value: "today": x in body must be of type date-time: "today"'],
  },
  { name: 'an unknown format', node: { type: 'string', format: 'colour' }, value: 'x', expected: [] },
  {
    name: 'too many items',
    node: { type: 'array', maxItems: 1, items: { type: 'string' } },
    value: ['a', 'b'],
    expected: ['x: Too many: 2: must have at most 1 items'],
  },
  {
    name: 'an item twice in a set',
    node: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    value: ['a', 'b', 'a'],
    expected: ['x[2]: Duplicate value: "a"'],
  },
  {
    name: 'values of a map',
    node: { type: 'object', additionalProperties: { type: 'integer' } },
    value: { a: 1, b: 'c' },
    expected: ['x.b: Invalid value: "string": x.b in body must be of type integer: "string"'],
  },
  {
    name: 'an embedded resource',
    node: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
    value: { kind: 'Pod' },
    expected: ['x.apiVersion: Required value: must not be empty'],
  },
  {
    name: 'oneOf',
    node: { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    value: { a: 1, b: 1 },
    expected: ['<nil>: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  },
  {
    name: 'anyOf',
    node: { type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    value: {},
    expected: ['<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)', 'x.a: Required value'],
  },
  {
    name: 'not',
    node: { type: 'object', not: { required: ['a'] } },
    value: { a: 1 },
    expected: ['<nil>: Invalid value: "": "x" must not validate the schema (not)'],
  },
  {
    name: 'what did not change is not judged',
    node: { type: 'object', properties: { a: { type: 'integer', maximum: 3 }, b: { type: 'integer', maximum: 3 } } },
    value: { a: 5, b: 6 },
    old: { a: 5, b: 7 },
    expected: ['x.b: Invalid value: 6: x.b in body should be less than or equal to 3'],
  },
];

test('a pattern that backtracks for ages is given up', () => {
  const pattern = '^(a|aa)+$';
  const node: JSONSchemaProps = { type: 'array', items: { type: 'string', pattern } };
  const endless = `${'a'.repeat(60)}b`;
  const found = validateValue([endless, endless, 'aaaaaaaaaaaaaaaaaaaa'], node, 'x').map(({ field, message }) => `${field}: ${message}`);
  const told = (index: number): string =>
    `x[${index}]: Invalid value: "${endless}": x[${index}] in body should match '${pattern}', which could not be decided in time`;
  assert.deepEqual(found, [told(0), told(1)]);
});

describe('values', () => {
  for (const { name, node, value, old, expected } of CASES)
    test(name, () =>
      assert.deepEqual(
        validateValue(value, node, 'x', old).map(({ field, message }) => `${field}: ${message}`),
        expected,
      ),
    );
});
