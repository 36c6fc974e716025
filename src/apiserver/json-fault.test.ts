import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonFault } from './json-fault.ts';

const CASES: [text: string, fault: string][] = [
  ['', 'unexpected end of JSON input'],
  ['zzz', "invalid character 'z' looking for beginning of value"],
  ['{"a":1', 'unexpected end of JSON input'],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['[1 2]', "invalid character '2' after array element"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
  ['trie', "invalid character 'i' in literal true (expecting 'u')"],
  ['-x', "invalid character 'x' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['1ex', "invalid character 'x' in exponent of numeric literal"],
  ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  ['{"a":{"b":[{}, {"c":tru', 'unexpected end of JSON input'],
];

describe('what is wrong with a text', () => {
  for (const [text, fault] of CASES) test(JSON.stringify(text), () => assert.equal(jsonFault(text), fault));

  test('as deep as it goes', () => assert.equal(jsonFault('['.repeat(100_000)), 'unexpected end of JSON input'));
});
