import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types.gen.ts';
import { podsToDelete } from './ranking.ts';

const NOW = Date.UTC(2026, 0, 2);
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

interface Traits {
  node?: string;
  phase?: string;
  /** Seconds since it became ready; not ready without. */
  ready?: number;
  cost?: string;
  restarts?: number;
  age?: number;
}

function pod(name: string, { node = 'n1', phase = 'Running', ready, cost, restarts = 0, age = 1000 }: Traits): Pod {
  const annotations: Record<string, string> = cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': cost };
  const conditions = ready === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(ready) }];
  const containerStatuses = [{ name: 'main', image: '', imageID: '', ready: true, restartCount: restarts }];
  return {
    metadata: { name, uid: name, creationTimestamp: ago(age), annotations },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: { phase, conditions, containerStatuses },
  };
}

const CASES: { name: string; goes: Traits; stays: Traits; sharing?: Record<string, number> }[] = [
  { name: 'without a node before with one', goes: { node: '' }, stays: {} },
  { name: 'pending before running', goes: { phase: 'Pending' }, stays: { phase: 'Running' } },
  { name: 'unknown before running', goes: { phase: 'Unknown' }, stays: { phase: 'Running' } },
  { name: 'not ready before ready', goes: { cost: '100' }, stays: { ready: 10, cost: '-100' } },
  { name: 'cheap before dear', goes: { ready: 900, cost: '-5' }, stays: { ready: 10 } },
  { name: 'a cost that is no number is 0', goes: { ready: 900, cost: 'low' }, stays: { ready: 10, cost: '1' } },
  {
    name: 'from the node with more of the family',
    goes: { node: 'full', ready: 900 },
    stays: { node: 'n1', ready: 10 },
    sharing: { full: 2, n1: 1 },
  },
  { name: 'ready for a short time before long', goes: { ready: 10 }, stays: { ready: 900 } },
  { name: 'with more restarts', goes: { ready: 100, restarts: 3 }, stays: { ready: 100 } },
  { name: 'young before old', goes: { ready: 1, age: 10 }, stays: { ready: 1, age: 5000 } },
];

for (const { name, goes, stays, sharing = {} } of CASES) {
  test(`pods go in upstream's order: ${name}`, () => {
    const [a, b] = [pod('z', goes), pod('a', stays)];
    for (const pods of [
      [a, b],
      [b, a],
    ]) {
      assert.deepEqual(
        podsToDelete(pods, 1, ({ spec }) => sharing[spec!.nodeName!] ?? 1, NOW).map(({ metadata }) => metadata.name),
        ['z'],
      );
    }
  });
}
