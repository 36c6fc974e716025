import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { ended, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { Pod, PodTemplateSpec, ReplicaSet, ReplicaSetSpec } from '../../api/types.gen.ts';
import { PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, RESOURCE_QUOTAS } from '../../client/resources.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };
const labels = { app: 'web' };
const template = {
  metadata: { labels: { ...labels, extra: 'yes' } },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
} as PodTemplateSpec;

function replicaSet(spec: Partial<ReplicaSetSpec> = {}): ReplicaSet {
  return { metadata: { name: 'web' }, spec: { replicas: 3, selector: { matchLabels: labels }, template, ...spec } };
}

async function pods({ admin }: WorkloadWorld): Promise<Pod[]> {
  return (await admin.resource(PODS, NS).list()).items.filter(({ metadata }) => !metadata.deletionTimestamp);
}

test('a ReplicaSet has its number of pods, replaces what ends or goes, and tells its counts', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(REPLICA_SETS, NS);
    await sets.create(replicaSet());
    const counts = {
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      terminatingReplicas: 0,
      observedGeneration: 1,
    };
    await eventually(async () => assert.deepEqual((await sets.get('web')).status, counts), soon);
    const [one, two] = await pods(world);
    assert.match(one!.metadata.name!, /^web-[a-z0-9]{5}$/);
    await admin.resource(PODS, NS).delete(one!.metadata.name!);
    world.behave = (pod) => (pod.metadata.uid === two!.metadata.uid ? ended(1) : running(pod));
    world.nudge();
    await eventually(async () => {
      const alive = (await pods(world)).filter(({ status }) => status?.phase === 'Running');
      assert.equal(alive.length, 3);
      assert.deepEqual((await sets.get('web')).status, counts);
    }, soon);
    await eventually(
      async () =>
        assert.equal(
          (await world.events(NS, 'web')).filter((text) => text.startsWith('Normal SuccessfulCreate: Created pod: web-')).length,
          5,
        ),
      soon,
    );
    await sets.patch('web', 'merge', { spec: { replicas: 0 } });
    await eventually(
      async () => assert.deepEqual((await sets.get('web')).status, { replicas: 0, terminatingReplicas: 0, observedGeneration: 2 }),
      soon,
    );
    await eventually(
      async () =>
        assert.equal(
          (await world.events(NS, 'web')).filter((text) => text.startsWith('Normal SuccessfulDelete: Deleted pod: web-')).length,
          3,
        ),
      soon,
    );
    assert.deepEqual(world.logged, []);
  }));

test('pods that match are adopted, pods that do not are let go and replaced', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const orphan = { metadata: { name: 'stray', labels } as Pod['metadata'], spec: template.spec! };
    await admin.resource(PODS, NS).create(orphan);
    const { metadata } = await admin.resource(REPLICA_SETS, NS).create(replicaSet({ replicas: 2 }));
    const owners = async (): Promise<Record<string, string | undefined>> =>
      Object.fromEntries(
        (await pods(world)).map((pod) => [pod.metadata.name === 'stray' ? 'stray' : 'made', pod.metadata.ownerReferences?.[0]?.uid]),
      );
    await eventually(async () => assert.deepEqual(await owners(), { stray: metadata.uid, made: metadata.uid }), soon);
    assert.equal((await pods(world)).length, 2);
    await admin.resource(PODS, NS).patch('stray', 'merge', { metadata: { labels: { app: 'other' } } });
    await eventually(async () => {
      assert.deepEqual(await owners(), { stray: undefined, made: metadata.uid });
      assert.equal((await pods(world)).length, 3);
      const { status } = await admin.resource(REPLICA_SETS, NS).get('web');
      assert.deepEqual([status!.replicas, status!.fullyLabeledReplicas], [2, 2]);
    }, soon);
    assert.deepEqual(world.logged, []);
  }));

test('a ready pod becomes available after minReadySeconds', () =>
  withWorkloads(async (world) => {
    const sets = world.admin.resource(REPLICA_SETS, NS);
    await sets.create(replicaSet({ replicas: 1, minReadySeconds: 2 }));
    await eventually(async () => assert.equal((await sets.get('web')).status?.readyReplicas, 1), soon);
    assert.equal((await sets.get('web')).status!.availableReplicas, undefined);
    await eventually(async () => assert.equal((await sets.get('web')).status!.availableReplicas, 1), soon);
  }));

test('pods that are refused show as ReplicaFailure, and come when they may', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(REPLICA_SETS, NS);
    await admin.resource(RESOURCE_QUOTAS, NS).create({ metadata: { name: 'few' }, spec: { hard: { pods: '2' } } });
    await sets.create(replicaSet());
    await eventually(async () => {
      const { status } = await sets.get('web');
      assert.equal(status?.replicas, 2);
      const { type, status: is, reason, message } = status.conditions![0]!;
      assert.deepEqual([type, is, reason], ['ReplicaFailure', 'True', 'FailedCreate']);
      assert.match(message!, /exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2/);
    }, soon);
    await eventually(
      async () =>
        assert.ok((await world.events(NS, 'web')).some((text) => text.startsWith('Warning FailedCreate: Error creating: pods "web-'))),
      soon,
    );
    await admin.resource(RESOURCE_QUOTAS, NS).delete('few');
    await eventually(async () => {
      const { status } = await sets.get('web');
      assert.deepEqual([status!.readyReplicas, status!.conditions], [3, undefined]);
    }, soon);
  }));

test('scaling down takes the pods that serve least', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(REPLICA_SETS, NS);
    await sets.create(replicaSet());
    await eventually(async () => assert.equal((await sets.get('web')).status?.readyReplicas, 3), soon);
    const [cheap] = await pods(world);
    await admin
      .resource(PODS, NS)
      .patch(cheap!.metadata.name!, 'merge', { metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-10' } } });
    world.behave = (pod) => (pod.metadata.uid === cheap!.metadata.uid ? 'wait' : running(pod));
    await sets.patch('web', 'merge', { spec: { replicas: 2 } });
    await eventually(async () => {
      const left = await pods(world);
      assert.equal(left.length, 2);
      assert.ok(left.every(({ metadata }) => metadata.uid !== cheap!.metadata.uid));
    }, soon);
  }));

test('a ReplicationController does the same under its older name', () =>
  withWorkloads(async (world) => {
    const controllers = world.admin.resource(REPLICATION_CONTROLLERS, NS);
    await controllers.create({ metadata: { name: 'web' }, spec: { replicas: 2, selector: labels, template } });
    const counts = { replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2, availableReplicas: 2, observedGeneration: 1 };
    await eventually(async () => assert.deepEqual((await controllers.get('web')).status, counts), soon);
    assert.equal((await pods(world))[0]!.metadata.ownerReferences![0]!.kind, 'ReplicationController');
    assert.deepEqual(world.logged, []);
  }));
