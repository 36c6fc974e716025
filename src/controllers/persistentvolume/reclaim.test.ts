/** What becomes of volumes whose claims are gone, of claims that grow, and of what is in use. */
import assert from 'node:assert/strict';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { ended, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod } from '../../api/types.gen.ts';
import {
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  STORAGE_CLASSES,
  VOLUME_ATTRIBUTES_CLASSES,
} from '../../client/resources.ts';
import { createHostPathProvisioner } from '../hostpathprovisioner/host-path-provisioner.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function volume(name: string, spec: PersistentVolume['spec']): PersistentVolume {
  return { metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, ...spec } };
}

function claim(name: string, spec: PersistentVolumeClaimSpec = {}): PersistentVolumeClaim {
  return {
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: '', ...spec },
  };
}

async function untilPhase({ admin }: WorkloadWorld, name: string, phase: string): Promise<PersistentVolume> {
  return eventually(async () => {
    const one = await admin.resource(PERSISTENT_VOLUMES).get(name);
    assert.equal(one.status?.phase, phase);
    return one;
  }, soon);
}

async function bindAndLetGo(world: WorkloadWorld, name: string): Promise<void> {
  const claims = world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
  await claims.create(claim(name, { volumeName: name }));
  await untilPhase(world, name, 'Bound');
  await claims.delete(name);
}

test('a volume with policy Recycle is emptied by a pod and free again', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    world.behave = () => 'wait';
    await admin
      .resource(PERSISTENT_VOLUMES)
      .create(volume('scrap', { hostPath: { path: '/scrap' }, persistentVolumeReclaimPolicy: 'Recycle' }));
    await bindAndLetGo(world, 'scrap');
    const pod = await eventually(() => admin.resource(PODS, NS).get('recycler-for-scrap'), soon);
    assert.deepEqual(
      pod.spec!.volumes!.find(({ name }) => name === 'vol'),
      { name: 'vol', hostPath: { path: '/scrap', type: '' } },
    );
    assert.deepEqual([pod.spec!.restartPolicy, pod.spec!.activeDeadlineSeconds], ['Never', 60]);
    assert.equal((await admin.resource(PERSISTENT_VOLUMES).get('scrap')).status?.phase, 'Released');
    world.behave = () => ended(0);
    world.nudge();
    const free = await untilPhase(world, 'scrap', 'Available');
    assert.equal(free.spec!.claimRef, undefined);
    await eventually(async () => assert.deepEqual((await admin.resource(PODS, NS).list()).items, []), soon);
    await eventually(async () => assert.ok((await world.events(NS, 'scrap')).includes('Normal VolumeRecycled: Volume recycled')), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a volume that cannot be reclaimed is Failed, and says why', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const cases: [name: string, spec: PersistentVolume['spec'], reason: string, message: string][] = [
      [
        'kept',
        { hostPath: { path: '/data' }, persistentVolumeReclaimPolicy: 'Delete' },
        'VolumeFailedDelete',
        'host_path deleter only supports /tmp/.+ but received provided /data',
      ],
      [
        'nfs',
        { nfs: { server: 's', path: '/' }, persistentVolumeReclaimPolicy: 'Delete' },
        'VolumeFailedDelete',
        'error getting deleter volume plugin for volume "nfs": no deletable volume plugin matched',
      ],
      [
        'odd',
        { csi: { driver: 'd.example.com', volumeHandle: 'h' }, persistentVolumeReclaimPolicy: 'Recycle' },
        'VolumeFailedRecycle',
        'No recycler plugin found for the volume!',
      ],
    ];
    for (const [name, spec, reason, message] of cases) {
      await admin.resource(PERSISTENT_VOLUMES).create(volume(name, spec));
      await bindAndLetGo(world, name);
      assert.equal((await untilPhase(world, name, 'Failed')).status!.message, message);
      await eventually(async () => assert.ok((await world.events(NS, name)).includes(`Warning ${reason}: ${message}`)), soon);
    }
    world.behave = ({ metadata }: Pod) => (metadata.name === 'recycler-for-full' ? ended(1) : 'wait');
    await admin
      .resource(PERSISTENT_VOLUMES)
      .create(volume('full', { hostPath: { path: '/full' }, persistentVolumeReclaimPolicy: 'Recycle' }));
    await bindAndLetGo(world, 'full');
    const failed = await untilPhase(world, 'full', 'Failed');
    assert.equal(failed.status!.message, 'Recycle failed: pod failed, pod.Status.Message unknown');
    await eventually(async () => assert.deepEqual((await admin.resource(PODS, NS).list()).items, []), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a volume is not emptied while pods still use it', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    await admin
      .resource(PERSISTENT_VOLUMES)
      .create(volume('busy', { hostPath: { path: '/busy' }, persistentVolumeReclaimPolicy: 'Recycle' }));
    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).create(claim('busy', { volumeName: 'busy' }));
    await untilPhase(world, 'busy', 'Bound');
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'busy' } }];
    await admin
      .resource(PODS, NS)
      .create({ metadata: { name: 'user' }, spec: { containers: [{ name: 'main', image: 'busybox' }], volumes } });
    await eventually(async () => assert.equal((await admin.resource(PODS, NS).get('user')).status?.phase, 'Running'), soon);
    // by force: without its finalizer the claim goes under its pod
    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).delete('busy');
    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).patch('busy', 'merge', { metadata: { finalizers: null } });
    await eventually(
      async () => assert.ok((await world.events(NS, 'busy')).includes('Normal VolumeFailedRecycle: Volume is used by pods: default/user')),
      soon,
    );
    assert.equal((await admin.resource(PERSISTENT_VOLUMES).get('busy')).status?.phase, 'Released');
    assert.deepEqual(world.logged, []);
  }));

