import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { DaemonSet, Node, Pod, PodTemplateSpec } from '../../api/types.gen.ts';
import { CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS } from '../../client/resources.ts';
import { nodeOf } from './node-fit.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };
const labels = { app: 'agent' };

function daemonSet(image = 'agent:1'): DaemonSet {
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: 'agent', image }], nodeSelector: { os: 'linux' } },
  } as PodTemplateSpec;
  return { metadata: { name: 'agent' }, spec: { selector: { matchLabels: labels }, template } };
}

function node(name: string, spec: Node['spec'] = {}, os = 'linux'): Node {
  return { metadata: { name, labels: { os } }, spec, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
}

async function pods({ admin }: WorkloadWorld): Promise<Pod[]> {
  return (await admin.resource(PODS, NS).list()).items;
}

/** Unlike other pods' these name the node that they are for. */
function ready({ admin }: WorkloadWorld, count: number): Promise<DaemonSet> {
  return eventually(async () => {
    const found = await admin.resource(DAEMON_SETS, NS).get('agent');
    const { observedGeneration, desiredNumberScheduled, numberAvailable = 0, updatedNumberScheduled = 0 } = found.status!;
    assert.deepEqual(
      [observedGeneration, desiredNumberScheduled, numberAvailable, updatedNumberScheduled],
      [found.metadata.generation, count, count, count],
    );
    return found;
  }, soon);
}

test('a DaemonSet has one pod on every node that it fits, follows nodes and rolls out a new template', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const nodes = admin.resource(NODES);
    const taints = [{ key: 'mine', effect: 'NoSchedule' }];
    for (const each of [node('n1'), node('n2'), node('w1', {}, 'windows'), node('t1', { taints }), node('c1', { unschedulable: true })])
      await nodes.create(each);
    await admin.resource(DAEMON_SETS, NS).create(daemonSet());
    const { status } = await ready(world, 3);
    assert.deepEqual([status!.currentNumberScheduled, status!.numberMisscheduled, status!.numberReady], [3, 0, 3]);
    const made = await pods(world);
    assert.deepEqual(made.map(nodeOf).toSorted(), ['c1', 'n1', 'n2']);
    const [revision] = (await admin.resource(CONTROLLER_REVISIONS, NS).list()).items;
    assert.equal(made[0]!.metadata.labels!['controller-revision-hash'], revision!.metadata.labels!['controller-revision-hash']);
    assert.equal(made[0]!.metadata.labels!['pod-template-generation'], '1');

    await nodes.patch('t1', 'merge', { spec: { taints: null } });
    await ready(world, 4);
    await admin
      .resource(DAEMON_SETS, NS)
      .patch('agent', 'strategic', { spec: { template: { spec: { containers: [{ name: 'agent', image: 'agent:2' }] } } } });
    await ready(world, 4);
    assert.deepEqual(new Set((await pods(world)).map(({ spec }) => spec!.containers[0]!.image)), new Set(['agent:2']));
    const { items } = await admin.resource(CONTROLLER_REVISIONS, NS).list();
    assert.deepEqual(items.map((each) => each.revision).toSorted(), [1, 2]);

    // kubectl rollout undo applies the data of the earlier revision.
    const first = items.find((each) => each.revision === 1)!;
    await admin.resource(DAEMON_SETS, NS).patch('agent', 'strategic', first.data);
    await ready(world, 4);
    assert.deepEqual(new Set((await pods(world)).map(({ spec }) => spec!.containers[0]!.image)), new Set(['agent:1']));
    assert.deepEqual((await admin.resource(CONTROLLER_REVISIONS, NS).list()).items.map((each) => each.revision).toSorted(), [2, 3]);

    await nodes.patch('n1', 'merge', { metadata: { labels: { os: 'bsd' } } });
    await ready(world, 3);
    await eventually(async () => assert.equal((await pods(world)).length, 3), soon);
    assert.deepEqual(world.logged, []);
  }));
