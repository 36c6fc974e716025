import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/types.gen.ts';
import { ManualClock } from '../../lib/clock.ts';
import { EvictionPace } from './zones.ts';

function nodes(zone: string, ready: number, silent: number): Node[] {
  return Array.from({ length: ready + silent }, (_, i) => ({
    metadata: { name: `${zone}-${i}`, labels: { 'topology.kubernetes.io/zone': zone } },
    status: { conditions: [{ type: 'Ready', status: i < silent ? 'Unknown' : 'True' }] },
  }));
}

/** Milliseconds between the first node that is emptied and the second of zone a. */
const PACES: { name: string; cluster: Node[]; expected: number }[] = [
  { name: 'a few nodes', cluster: nodes('a', 8, 2), expected: 10_000 },
  { name: 'most of a small zone', cluster: nodes('a', 4, 6), expected: Infinity },
  { name: 'most of a large zone', cluster: nodes('a', 20, 40), expected: 100_000 },
  { name: 'most, but only two', cluster: nodes('a', 1, 2), expected: 10_000 },
  { name: 'a whole zone', cluster: [...nodes('a', 0, 5), ...nodes('b', 5, 0)], expected: 10_000 },
  { name: 'the whole cluster', cluster: [...nodes('a', 0, 5), ...nodes('b', 0, 5)], expected: Infinity },
];

for (const { name, cluster, expected } of PACES) {
  test(`the pace at which silent nodes are emptied: ${name}`, () => {
    const pace = new EvictionPace(new ManualClock());
    const [first, second] = cluster;
    assert.equal(pace.take(first!, cluster), expected === Infinity ? Infinity : 0);
    assert.equal(pace.take(second!, cluster), expected);
  });
}

test('zones do not wait for each other', () => {
  const pace = new EvictionPace(new ManualClock());
  const cluster = [...nodes('a', 3, 1), ...nodes('b', 3, 1)];
  assert.deepEqual([pace.take(cluster[0]!, cluster), pace.take(cluster[4]!, cluster)], [0, 0]);
});
