import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalBase64, canonicalDuration, canonicalMicroTime, canonicalTime } from './scalars.ts';

test('times', () => {
  assert.equal(canonicalTime('2026-02-28T23:30:00Z'), '2026-02-28T23:30:00Z');
  assert.equal(canonicalTime('2026-02-28T23:30:00.999-01:00'), '2026-03-01T00:30:00Z');
  assert.equal(canonicalMicroTime('2026-02-28T23:30:00.1234567Z'), '2026-02-28T23:30:00.123456Z');
  assert.equal(canonicalMicroTime('2026-02-28T23:30:00Z'), '2026-02-28T23:30:00.000000Z');
  for (const text of ['', 'now', '2026-02-30T00:00:00Z', '2026-01-01', '2026-01-01T25:00:00Z'])
    assert.throws(() => canonicalTime(text), /^RangeError: parsing time/, text);
});

test('base64', () => {
  assert.equal(canonicalBase64('YQ=='), 'YQ==');
  assert.equal(canonicalBase64('YWJj\nYQ==\n'), 'YWJjYQ==');
  assert.throws(() => canonicalBase64('YQ'), /illegal base64 data at input byte 0/);
  assert.throws(() => canonicalBase64('YWJj*Q=='), /illegal base64 data at input byte 4/);
});

test('durations as Go prints them', () => {
  const table = { '90s': '1m30s', '0': '0s', '1.5h': '1h30m0s', '1500ms': '1.5s', '-10us': '-10µs', '1h0m1s': '1h0m1s' };
  for (const [text, expected] of Object.entries(table)) assert.equal(canonicalDuration(text), expected, text);
  assert.throws(() => canonicalDuration('1 day'), /time: invalid duration/);
});
