import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types.gen.ts';
import { byAmount, byRatio, byShare, byUtilization, type Scene } from './replica-calculator.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const iso = (secondsAgo: number): string => new Date(NOW - secondsAgo * 1000).toISOString().replace('.000', '');

interface PodSketch {
  /** Milli of CPU over the last half minute; absent: no metric. */
  uses?: number;
  /** Of CPU; absent: none. */
  requests?: string;
  ready?: boolean;
  phase?: string;
  deleted?: boolean;
  /** Seconds since its start, 600 unless given; and since its readiness changed. */
  age?: number;
  readyFor?: number;
}

function podOf(sketch: PodSketch, index: number): Pod {
  const { requests, ready = true, phase = 'Running', deleted, age = 600, readyFor = 500 } = sketch;
  return {
    metadata: { name: `pod-${index}`, namespace: 'default', ...(deleted ? { deletionTimestamp: iso(0) } : {}) },
    spec: { containers: [{ name: 'main', image: 'x', ...(requests ? { resources: { requests: { cpu: requests } } } : {}) }] },
    status: {
      phase,
      startTime: iso(age),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: iso(readyFor) }],
    },
  };
}

function sceneOf(sketches: readonly PodSketch[], currentReplicas = sketches.length, tolerance = 0.1): Scene {
  return { pods: sketches.map(podOf), currentReplicas, tolerances: { up: tolerance, down: tolerance }, now: NOW };
}

function metricsOf(sketches: readonly PodSketch[]): Map<string, { milli: number; at: number; windowMs: number }> {
  const known = sketches.map(({ uses }, index) => [`pod-${index}`, uses] as const).filter(([, uses]) => uses !== undefined);
  return new Map(known.map(([name, uses]) => [name, { milli: uses!, at: NOW, windowMs: 30_000 }]));
}

const one = (uses: number | undefined, more: PodSketch = {}): PodSketch => ({
  ...(uses === undefined ? {} : { uses }),
  requests: '1',
  ...more,
});

interface UtilizationCase {
  pods: PodSketch[];
  /** As many as there are pods unless given. */
  current?: number;
  percent: number;
  replicas: number;
  utilization: number;
}

const BY_UTILIZATION: Record<string, UtilizationCase> = {
  'twice the target doubles': { pods: [one(1000), one(1000)], percent: 50, replicas: 4, utilization: 100 },
  'a third of the target': { pods: [one(100), one(100), one(100)], percent: 30, replicas: 1, utilization: 10 },
  'within the tolerance above': { pods: [one(540), one(540)], percent: 50, replicas: 2, utilization: 54 },
  'within the tolerance below': { pods: [one(460), one(460)], percent: 50, replicas: 2, utilization: 46 },
  'just beyond the tolerance': { pods: [one(560), one(560)], percent: 50, replicas: 3, utilization: 56 },
  'up, a pod without a metric counts as idle': { pods: [one(900), one(900), one(undefined)], percent: 50, replicas: 4, utilization: 90 },
  'up, pods without a metric take back the reason': { pods: [one(700), one(undefined)], percent: 50, replicas: 2, utilization: 70 },
  'down, a pod without a metric counts as fully used': {
    pods: [one(10), one(10), one(undefined)],
    percent: 50,
    replicas: 3,
    utilization: 1,
  },
  'down, a missing pod leaves room': {
    pods: [one(10), one(10), one(10), one(10), one(undefined)],
    percent: 50,
    replicas: 2,
    utilization: 1,
  },
  'down, beyond 100 % a missing pod counts as on target': {
    pods: [one(300), one(300), one(undefined)],
    percent: 200,
    replicas: 2,
    utilization: 30,
  },
  'exactly on target, a missing pod changes nothing': { pods: [one(500), one(undefined)], percent: 50, replicas: 2, utilization: 50 },
  'up, a pod that is not ready yet counts as idle': {
    pods: [one(900), one(900), one(900, { ready: false, age: 60, readyFor: 60 })],
    percent: 50,
    replicas: 4,
    utilization: 90,
  },
  'a pod is left out until a whole window is after its readiness': {
    pods: [one(500), one(5000, { age: 100, readyFor: 20 })],
    current: 1,
    percent: 50,
    replicas: 1,
    utilization: 50,
  },
  'a young pod counts once its window is past': {
    pods: [one(500), one(500, { age: 100, readyFor: 40 })],
    percent: 50,
    replicas: 2,
    utilization: 50,
  },
  'a pod that was never ready is left out': {
    pods: [one(500), one(5000, { ready: false, age: 600, readyFor: 590 })],
    percent: 50,
    replicas: 2,
    utilization: 50,
  },
  'a pod that was ready once counts': { pods: [one(500), one(1500, { ready: false })], percent: 50, replicas: 4, utilization: 100 },
  'pending pods count as idle when it goes up': {
    pods: [one(1000), one(undefined, { phase: 'Pending' })],
    percent: 40,
    replicas: 3,
    utilization: 100,
  },
  'failed and deleted pods do not count': {
    pods: [one(1000), one(9000, { phase: 'Failed' }), one(9000, { deleted: true })],
    percent: 50,
    replicas: 2,
    utilization: 100,
  },
};

