import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { notReady, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { Pod, PodTemplateSpec, StatefulSet, StatefulSetSpec } from '../../api/types.gen.ts';
import { CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS } from '../../client/resources.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };
const labels = { app: 'db' };

function statefulSet(spec: Partial<StatefulSetSpec> = {}): StatefulSet {
  const template = { metadata: { labels }, spec: { containers: [{ name: 'db', image: 'db:1' }] } } as PodTemplateSpec;
  const data = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '1Gi' } } },
  };
  return {
    metadata: { name: 'db' },
    spec: { replicas: 3, serviceName: 'db', selector: { matchLabels: labels }, template, volumeClaimTemplates: [data], ...spec },
  };
}

const image = (name: string) => ({ spec: { template: { spec: { containers: [{ name: 'db', image: name }] } } } });

async function pods({ admin }: WorkloadWorld): Promise<Pod[]> {
  const { items } = await admin.resource(PODS, NS).list();
  return items.filter(({ metadata }) => !metadata.deletionTimestamp).toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
}

async function images(world: WorkloadWorld): Promise<string[]> {
  return (await pods(world)).map(({ metadata, spec }) => `${metadata.name} ${spec!.containers[0]!.image}`);
}

function settled({ admin }: WorkloadWorld, count: number): Promise<StatefulSet> {
  return eventually(async () => {
    const found = await admin.resource(STATEFUL_SETS, NS).get('db');
    const { observedGeneration, replicas, availableReplicas, updatedReplicas = 0, currentRevision, updateRevision } = found.status!;
    assert.deepEqual(
      [observedGeneration, replicas, availableReplicas, updatedReplicas, currentRevision],
      [found.metadata.generation, count, count, count, updateRevision],
    );
    return found;
  }, soon);
}

test('a StatefulSet makes its pods in order, updates them from the top and keeps their claims', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(STATEFUL_SETS, NS);
    const created: string[] = [];
    const informer = admin.informer(PODS);
    informer.subscribe({ added: ({ metadata }) => created.push(metadata.name!) });
    await sets.create(statefulSet());
    await settled(world, 3);
    assert.deepEqual(created, ['db-0', 'db-1', 'db-2']);
    const [first] = await pods(world);
    assert.deepEqual(
      [first!.spec!.hostname, first!.spec!.subdomain, first!.metadata.labels!['apps.kubernetes.io/pod-index']],
      ['db-0', 'db', '0'],
    );
    assert.deepEqual(first!.spec!.volumes!.find(({ name }) => name === 'data')!.persistentVolumeClaim, { claimName: 'data-db-0' });
    await eventually(
      async () =>
        assert.ok((await world.events(NS, 'db')).includes('Normal SuccessfulCreate: create Pod db-0 in StatefulSet db successful')),
      soon,
    );

    created.length = 0;
    await sets.patch('db', 'strategic', image('db:2'));
    await settled(world, 3);
    assert.deepEqual(created, ['db-2', 'db-1', 'db-0']);
    assert.deepEqual(await images(world), ['db-0 db:2', 'db-1 db:2', 'db-2 db:2']);
    assert.deepEqual((await admin.resource(CONTROLLER_REVISIONS, NS).list()).items.map(({ revision }) => revision).toSorted(), [1, 2]);

    await sets.patch('db', 'merge', { spec: { updateStrategy: { rollingUpdate: { partition: 2 } } } });
    await sets.patch('db', 'strategic', image('db:3'));
    await eventually(async () => assert.deepEqual(await images(world), ['db-0 db:2', 'db-1 db:2', 'db-2 db:3']), soon);
    await admin.resource(PODS, NS).delete('db-0');
    await eventually(async () => assert.deepEqual(await images(world), ['db-0 db:2', 'db-1 db:2', 'db-2 db:3']), soon);

    await sets.patch('db', 'merge', { spec: { replicas: 1 } });
    await eventually(
      async () =>
        assert.deepEqual(
          (await pods(world)).map(({ metadata }) => metadata.name),
          ['db-0'],
        ),
      soon,
    );
    const claims = (await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).list()).items;
    assert.deepEqual(claims.map(({ metadata }) => metadata.name).toSorted(), ['data-db-0', 'data-db-1', 'data-db-2']);
    assert.deepEqual(world.logged, []);
  }));

test('an update stops at a pod that does not become ready, and a mended template gets past it', () =>
  withWorkloads(async (world) => {
    const sets = world.admin.resource(STATEFUL_SETS, NS);
    await sets.create(
      statefulSet({
        podManagementPolicy: 'Parallel',
        persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Retain' },
      }),
    );
    await settled(world, 3);
    world.behave = (pod) => (pod.spec!.containers[0]!.image === 'broken' ? notReady(pod) : running(pod));
    await sets.patch('db', 'strategic', image('broken'));
    await eventually(async () => {
      const { status } = await sets.get('db');
      assert.deepEqual([status!.updatedReplicas, status!.currentReplicas, status!.readyReplicas], [1, 2, 2]);
      assert.deepEqual(await images(world), ['db-0 db:1', 'db-1 db:1', 'db-2 broken']);
    }, soon);
    await sets.patch('db', 'strategic', image('db:2'));
    await settled(world, 3);
    await sets.patch('db', 'merge', { spec: { replicas: 1 } });
    await settled(world, 1);
    await eventually(async () => {
      const { items } = await world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).list();
      assert.deepEqual(
        items.map(({ metadata }) => metadata.name),
        ['data-db-0'],
      );
    }, soon);
    assert.deepEqual(world.logged, []);
  }));

