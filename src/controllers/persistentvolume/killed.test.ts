/** Controllers of volumes that are killed after every write they make. */
import assert from 'node:assert/strict';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { untilDone } from '../../../test/fixtures/mortal-controllers.ts';
import { ended, running, StandInKubelet } from '../../../test/fixtures/workload-world.ts';
import { StatusError } from '../../api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/new-client.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import {
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  SERVICE_ACCOUNTS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from '../../client/resources.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { silentLogger } from '../../lib/log.ts';
import { createAttachDetachController } from '../attachdetach/attach-detach-controller.ts';
import { createHostPathProvisioner } from '../hostpathprovisioner/host-path-provisioner.ts';
import { createPersistentVolumeBinder } from './persistent-volume-binder.ts';
import { createClaimProtection, createVolumeProtection } from './protection.ts';

const NS = 'default';
const clock = systemClock({ unref: true });

interface World {
  server: TestApiServer;
  admin: Client;
  folder: string;
  create(context: ComponentContext): Component[];
}

async function withServer(work: (world: World) => Promise<void>): Promise<void> {
  const server = await startTestApiServer({ advertiseAddress: '192.0.2.10' });
  const admin = createClient({ transport: server.loopback(), clock, log: silentLogger });
  const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-volumes-'));
  const kubelet = new StandInKubelet(admin);
  kubelet.behave = (pod) => (pod.metadata.name!.startsWith('recycler-for-') ? ended(0) : running(pod));
  const create = (context: ComponentContext): Component[] => [
    ...createPersistentVolumeBinder(context),
    ...createHostPathProvisioner(context, { baseFolder: folder }),
    ...createClaimProtection(context),
    ...createVolumeProtection(context),
    ...createAttachDetachController(context),
  ];
  try {
    // No pod is admitted without.
    await admin.resource(SERVICE_ACCOUNTS, NS).create({ metadata: { name: 'default' } });
    await kubelet.start();
    await work({ server, admin, folder, create });
  } finally {
    await kubelet.stop();
    await admin.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function claim(name: string, storageClassName: string): PersistentVolumeClaim {
  return {
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName },
  };
}

async function phaseOf(client: Client, name: string): Promise<string | undefined> {
  try {
    return (await client.resource(PERSISTENT_VOLUMES).get(name)).status?.phase;
  } catch (error) {
    if (StatusError.is(error, 'NotFound')) return undefined;
    throw error;
  }
}

for (const writes of [1, 2, 3]) {
  test(`a volume is made, grows and goes with its claim, killed after each ${writes} writes`, () =>
    withServer(async ({ server, admin, create }) => {
      const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
      await admin
        .resource(STORAGE_CLASSES)
        .create({ metadata: { name: 'std' }, provisioner: 'rockpool.dev/hostpath', allowVolumeExpansion: true });
      await claims.create(claim('data', 'std'));
      const name = `pvc-${(await claims.get('data')).metadata.uid}`;
      const isBound = async (): Promise<boolean> =>
        (await claims.get('data')).status?.phase === 'Bound' && (await phaseOf(admin, name)) === 'Bound';
      const generations = await untilDone(server, { writes, create, isDone: isBound });
      assert.ok(writes > 1 || generations > 1);
      assert.equal((await admin.resource(PERSISTENT_VOLUMES).list()).items.length, 1);

      await claims.patch('data', 'merge', { spec: { resources: { requests: { storage: '2Gi' } } } });
      const isGrown = async (): Promise<boolean> => (await claims.get('data')).status?.capacity?.['storage'] === '2Gi';
      await untilDone(server, { writes, create, isDone: isGrown });
      const { spec } = await admin.resource(PERSISTENT_VOLUMES).get(name);
      assert.equal(spec!.capacity!['storage'], '2Gi');
      assert.equal((await claims.get('data')).status!.conditions, undefined);

      await claims.delete('data');
      await untilDone(server, { writes, create, isDone: async () => (await phaseOf(admin, name)) === undefined });
      await assert.rejects(access(spec!.hostPath!.path));
    }));
}

test('a volume is bound, released, scrubbed and bound again, killed after each write', () =>
  withServer(async ({ server, admin, create }) => {
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    const scrap: PersistentVolume = {
      metadata: { name: 'scrap' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        hostPath: { path: '/scrap' },
        persistentVolumeReclaimPolicy: 'Recycle',
      },
    };
    await admin.resource(PERSISTENT_VOLUMES).create(scrap);
    await claims.create(claim('first', ''));
    const isBound = (name: string) => async (): Promise<boolean> =>
      (await claims.get(name)).status?.phase === 'Bound' && (await phaseOf(admin, 'scrap')) === 'Bound';
    await untilDone(server, { writes: 1, create, isDone: isBound('first') });
    await claims.delete('first');
    await untilDone(server, { writes: 1, create, isDone: async () => (await phaseOf(admin, 'scrap')) === 'Available' });
    assert.deepEqual((await admin.resource(PODS, NS).list()).items, []);
    await claims.create(claim('second', ''));
    await untilDone(server, { writes: 1, create, isDone: isBound('second') });
  }));

test('a volume is attached to one node, then to the next, killed after each write', () =>
  withServer(async ({ server, admin, create }) => {
    for (const name of ['n1', 'n2']) await admin.resource(NODES).create({ metadata: { name } });
    const csi = { driver: 'disk.example.com', volumeHandle: 'h' };
    await admin.resource(PERSISTENT_VOLUMES).create({
      metadata: { name: 'disk' },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, csi },
    });
    await admin.resource(PERSISTENT_VOLUME_CLAIMS, NS).create(claim('data', ''));
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
    const run = (nodeName: string) => {
      const containers = [{ name: 'main', image: 'busybox' }];
      return admin
        .resource(PODS, NS)
        .create({ metadata: { name: `on-${nodeName}`, finalizers: ['test/hold'] }, spec: { nodeName, containers, volumes } });
    };
    const attachments = admin.resource(VOLUME_ATTACHMENTS);
    /** Plays the attacher: what is asked for is attached. */
    const isShownOn = (nodeName: string) => async (): Promise<boolean> => {
      const { items } = await attachments.list();
      for (const one of items.filter(({ status }) => !status?.attached))
        await attachments.updateStatus({ ...one, status: { attached: true } });
      const { status } = await admin.resource(NODES).get(nodeName);
      return items.length === 1 && items[0]!.spec.nodeName === nodeName && status?.volumesAttached?.length === 1;
    };
    for (const nodeName of ['n1', 'n2']) {
      await run(nodeName);
      await untilDone(server, { writes: 1, create, isDone: isShownOn(nodeName) });
      assert.deepEqual(
        (await admin.resource(NODES).get('n1')).status?.volumesAttached,
        nodeName === 'n1' ? [{ name: `kubernetes.io/csi/${csi.driver}^h`, devicePath: '' }] : undefined,
      );
      await admin.resource(PODS, NS).patch(`on-${nodeName}`, 'merge', { metadata: { finalizers: null } });
      await admin.resource(PODS, NS).delete(`on-${nodeName}`, { gracePeriodSeconds: 0 });
    }
  }));
