import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, firstAddress, overlaps } from './ip-range.ts';

test('addresses of a range', () => {
  assert.equal(firstAddress('10.96.0.0/12'), '10.96.0.1');
  assert.equal(addressAt('10.96.0.0/12', 10), '10.96.0.10');
  assert.equal(addressAt('192.168.49.0/24', 256), '192.168.50.0');
});

const pairs = [
  { name: 'the same', a: '10.0.0.0/8', b: '10.0.0.0/8', expected: true },
  { name: 'one within the other, written with host bits', a: '10.0.0.0/8', b: '10.244.3.1/24', expected: true },
  { name: 'neighbours', a: '192.168.49.0/24', b: '192.168.50.0/24', expected: false },
  { name: 'far apart, above half of the space', a: '10.0.0.0/8', b: '224.0.0.0/4', expected: false },
];
for (const { name, a, b, expected } of pairs) {
  test(`overlap: ${name}`, () => {
    assert.equal(overlaps(a, b), expected);
    assert.equal(overlaps(b, a), expected);
  });
}
