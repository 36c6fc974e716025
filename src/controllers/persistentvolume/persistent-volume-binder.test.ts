import assert from 'node:assert/strict';
import { access, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, StorageClass } from '../../api/types.gen.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES } from '../../client/resources.ts';
import { createHostPathProvisioner } from '../hostpathprovisioner/host-path-provisioner.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function volume(name: string, size: string, spec: PersistentVolume['spec'] = {}): PersistentVolume {
  return {
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: size },
      hostPath: { path: '/data' },
      persistentVolumeReclaimPolicy: 'Retain',
      ...spec,
    },
  };
}

function claim(name: string, spec: PersistentVolumeClaimSpec = {}): PersistentVolumeClaim {
  return {
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: '', ...spec },
  };
}

const HOST_PATH: StorageClass = {
  metadata: { name: 'standard' },
  provisioner: 'rockpool.dev/hostpath',
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'Immediate',
};

async function phases({ admin }: WorkloadWorld): Promise<Record<string, string>> {
  const { items: claims } = await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).list();
  const { items: volumes } = await admin.resource(PERSISTENT_VOLUMES).list();
  return Object.fromEntries(
    [...claims, ...volumes].map(({ metadata, spec, status }) => [
      metadata.name!,
      [status?.phase, spec && 'volumeName' in spec ? spec.volumeName : ''].join(' ').trim(),
    ]),
  );
}

test('a claim gets the smallest volume that fits; the volume is released, and free again when its claim is struck out', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const volumes = admin.resource(PERSISTENT_VOLUMES);
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    for (const each of [
      volume('big', '5Gi'),
      volume('small', '500Mi'),
      volume('right', '2Gi'),
      volume('classy', '1Gi', { storageClassName: 'other' }),
    ])
      await volumes.create(each);
    await claims.create(claim('a'));
    await eventually(
      async () =>
        assert.deepEqual(await phases(world), {
          a: 'Bound right',
          big: 'Available',
          small: 'Available',
          right: 'Bound',
          classy: 'Available',
        }),
      soon,
    );
    const bound = await claims.get('a');
    assert.deepEqual(bound.status, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '2Gi' } });
    assert.deepEqual(bound.metadata.annotations, {
      'pv.kubernetes.io/bind-completed': 'yes',
      'pv.kubernetes.io/bound-by-controller': 'yes',
    });
    assert.equal((await volumes.get('right')).spec!.claimRef!.uid, bound.metadata.uid);
    await claims.create(claim('b', { volumeName: 'big' }));
    await claims.create(claim('c', { resources: { requests: { storage: '9Gi' } } }));
    await eventually(
      async () =>
        assert.deepEqual(await phases(world), {
          a: 'Bound right',
          b: 'Bound big',
          c: 'Pending',
          big: 'Bound',
          small: 'Available',
          right: 'Bound',
          classy: 'Available',
        }),
      soon,
    );
    await eventually(
      async () =>
        assert.ok(
          (await world.events(NS, 'c')).includes(
            'Normal FailedBinding: no persistent volumes available for this claim and no storage class is set',
          ),
        ),
      soon,
    );
    await volumes.create(volume('huge', '10Gi'));
    await eventually(async () => assert.equal((await phases(world))['c'], 'Bound huge'), soon);

    await claims.delete('a');
    await eventually(async () => assert.equal((await phases(world))['right'], 'Released'), soon);
    await volumes.patch('right', 'merge', { spec: { claimRef: null } });
    await eventually(async () => assert.equal((await phases(world))['right'], 'Available'), soon);
    await volumes.delete('huge');
    assert.ok((await volumes.get('huge')).metadata.deletionTimestamp, 'a bound volume stays');
    await claims.delete('c');
    await eventually(async () => assert.equal((await phases(world))['huge'], undefined), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a claim in use stays until its pod is gone', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('data'));
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
    await admin
      .resource(PODS, NS)
      .create({ metadata: { name: 'user' }, spec: { containers: [{ name: 'main', image: 'busybox' }], volumes } });
    await eventually(async () => assert.equal((await admin.resource(PODS, NS).get('user')).status?.phase, 'Running'), soon);
    await claims.delete('data');
    assert.ok((await claims.get('data')).metadata.deletionTimestamp);
    await admin.resource(PODS, NS).delete('user');
    await eventually(async () => assert.deepEqual(await phases(world), {}), soon);
    assert.deepEqual(world.logged, []);
  }));

test('the host path provisioner makes a folder for a claim and deletes it with the claim', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-volumes-'));
  try {
    await withWorkloads(
      async (world) => {
        const { admin } = world;
        const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
        const { storageClassName: _none, ...open } = claim('data').spec!;
        await claims.create({ metadata: { name: 'data' }, spec: open });
        await eventually(async () => assert.equal((await phases(world))['data'], 'Pending'), soon);
        // It was made before there was a class: the default class is filled in when it comes.
        const isDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
        await admin.resource(STORAGE_CLASSES).create({ ...HOST_PATH, metadata: { name: 'standard', annotations: isDefault } });
        const name = await eventually(async () => {
          const { status, spec } = await claims.get('data');
          assert.equal(status?.phase, 'Bound');
          return spec!.volumeName!;
        }, soon);
        const { uid } = (await claims.get('data')).metadata;
        assert.equal(name, `pvc-${uid}`);
        const { spec } = await admin.resource(PERSISTENT_VOLUMES).get(name);
        assert.deepEqual(
          [spec!.hostPath, spec!.persistentVolumeReclaimPolicy],
          [{ path: path.join(folder, `${name}_default_data`), type: 'DirectoryOrCreate' }, 'Delete'],
        );
        assert.equal((await stat(spec!.hostPath!.path)).mode & 0o777, 0o777);
        await writeFile(path.join(spec!.hostPath!.path, 'kept'), 'x');
        const events = await eventually(async () => {
          const all = await world.events(NS, 'data');
          assert.ok(all.includes(`Normal ProvisioningSucceeded: Successfully provisioned volume ${name}`), all.join());
          return all;
        }, soon);
        assert.ok(
          events.some((text) =>
            text.startsWith(
              "Normal ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'rockpool.dev/hostpath'",
            ),
          ),
        );
        await claims.delete('data');
        await eventually(async () => assert.deepEqual(await phases(world), {}), soon);
        await assert.rejects(access(spec!.hostPath!.path));
        assert.deepEqual(world.logged, []);
      },
      (context) => createHostPathProvisioner(context, { baseFolder: folder }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a class that waits for the first consumer waits for the scheduler', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await admin
      .resource(STORAGE_CLASSES)
      .create({ ...HOST_PATH, metadata: { name: 'late' }, volumeBindingMode: 'WaitForFirstConsumer', provisioner: 'example.com/disk' });
    await claims.create(claim('data', { storageClassName: 'late' }));
    await eventually(
      async () =>
        assert.ok(
          (await world.events(NS, 'data')).includes('Normal WaitForFirstConsumer: waiting for first consumer to be created before binding'),
        ),
      soon,
    );
    assert.equal((await claims.get('data')).metadata.annotations?.['volume.kubernetes.io/storage-provisioner'], undefined);
    await claims.patch('data', 'merge', { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } } });
    await eventually(
      async () =>
        assert.equal((await claims.get('data')).metadata.annotations?.['volume.kubernetes.io/storage-provisioner'], 'example.com/disk'),
      soon,
    );
    assert.deepEqual(world.logged, []);
  }));
