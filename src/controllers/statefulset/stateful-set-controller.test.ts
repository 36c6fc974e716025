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
