import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, Pod } from '../api/types.gen.ts';
import { seededRng, type Rng } from '../lib/random.ts';
import { ClusterState } from './cluster-state.ts';
import { type CycleResult, schedule } from './cycle.ts';
import type { WeightedPlugin } from './framework.ts';
import { NodeAnswers } from './node-answers.ts';
import { balancedAllocation } from './plugins/balanced-allocation.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { podInfo } from './snapshot.ts';

const plugins: readonly WeightedPlugin[] = [
  { plugin: nodeUnschedulable, weight: 0 },
  { plugin: taintToleration, weight: 3 },
  { plugin: nodeAffinity(), weight: 2 },
  { plugin: nodePorts, weight: 0 },
  { plugin: nodeResourcesFit(), weight: 1 },
  { plugin: podTopologySpread(() => undefined), weight: 2 },
  { plugin: interPodAffinity(() => ({})), weight: 2 },
  { plugin: balancedAllocation(), weight: 1 },
];
const NODES = 60;

function randomNode(index: number, rng: Rng): Node {
  const taint = rng.next() < 0.2 ? [{ key: 'slow', effect: rng.next() < 0.5 ? 'NoSchedule' : 'PreferNoSchedule' }] : [];
  return {
    metadata: { name: `n${index}`, labels: { 'kubernetes.io/hostname': `n${index}`, disk: rng.next() < 0.5 ? 'fast' : 'slow' } },
    spec: { taints: taint, ...(rng.next() < 0.1 ? { unschedulable: true } : {}) },
    status: { allocatable: { cpu: rng.next() < 0.5 ? '1' : '4', memory: '4Gi', pods: '9' } },
  };
}

/** One of a few kinds, as the pods of a few Deployments are. */
function randomPod(index: number, rng: Rng): Pod {
  const kind = Math.floor(rng.next() * 5);
  const port = kind === 1 ? { ports: [{ containerPort: 80, hostPort: 8080 }] } : {};
  const disk = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In', values: ['fast'] }] }] };
  const anti = [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'k4' } } }];
  return {
    metadata: { name: `p${index}`, namespace: 'default', labels: { app: `k${kind}` } },
    spec: {
      containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: `${100 + kind * 150}m`, memory: '64Mi' } }, ...port }],
      ...(kind === 2 ? { tolerations: [{ key: 'slow', operator: 'Exists' }] } : {}),
      ...(kind === 3 ? { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: disk } } } : {}),
      ...(kind === 4 ? { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: anti } } } : {}),
    },
  };
}

const outcome = (result: CycleResult): unknown =>
  'node' in result
    ? [result.node.name, result.feasible, result.examined]
    : [[...result.failure.rejections], [...result.failure.rejectedBy]];

describe('what plugins said of nodes', () => {
  it('leads to the same nodes and the same refusals as asking anew, whatever comes, goes and changes (seeded)', () => {
    const seed = Number(process.env['ROCKPOOL_TEST_SEED'] ?? 20_26);
    const rng = seededRng(seed);
    const state = new ClusterState();
    for (let i = 0; i < NODES; i++) state.setNode(randomNode(i, rng));
    const memory = new NodeAnswers();
    const alive: string[] = [];
    const met = { chosen: 0, refused: 0 };
    for (let step = 0; step < 1_500; step++) {
      const chance = rng.next();
      if (chance < 0.05) state.setNode(randomNode(Math.floor(rng.next() * NODES), rng));
      else if (chance < 0.06) state.removeNode(`n${Math.floor(rng.next() * NODES)}`);
      else if (chance < 0.2 && alive.length > 0) state.remove(alive.splice(Math.floor(rng.next() * alive.length), 1)[0]!);
      if (state.nodes.length === 0) continue;
      const info = podInfo(randomPod(step, rng));
      const result = schedule(info, state, { plugins, rng: seededRng(step), startAt: step, memory });
      assert.deepEqual(
        outcome(result),
        outcome(schedule(info, state, { plugins, rng: seededRng(step), startAt: step })),
        `seed ${seed} step ${step}`,
      );
      if ('node' in result) {
        state.place(info, result.node.name);
        alive.push(info.key);
      }
      met['node' in result ? 'chosen' : 'refused']++;
    }
    assert.ok(met.chosen > 100 && met.refused > 10, JSON.stringify(met));
  });

  it('asks only of what changed', () => {
    const state = new ClusterState();
    for (let i = 0; i < NODES; i++)
      state.setNode({ metadata: { name: `n${i}` }, status: { allocatable: { cpu: '4', memory: '4Gi', pods: '9' } } });
    let asked = 0;
    const counting: WeightedPlugin = {
      plugin: { name: 'Counting', sign: () => 0, begin: () => ({ filter: () => void asked++ }), wakesOn: () => false },
      weight: 0,
    };
    const memory = new NodeAnswers();
    const run = (): void => {
      const info = podInfo(randomPod(asked, seededRng(1)));
      const result = schedule(info, state, { plugins: [counting], rng: seededRng(1), memory });
      assert.ok('node' in result);
      state.place(info, result.node.name);
    };
    run();
    assert.equal(asked, NODES);
    run();
    assert.equal(asked, NODES + 1);
  });
});
