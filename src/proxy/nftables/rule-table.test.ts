import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRng } from '../../lib/random.ts';
import { type Change, type Item, RuleTable } from './rule-table.ts';

const element = (key: string, value = ''): Item => ({ at: 'map', key, value });
const told = (table: RuleTable): string[] => table.changes().map(({ key, before, after }) => `${key}: ${before} → ${after}`);

test('a thing with two owners goes with the last', () => {
  const table = new RuleTable();
  table.replace('a', [element('shared', '1'), element('own', '1')]);
  table.replace('b', [element('shared', '1')]);
  assert.deepEqual(told(table), ['shared: undefined → 1', 'own: undefined → 1']);
  table.commit();
  table.replace('a', []);
  assert.deepEqual(told(table), ['own: 1 → undefined']);
  table.commit();
  table.replace('b', []);
  assert.deepEqual(told(table), ['shared: 1 → undefined']);
});

test('where two want different values the first has its way, until it lets go', () => {
  const table = new RuleTable();
  table.replace('a', [element('ip', 'a')]);
  table.replace('b', [element('ip', 'b')]);
  table.commit();
  table.replace('a', []);
  assert.deepEqual(told(table), ['ip: a → b']);
});

test('what changes back before the commit is no change', () => {
  const table = new RuleTable();
  table.replace('a', [element('x', '1')]);
  table.commit();
  table.replace('a', [element('x', '2')]);
  table.replace('a', [element('x', '1')]);
  assert.deepEqual(table.changes(), []);
});

test('changes applied one after the other always give everything there is (random runs)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const rng = seededRng(seed);
    const below = (n: number): number => Math.floor(rng.next() * n);
    const table = new RuleTable();
    const kernel = new Map<string, string>();
    for (let step = 0; step < 60; step++) {
      const items = Array.from({ length: below(5) }, () => element(`k${below(8)}`, `v${below(3)}`));
      table.replace(`owner${below(4)}`, items);
      if (rng.next() < 0.5) continue;
      for (const { key, before, after } of table.changes()) {
        assert.equal(kernel.get(key), before, `seed ${seed}: the change names what is there`);
        if (after === undefined) kernel.delete(key);
        else kernel.set(key, after);
      }
      table.commit();
      const all = new Map(table.everything().map(({ key, after }: Change) => [key, after]));
      assert.deepEqual(Object.fromEntries(kernel), Object.fromEntries(all), `seed ${seed}`);
    }
  }
});
