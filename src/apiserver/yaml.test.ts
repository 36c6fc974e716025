import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml, yamlDuplicates } from './yaml.ts';

const TEXT = 'a: 1\nb:\n  c: 1\n  c: 2\na: 3\n';

test('the last of equal keys counts', async () => {
  assert.deepEqual(await parseYaml(Buffer.from(TEXT)), { a: 3, b: { c: 2 } });
});

test('equal keys are told with their lines', async () => {
  const { warnings, strict } = await yamlDuplicates(Buffer.from(TEXT));
  assert.deepEqual(warnings.toSorted(), ['line 4: key "c" already set in map', 'line 5: key "a" already set in map']);
  assert.match(strict[0]!, /^yaml: unmarshal errors:\n  line \d/);
  assert.deepEqual(await yamlDuplicates(Buffer.from('a: 1\nb: {a: 2}\n')), { warnings: [], strict: [] });
});

test('what is no YAML is a bad request', async () => {
  await assert.rejects(parseYaml(Buffer.from('a: [')), { name: 'StatusError', code: 400 });
});
