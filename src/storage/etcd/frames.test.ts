import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame, MessageReader } from './frames.ts';

const MESSAGES = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(70_000, 'x'), Buffer.from('last')];

for (const size of [1, 3, 5, 6, 1000, 1_000_000]) {
  test(`messages come out whole from chunks of ${size} bytes`, () => {
    const wire = Buffer.concat(MESSAGES.map(frame));
    const read: Buffer[] = [];
    const reader = new MessageReader((bytes) => read.push(bytes));
    for (let at = 0; at < wire.length; at += size) reader.push(wire.subarray(at, at + size));
    assert.deepEqual(read, MESSAGES);
  });
}

test('a compressed message is refused', () => {
  const compressed = frame(Buffer.from('x'));
  compressed[0] = 1;
  assert.throws(() => new MessageReader(() => assert.fail('it is no message')).push(compressed), /compressed/);
});
