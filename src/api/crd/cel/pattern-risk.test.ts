import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isRisky } from './pattern-risk.ts';

const SHORT = 'a-name-of-some-length';
const PATTERNS: [string, string, boolean][] = [
  ['^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', SHORT, false],
  ['^(a|b)?c$', SHORT, false],
  ['\\(+\\)', SHORT, false],
  ['[(+*)]+', SHORT, false],
  ['^v\\d+(\\.\\d{1,3})?$', SHORT, false],
  ['(a+)+$', SHORT, true],
  ['(a|aa)*$', SHORT, true],
  ['((a*))+', SHORT, true],
  ['^(([a-z]{2,}))+$', SHORT, true],
  ['a*b', 'a'.repeat(5000), true],
  ['abc', 'a'.repeat(5000), false],
];

describe('patterns that may take long', () => {
  for (const [pattern, text, expected] of PATTERNS)
    test(`${pattern} on ${text.length} characters: ${expected ? 'yes' : 'no'}`, () => assert.equal(isRisky(text, pattern), expected));
});
