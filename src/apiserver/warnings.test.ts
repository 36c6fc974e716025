import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { warningHeader } from './warnings.ts';

describe('the Warning header', () => {
  const cases: { name: string; texts: readonly string[]; expected: string | undefined }[] = [
    { name: 'nothing to say', texts: [], expected: undefined },
    { name: 'one', texts: ['unknown field "spec.x"'], expected: String.raw`299 - "unknown field \"spec.x\""` },
    { name: 'several', texts: ['a', String.raw`b\c`], expected: String.raw`299 - "a", 299 - "b\\c"` },
    { name: 'beyond ASCII, as the bytes of UTF-8', texts: ['é'], expected: '299 - "\u00c3\u00a9"' },
    { name: 'half a character', texts: ['\ud800'], expected: '299 - "\u00ef\u00bf\u00bd"' },
    { name: 'control characters are not said', texts: ['a\r\nb', 'c'], expected: '299 - "c"' },
  ];
  for (const { name, texts, expected } of cases) test(name, () => assert.equal(warningHeader(texts), expected));

  test('much is cut', () => {
    const long = Array.from({ length: 30 }, (_, at) => `${at} ${'x'.repeat(300)}`);
    const header = warningHeader(long)!;
    assert.equal(header.split(', ').length, 16);
    assert.ok(header.startsWith(`299 - "0 ${'x'.repeat(254)}", `));
  });
});