const DELETE_WHEN_SCALED = { whenScaled: 'Delete', whenDeleted: 'Delete' };

async function claims({ admin }: WorkloadWorld): Promise<string[]> {
  const { items } = await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).list();
  return items
    .map(({ metadata }) => `${metadata.name} of ${metadata.ownerReferences?.map(({ kind, name }) => `${kind} ${name}`).join()}`)
    .toSorted();
}

test('a claim that goes by the policy belongs to its pod for as long as that takes to end, and is not given to the next', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(STATEFUL_SETS, NS);
    const template = { metadata: { labels, finalizers: ['example.com/hold'] }, spec: { containers: [{ name: 'db', image: 'db:1' }] } };
    await sets.create(
      statefulSet({ replicas: 2, podManagementPolicy: 'Parallel', persistentVolumeClaimRetentionPolicy: DELETE_WHEN_SCALED, template }),
    );
    await settled(world, 2);
    const ofSet = ['data-db-0 of StatefulSet db', 'data-db-1 of StatefulSet db'];
    await eventually(async () => assert.deepEqual(await claims(world), ofSet), soon);
    const held = await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).get('data-db-1');
    assert.deepEqual([held.metadata.ownerReferences![0]!.controller, held.metadata.ownerReferences![0]!.blockOwnerDeletion], [true, true]);

    await sets.patch('db', 'merge', { spec: { replicas: 1 } });
    const ofPod = ['data-db-0 of StatefulSet db', 'data-db-1 of Pod db-1'];
    await eventually(async () => assert.deepEqual(await claims(world), ofPod), soon);
    // Wanted again before it went: the pod keeps its claim, and while it is unwanted the claim stays the pod's, however often one looks.
    await sets.patch('db', 'merge', { spec: { replicas: 2 } });
    await eventually(async () => assert.deepEqual(await claims(world), ofSet), soon);
    await sets.patch('db', 'merge', { spec: { replicas: 1 } });
    await eventually(async () => assert.deepEqual(await claims(world), ofPod), soon);
    const poked = await sets.patch('db', 'merge', { spec: { minReadySeconds: 1 } });
    await eventually(async () => assert.equal((await sets.get('db')).status!.observedGeneration, poked.metadata.generation), soon);
    assert.deepEqual(await claims(world), ofPod);

    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).patch('data-db-1', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await admin.resource(PODS, NS).patch('db-1', 'merge', { metadata: { finalizers: null } });
    await eventually(async () => {
      assert.equal((await pods(world)).length, 1);
      assert.ok((await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).get('data-db-1')).metadata.deletionTimestamp);
    }, soon);
    const grown = await sets.patch('db', 'merge', { spec: { replicas: 2 } });
    await eventually(async () => assert.equal((await sets.get('db')).status!.observedGeneration, grown.metadata.generation), soon);
    assert.equal((await pods(world)).length, 1);
    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).patch('data-db-1', 'merge', { metadata: { finalizers: null } });
    await settled(world, 2);
    assert.notEqual((await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).get('data-db-1')).metadata.uid, held.metadata.uid);
    assert.deepEqual(world.logged, []);
  }));

test('a pod that is adopted gets the labels of its place, and one that waits gets back the claim that somebody deleted', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const volumeClaims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    world.behave = () => 'wait';
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } }];
    await admin
      .resource(PODS, NS)
      .create({ metadata: { name: 'db-0', labels }, spec: { containers: [{ name: 'db', image: 'db:1' }], volumes } });
    await admin.resource(STATEFUL_SETS, NS).create(statefulSet({ replicas: 1 }));
    const adopted = await eventually(async () => {
      const pod = await admin.resource(PODS, NS).get('db-0');
      assert.equal(pod.metadata.ownerReferences?.[0]?.name, 'db');
      assert.equal(pod.metadata.labels!['statefulset.kubernetes.io/pod-name'], 'db-0');
      return pod;
    }, soon);
    assert.equal(adopted.metadata.labels!['apps.kubernetes.io/pod-index'], '0');
    await eventually(
      async () =>
        assert.ok((await world.events(NS, 'db')).includes('Normal SuccessfulUpdate: update Pod db-0 in StatefulSet db successful')),
      soon,
    );
    const claim = await eventually(() => volumeClaims.get('data-db-0'), soon);
    await volumeClaims.delete('data-db-0');
    await volumeClaims.patch('data-db-0', 'merge', { metadata: { finalizers: null } });
    await eventually(async () => assert.notEqual((await volumeClaims.get('data-db-0')).metadata.uid, claim.metadata.uid), soon);
    assert.deepEqual(world.logged, []);
  }));

test('as many revisions are kept as the limit says, besides the one in use', () =>
  withWorkloads(async (world) => {
    const sets = world.admin.resource(STATEFUL_SETS, NS);
    await sets.create(statefulSet({ replicas: 0, revisionHistoryLimit: 1 }));
    await settled(world, 0);
    for (const name of ['db:2', 'db:3', 'db:4']) {
      await sets.patch('db', 'strategic', image(name));
      await settled(world, 0);
    }
    await eventually(async () => {
      const { items } = await world.admin.resource(CONTROLLER_REVISIONS, NS).list();
      assert.deepEqual(items.map(({ revision }) => revision).toSorted(), [3, 4]);
    }, soon);
    assert.deepEqual(world.logged, []);
  }));
