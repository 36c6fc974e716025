import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addQuantities,
  bytesOf,
  canonicalQuantity,
  compareQuantities,
  cpuMillis,
  parseQuantity,
  quantityToNumber,
  subtractQuantities,
} from './quantity.ts';

test('canonical text', () => {
  const table: Readonly<Record<string, string>> = {
    '0': '0',
    '0m': '0',
    '-0': '0',
    '0Mi': '0',
    '00': '0',
    '0.5': '500m',
    '.5': '500m',
    '1.': '1',
    '1.5': '1500m',
    '100m': '100m',
    '1000m': '1',
    '0100m': '100m',
    '1024Mi': '1Gi',
    '0.5Gi': '512Mi',
    '1.5Gi': '1536Mi',
    '1000Ki': '1000Ki',
    '512': '512',
    '1Ki': '1Ki',
    '0.5Ki': '512',
    '1024': '1024',
    '1e3': '1e3',
    '1000e0': '1e3',
    '5E-3': '5e-3',
    '12E': '12E',
    '1000k': '1M',
    '0.0000000001': '1n',
    '1.0000000001': '1000000001n',
    '-1.5': '-1500m',
    '+2': '2',
    '10e': '',
    '9223372036854775808': '9223372036854775807',
    '1e100': '9223372036854775807',
    '100': '100',
    '1000': '1k',
    '129e6': '129e6',
    '0.1Ki': '102400m',
  };
  for (const [text, expected] of Object.entries(table)) {
    if (expected) assert.equal(canonicalQuantity(text), expected, text);
  }
});

test('what is no quantity is refused in the words of upstream', () => {
  for (const text of ['', 'abc', '1 Gi', '.', '1.2.3', ' 1', '--1', '1Gib'])
    assert.throws(() => parseQuantity(text), { name: 'RangeError', message: /quantities must match the regular expression/ }, text);
  for (const text of ['10e', '1K', '1iM', '1Kii', '1GiGi', '1mm'])
    assert.throws(() => parseQuantity(text), { message: "unable to parse quantity's suffix" }, text);
});

test('numbers', () => {
  assert.equal(cpuMillis('0.25'), 250);
  assert.equal(cpuMillis('1'), 1000);
  assert.equal(cpuMillis('100u'), 1);
  assert.equal(bytesOf('1Gi'), 1073741824);
  assert.equal(bytesOf('1500m'), 2);
  assert.equal(bytesOf('-1500m'), -2);
  assert.equal(quantityToNumber('1500m'), 1.5);
  assert.equal(quantityToNumber('110'), 110);
});

test('arithmetic is exact and keeps the first format', () => {
  assert.equal(addQuantities('100m', '0.9'), '1');
  assert.equal(addQuantities('0', '64Mi', '64Mi'), '128Mi');
  assert.equal(addQuantities(), '0');
  assert.equal(subtractQuantities('1Gi', '1Mi'), '1023Mi');
  assert.ok(compareQuantities('1Gi', '1G') > 0);
  assert.equal(compareQuantities('1', '1000m'), 0);
  assert.ok(compareQuantities('-1', '1n') < 0);
});
