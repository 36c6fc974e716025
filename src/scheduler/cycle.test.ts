import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../api/types.gen.ts';
import { seededRng } from '../lib/random.ts';
import { createClient } from '../client/new-client.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { enoughNodes, schedule } from './cycle.ts';
import { failureMessage } from './failure.ts';
import { deviceObjects } from './plugins/dynamic-resources/device-objects.ts';
import { volumeObjects } from './plugins/volume-objects.ts';
import { planPreemption } from './preemption.ts';
import { createProfile } from './profile.ts';
import { ClusterState } from './cluster-state.ts';
import { podInfo } from './snapshot.ts';

const client = createClient({ transport: new MemoryApi().transport, clock: systemClock(), log: silentLogger });
const { plugins } = createProfile({ schedulerName: 'default-scheduler' }, 0, {
  namespaceLabels: () => ({}),
  workloadSelector: () => undefined,
  volumes: volumeObjects(client),
  devices: deviceObjects(client),
  uuid: () => 'share',
});

function addNodes(state: ClusterState, count: number, cpu = '8'): void {
  for (let i = 0; i < count; i++) {
    const labels = { 'kubernetes.io/hostname': `n${i}`, 'topology.kubernetes.io/zone': `z${i % 3}` };
    state.setNode({ metadata: { name: `n${i}`, labels }, status: { allocatable: { cpu, memory: '32Gi', pods: '110' } } });
  }
}

const makePod = (name: string, cpu: string, more: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name, namespace: 'default', labels: { app: 'a' } },
  spec: { containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu, memory: '64Mi' } } }], ...more },
});

describe('scheduling cycle', () => {
  it('words a failure as kube-scheduler does', () => {
    const state = new ClusterState();
    addNodes(state, 2, '1');
    state.setNode({
      metadata: { name: 'cordoned' },
      spec: { unschedulable: true },
      status: { allocatable: { cpu: '8', memory: '8Gi', pods: '9' } },
    });
    const result = schedule(podInfo(makePod('p', '2')), state, { plugins, rng: seededRng(1) });
    assert.ok('failure' in result);
    const preemption = planPreemption(podInfo(makePod('p', '2')), result.failure, state, { plugins, budgets: [] });
    assert.ok('message' in preemption);
    assert.equal(
      failureMessage(result.failure, [`preemption: ${preemption.message}`]),
      '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.',
    );
  });

  it('looks at enough nodes, not at all of them', () => {
    assert.deepEqual(
      [1, 99, 100, 1000, 5000, 20_000].map((total) => enoughNodes(total)),
      [1, 99, 100, 420, 500, 1000],
    );
  });

  it('spares what a disruption budget protects, and takes the less important pods', () => {
    const state = new ClusterState();
    addNodes(state, 2, '1');
    const place = (pod: Pod, node: string, priority: number): unknown =>
      state.place(podInfo({ ...pod, spec: { ...pod.spec!, priority, nodeName: node } }), node);
    place({ ...makePod('guarded', '1'), metadata: { name: 'guarded', namespace: 'default', labels: { guarded: 'yes' } } }, 'n0', 0);
    place(makePod('plain', '1'), 'n1', 5);
    const newcomer = podInfo(makePod('urgent', '1', { priority: 100 }));
    const result = schedule(newcomer, state, { plugins, rng: seededRng(1) });
    assert.ok('failure' in result);
    const budget = {
      metadata: { name: 'b', namespace: 'default' },
      spec: { selector: { matchLabels: { guarded: 'yes' } } },
      status: { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
    };
    const preemption = planPreemption(newcomer, result.failure, state, { plugins, budgets: [budget] });
    assert.ok('plan' in preemption);
    assert.deepEqual(
      preemption.plan.victims.map(({ key }) => key),
      ['default/plain'],
    );
  });

  it('never overcommits and never breaks a hard rule, whatever comes and goes (seeded)', () => {
    const seed = Number(process.env['ROCKPOOL_TEST_SEED'] ?? 20_26);
    const rng = seededRng(seed);
    const state = new ClusterState();
    addNodes(state, 12, '2');
    const anti = {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'a' } } },
          ],
        },
      },
    };
    const alive: string[] = [];
    for (let step = 0; step < 2_000; step++) {
      if (alive.length > 0 && rng.next() < 0.45) {
        const [key] = alive.splice(Math.floor(rng.next() * alive.length), 1);
        state.remove(key!);
        continue;
      }
      const alone = rng.next() < 0.1;
      const pod = makePod(`p${step}`, `${100 + Math.floor(rng.next() * 9) * 100}m`, alone ? anti : {});
      if (!alone) pod.metadata.labels = { app: 'b' };
      const info = podInfo(pod);
      const result = schedule(info, state, { plugins, rng });
      if (!('node' in result)) continue;
      state.place(info, result.node.name);
      alive.push(info.key);
      for (const node of state.nodes) {
        const cpu = [...node.pods.values()].reduce((sum, { requests }) => sum + requests.cpu, 0);
        assert.ok(
          cpu <= 2_000 && cpu === node.requested.cpu,
          `seed ${seed} step ${step}: ${node.name} has ${cpu}, counted ${node.requested.cpu}`,
        );
        assert.ok(
          [...node.pods.values()].filter(({ hasAntiAffinity }) => hasAntiAffinity).length <= 1,
          `seed ${seed} step ${step}: two loners on ${node.name}`,
        );
      }
    }
    assert.ok(alive.length > 0);
  });

  it('costs the same per pod with 20,000 pods there as with none', (t) => {
    const state = new ClusterState();
    addNodes(state, 1_000, '64');
    const rng = seededRng(3);
    const run = (from: number, count: number): number => {
      const before = process.cpuUsage();
      for (let i = from; i < from + count; i++) {
        const info = podInfo(makePod(`p${i}`, '10m'));
        const result = schedule(info, state, { plugins, rng, startAt: i });
        assert.ok('node' in result);
        state.place(info, result.node.name);
      }
      // Time of the processor, not of the clock: other work on the machine does not count.
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 / count;
    };
    run(0, 300);
    const first = run(300, 700);
    for (let i = 0; i < 20_000; i++) state.place(podInfo(makePod(`fill${i}`, '1m')), `n${i % 1000}`);
    const last = run(1_000, 700);
    t.diagnostic(`${Math.round(1000 / first)} pods/s with few pods, ${Math.round(1000 / last)} with 21,000 on 1,000 nodes`);
    assert.ok(last < first * 3, `${first} ms per pod became ${last} ms`);
  });
});
