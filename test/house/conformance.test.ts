/** The list of conformance behaviours and the tests of test/conformance/ tell the same. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const FOLDER = join(import.meta.dirname, '..', 'conformance');

interface Row {
  sig: string;
  area: string;
  behaviour: string;
}

function rows(): Row[] {
  const [, ...lines] = readFileSync(join(FOLDER, 'behaviours.csv'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [sig, area, behaviour] = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell]) =>
      cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!,
    );
    return { sig: sig!, area: area!, behaviour: behaviour! };
  });
}

/** Test files by the sig and area that they declare. */
function files(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of globSync('*/*.test.ts', { cwd: FOLDER })) {
    const text = readFileSync(join(FOLDER, name), 'utf8');
    const [, sig, area] = /^conformance\(\s*'([^']+)',\s*'([^']+)'/m.exec(text) ?? [];
    assert.ok(sig && area, `${name} declares no area`);
    found.set(`${sig}: ${area}`, text);
  }
  return found;
}

/** The texts in quotes of a file: its behaviours are among them, one by one or in a table. */
function literals(text: string): string[] {
  return [...text.matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/g)].map(([, single, double]) =>
    (single ?? double)!.replaceAll(/\\(.)/g, '$1'),
  );
}

/** The names that a file gives to `behaviour(…)` directly. */
function named(text: string): string[] {
  return [...text.matchAll(/behaviour\(\s*(?=['"])/g)].map(({ index, 0: call }) => literals(text.slice(index + call.length))[0]!);
}

const areas = Map.groupBy(rows(), ({ sig, area }) => `${sig}: ${area}`);
const declared = files();

for (const [area, behaviours] of areas) {
  test(area, () => {
    const text = declared.get(area);
    assert.ok(text, 'no file of test/conformance/ declares it');
    const wanted = behaviours.map(({ behaviour }) => behaviour);
    const found = literals(text);
    for (const name of wanted) assert.equal(found.filter((each) => each === name).length, 1, `tests of "${name}"`);
    assert.deepEqual(
      named(text).filter((name) => !wanted.includes(name)),
      [],
      'behaviours that are not on the list',
    );
  });
}

test('no file is about an area that is not on the list', () => {
  assert.deepEqual(
    [...declared.keys()].filter((area) => !areas.has(area)),
    [],
  );
});
