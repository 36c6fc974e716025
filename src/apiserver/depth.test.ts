import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../api/status.ts';
import { checkDepth } from './depth.ts';

const nested = (levels: number): unknown => JSON.parse(`${'{"a":['.repeat(levels / 2)}${']}'.repeat(levels / 2)}`) as unknown;

test('a thousand levels are worked on, more are refused', () => {
  checkDepth(nested(1000));
  checkDepth(null);
  assert.throws(
    () => checkDepth(nested(1002)),
    (error) => StatusError.is(error, 'BadRequest') && error.message === 'exceeded max depth',
  );
  assert.throws(() => checkDepth(nested(100_000)), /exceeded max depth/);
});