async function withProvisioner(work: (world: WorkloadWorld) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-volumes-'));
  try {
    await withWorkloads(
      async (world) => {
        const provisioner = 'rockpool.dev/hostpath';
        await world.admin.resource(STORAGE_CLASSES).create({ metadata: { name: 'standard' }, provisioner, allowVolumeExpansion: true });
        await work(world);
      },
      (context) => createHostPathProvisioner(context, { baseFolder: folder }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function provisioned(world: WorkloadWorld, name: string): Promise<PersistentVolume> {
  const claims = world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
  await claims.create(claim(name, { storageClassName: 'standard' }));
  const volumeName = await eventually(async () => {
    const { status, spec } = await claims.get(name);
    assert.equal(status?.phase, 'Bound');
    return spec!.volumeName!;
  }, soon);
  return untilPhase(world, volumeName, 'Bound');
}

test('a provisioned volume that is deleted before its claim takes its folder along', () =>
  withProvisioner(async (world) => {
    const volumes = world.admin.resource(PERSISTENT_VOLUMES);
    const { metadata, spec } = await provisioned(world, 'data');
    assert.ok(metadata.finalizers!.includes('external-provisioner.volume.kubernetes.io/finalizer'));
    await volumes.delete(metadata.name!);
    await access(spec!.hostPath!.path);
    await world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).delete('data');
    await eventually(async () => assert.deepEqual((await volumes.list()).items, []), soon);
    await assert.rejects(access(spec!.hostPath!.path));
    assert.deepEqual(world.logged, []);
  }));

test('a volume whose policy becomes Retain loses the finalizer, and keeps its folder', () =>
  withProvisioner(async (world) => {
    const volumes = world.admin.resource(PERSISTENT_VOLUMES);
    const { metadata, spec } = await provisioned(world, 'data');
    await volumes.patch(metadata.name!, 'merge', { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    await eventually(
      async () => assert.deepEqual((await volumes.get(metadata.name!)).metadata.finalizers, ['kubernetes.io/pv-protection']),
      soon,
    );
    await world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).delete('data');
    await untilPhase(world, metadata.name!, 'Released');
    await access(spec!.hostPath!.path);
    assert.deepEqual(world.logged, []);
  }));

test('a claim grows with its volume, and says so', () =>
  withProvisioner(async (world) => {
    const claims = world.admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    const { metadata } = await provisioned(world, 'data');
    await claims.patch('data', 'merge', { spec: { resources: { requests: { storage: '3Gi' } } } });
    await eventually(async () => assert.deepEqual((await claims.get('data')).status!.capacity, { storage: '3Gi' }), soon);
    const { status } = await claims.get('data');
    assert.deepEqual(status, {
      phase: 'Bound',
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '3Gi' },
      allocatedResources: { storage: '3Gi' },
    });
    assert.deepEqual((await world.admin.resource(PERSISTENT_VOLUMES).get(metadata.name!)).spec!.capacity, { storage: '3Gi' });
    await eventually(async () => {
      const said = await world.events(NS, 'data');
      for (const line of [
        "Warning ExternalExpanding: Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to process this PVC.",
        `Normal Resizing: External resizer is resizing volume ${metadata.name}`,
        'Normal VolumeResizeSuccessful: Resize volume succeeded',
      ])
        assert.ok(said.includes(line), said.join('\n'));
    }, soon);
    assert.deepEqual(world.logged, []);
  }));

test('a class of volume attributes stays while a claim has it; a volume of another class is no match', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const classes = admin.resource(VOLUME_ATTRIBUTES_CLASSES);
    await classes.create({ metadata: { name: 'gold' }, driverName: 'd.example.com', parameters: { iops: '9' } });
    const csi = { driver: 'd.example.com', volumeHandle: 'h' };
    await admin.resource(PERSISTENT_VOLUMES).create(volume('plain', { csi }));
    await admin
      .resource(PERSISTENT_VOLUMES)
      .create(volume('golden', { csi, capacity: { storage: '5Gi' }, volumeAttributesClassName: 'gold' }));
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('data', { volumeAttributesClassName: 'gold' }));
    await eventually(async () => assert.equal((await claims.get('data')).spec!.volumeName, 'golden'), soon);
    await eventually(async () => assert.equal((await claims.get('data')).status!.currentVolumeAttributesClassName, 'gold'), soon);
    await classes.delete('gold');
    assert.ok((await classes.get('gold')).metadata.deletionTimestamp);
    await claims.delete('data');
    await admin.resource(PERSISTENT_VOLUMES).delete('golden');
    await eventually(async () => assert.deepEqual((await classes.list()).items, []), soon);
    assert.deepEqual(world.logged, []);
  }));

test('once a node is chosen only a volume that is reachable from there is bound', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    world.behave = running;
    const onHost = (host: string) => ({
      required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [host] }] }] },
    });
    for (const name of ['a', 'b']) await admin.resource(NODES).create({ metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
    await admin
      .resource(STORAGE_CLASSES)
      .create({ metadata: { name: 'local' }, provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' });
    for (const name of ['a', 'b'])
      await admin
        .resource(PERSISTENT_VOLUMES)
        .create(volume(`on-${name}`, { local: { path: '/d' }, storageClassName: 'local', nodeAffinity: onHost(name) }));
    await untilPhase(world, 'on-b', 'Available');
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('data', { storageClassName: 'local' }));
    await claims.patch('data', 'merge', { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'b' } } });
    await eventually(async () => assert.equal((await claims.get('data')).spec!.volumeName, 'on-b'), soon);
  }));
