import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, IntOrString, ReplicaSet } from '../../api/types.gen.ts';
import { maxSurge, maxUnavailable, newReplicaSetSize } from './limits.ts';
import { proportionalSizes } from './proportions.ts';
import { shrinkOld } from './rolling-update.ts';

function deployment(replicas: number, surge: IntOrString, unavailable: IntOrString): Deployment {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } };
  return { metadata: { name: 'web' }, spec: { replicas, strategy, selector: {}, template: {} } };
}

/** Size, how many of those are available, and the size that its Deployment could have had when it was scaled last. */
function replicaSet(name: string, size: number, available = size, max?: number): ReplicaSet {
  const annotations: Record<string, string> = max === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(max) };
  return {
    metadata: { name, creationTimestamp: name, annotations },
    spec: { replicas: size, selector: {} },
    status: { replicas: size, availableReplicas: available },
  };
}

const LIMITS: [replicas: number, surge: IntOrString, unavailable: IntOrString, expected: [number, number]][] = [
  [3, '25%', '25%', [1, 0]],
  [10, '25%', '25%', [3, 2]],
  [1, '0%', '10%', [0, 1]],
  [4, 0, 0, [0, 1]],
  [2, 1, 5, [1, 2]],
  [0, '50%', '50%', [0, 0]],
];

for (const [replicas, surge, unavailable, expected] of LIMITS) {
  test(`of ${replicas} pods a surge of ${surge} and ${unavailable} unavailable are ${expected.join(' and ')}`, () => {
    const subject = deployment(replicas, surge, unavailable);
    assert.deepEqual([maxSurge(subject), maxUnavailable(subject)], expected);
  });
}

const SHRINK: { name: string; limits: Deployment; old: ReplicaSet[]; current: ReplicaSet; expected: Record<string, number> }[] = [
  {
    name: 'nothing while the new pods are not available',
    limits: deployment(10, 3, 0),
    old: [replicaSet('1', 10)],
    current: replicaSet('2', 3, 0),
    expected: {},
  },
  {
    name: 'what may be unavailable',
    limits: deployment(10, 3, 2),
    old: [replicaSet('1', 10)],
    current: replicaSet('2', 3, 0),
    expected: { 1: 8 },
  },
  {
    name: 'as many as are available beyond need',
    limits: deployment(10, 3, 2),
    old: [replicaSet('1', 8)],
    current: replicaSet('2', 5, 5),
    expected: { 1: 3 },
  },
  {
    name: 'pods that do not serve first, of any revision',
    limits: deployment(10, 3, 0),
    old: [replicaSet('1', 10), replicaSet('2', 3, 0)],
    current: replicaSet('3', 0),
    expected: { 2: 0 },
  },
];

for (const { name, limits, old, current, expected } of SHRINK) {
  test(`old ReplicaSets shrink: ${name}`, () => {
    const sizes = shrinkOld(limits, { old, current });
    assert.deepEqual(Object.fromEntries([...sizes].map(([{ metadata }, size]) => [metadata.name, size])), expected);
  });
}

const PROPORTIONS: { name: string; wanted: Deployment; active: ReplicaSet[]; expected: Record<string, number> }[] = [
  { name: 'up', wanted: deployment(15, 3, 2), active: [replicaSet('1', 8, 8, 13), replicaSet('2', 5, 0, 13)], expected: { 1: 11, 2: 7 } },
  { name: 'down', wanted: deployment(5, 0, 1), active: [replicaSet('1', 8, 8, 10), replicaSet('2', 2, 0, 10)], expected: { 1: 4, 2: 1 } },
  {
    name: 'to nothing',
    wanted: deployment(0, 3, 2),
    active: [replicaSet('1', 8, 8, 13), replicaSet('2', 5, 0, 13)],
    expected: { 1: 0, 2: 0 },
  },
  {
    name: 'what rounding leaves goes to the biggest',
    wanted: deployment(6, 0, 1),
    active: [replicaSet('1', 3, 3, 5), replicaSet('2', 1, 1, 5), replicaSet('3', 1, 1, 5)],
    expected: { 1: 4, 2: 1, 3: 1 },
  },
  { name: 'no change', wanted: deployment(10, 0, 1), active: [replicaSet('1', 8), replicaSet('2', 2)], expected: { 1: 8, 2: 2 } },
];

for (const { name, wanted, active, expected } of PROPORTIONS) {
  test(`a rollout is scaled in proportion: ${name}`, () => {
    const sizes = proportionalSizes(wanted, active);
    assert.deepEqual(Object.fromEntries([...sizes].map(([{ metadata }, size]) => [metadata.name, size])), expected);
  });
}

test('a new ReplicaSet gets what the surge leaves, and no more than is wanted', () => {
  assert.equal(newReplicaSetSize(deployment(10, 3, 0), [replicaSet('1', 10)], 0), 3);
  assert.equal(newReplicaSetSize(deployment(10, 3, 0), [replicaSet('1', 2), replicaSet('2', 9)], 9), 10);
  assert.equal(newReplicaSetSize(deployment(10, 3, 0), [replicaSet('1', 13)], 0), 0);
});
