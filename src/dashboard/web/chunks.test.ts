import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunks, lineBatches } from './chunks.ts';

test('what was pushed is read in order, and then the end', async () => {
  const chunks = new Chunks();
  chunks.push('a');
  chunks.push('b\nc');
  const read = Array.fromAsync(lineBatches(chunks));
  await Promise.resolve();
  chunks.push('d\n\ne');
  chunks.end();
  assert.deepEqual((await read).flat(), ['ab', 'cd', '', 'e']);
});

test('a cut is thrown after what came before it', async () => {
  const chunks = new Chunks();
  chunks.push('a\n');
  chunks.fail(new Error('cut'));
  chunks.end();
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const lines of lineBatches(chunks)) seen.push(...lines);
  }, /cut/);
  assert.deepEqual(seen, ['a']);
});