for (const [name, { pods, current, percent, replicas, utilization }] of Object.entries(BY_UTILIZATION)) {
  test(`by utilization: ${name}`, () => {
    const proposal = byUtilization(sceneOf(pods, current), metricsOf(pods), { percent, resource: 'cpu', container: '' });
    assert.deepEqual({ replicas: proposal.replicas, utilization: proposal.utilization }, { replicas, utilization });
  });
}

const REFUSED: Record<string, { pods: PodSketch[]; message: string }> = {
  'no pods': { pods: [], message: 'no pods returned by selector while calculating replica count' },
  'nobody has a metric': {
    pods: [one(undefined)],
    message: 'did not receive metrics for targeted pods (pods might be unready)',
  },
  'a container requests nothing': { pods: [{ uses: 1 }], message: 'missing request for cpu in container main of Pod pod-0' },
  'requests of nothing': { pods: [one(1, { requests: '0' })], message: 'no metrics returned matched known pods' },
};

for (const [name, { pods, message }] of Object.entries(REFUSED)) {
  test(`by utilization cannot tell: ${name}`, () => {
    const work = (): unknown => byUtilization(sceneOf(pods), metricsOf(pods), { percent: 50, resource: 'cpu', container: '' });
    assert.throws(work, { message });
  });
}

const BY_AMOUNT: Record<string, { pods: PodSketch[]; target: number; replicas: number; milli: number; resource?: string }> = {
  'twice the target': { pods: [{ uses: 20_000 }, { uses: 20_000 }], target: 10_000, replicas: 4, milli: 20_000 },
  'half the target': { pods: [{ uses: 20_000 }, { uses: 20_000 }], target: 40_000, replicas: 1, milli: 20_000 },
  'down, a missing pod counts as on target': { pods: [{ uses: 0 }, { uses: 0 }, {}], target: 100, replicas: 1, milli: 0 },
  'up, a missing pod counts as nothing': { pods: [{ uses: 300 }, {}], target: 100, replicas: 3, milli: 300 },
  'readiness does not matter to a custom metric': { pods: [{ uses: 300, ready: false, age: 20 }], target: 100, replicas: 3, milli: 300 },
  'but it does to CPU': {
    pods: [{ uses: 100 }, { uses: 300, ready: false, age: 20 }],
    target: 100,
    replicas: 2,
    milli: 100,
    resource: 'cpu',
  },
};

for (const [name, { pods, target, replicas, milli, resource = '' }] of Object.entries(BY_AMOUNT)) {
  test(`by amount: ${name}`, () => {
    assert.deepEqual(byAmount(sceneOf(pods), metricsOf(pods), { target, resource }), { replicas, milli });
  });
}

test('by ratio: ready pods share one value', () => {
  const pods = [one(0), one(0), one(0, { ready: false })];
  assert.deepEqual(byRatio(sceneOf(pods), 30_000, 10_000), { replicas: 6, milli: 30_000 });
  assert.deepEqual(byRatio(sceneOf(pods), 10_500, 10_000), { replicas: 3, milli: 10_500 });
  assert.deepEqual(byRatio(sceneOf([], 0), 25_000, 10_000), { replicas: 3, milli: 25_000 });
});

test('by share: each pod has its part of one value', () => {
  const pods = [one(0), one(0)];
  assert.deepEqual(byShare(sceneOf(pods), 50_000, 10_000), { replicas: 5, milli: 25_000 });
  assert.deepEqual(byShare(sceneOf(pods), 21_000, 10_000), { replicas: 2, milli: 10_500 });
});

test('each direction has its own tolerance', () => {
  const pods = [one(600), one(600)];
  const wide = { ...sceneOf(pods), tolerances: { up: 0.3, down: 0 } };
  const ask = (percent: number): number => byUtilization(wide, metricsOf(pods), { percent, resource: 'cpu', container: '' }).replicas;
  assert.equal(ask(50), 2);
  assert.equal(ask(61), 2);
  assert.equal(ask(150), 1);
  assert.equal(ask(40), 3);
});
