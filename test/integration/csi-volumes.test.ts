/** A CSI volume's whole life between a real kubelet, containerd, our controllers and a driver of ours on its socket. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { containerdMissing } from '../fixtures/containerd.ts';
import { expandedSize, startCsiDriver, type TestCsiDriver } from '../fixtures/csi-driver/driver.ts';
import { csiSidecars } from '../fixtures/csi-driver/sidecars.ts';
import { eventually } from '../fixtures/eventually.ts';
import { NODE, startTestNode, type TestNode } from '../fixtures/node.ts';
import type { PersistentVolumeClaim, Pod, PodSpec } from '../../src/api/types.gen.ts';
import type { ComponentContext } from '../../src/client/reconcile.ts';
import { createRecorder } from '../../src/client/recorder.ts';
import {
  CSI_DRIVERS,
  CSI_NODES,
  EVENTS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  SECRETS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from '../../src/client/resources.ts';
import { createAttachDetachController } from '../../src/controllers/attachdetach/attach-detach-controller.ts';
import { createPersistentVolumeBinder } from '../../src/controllers/persistentvolume/persistent-volume-binder.ts';
import { createClaimProtection, createVolumeProtection } from '../../src/controllers/persistentvolume/protection.ts';
import type { Component } from '../../src/lib/component.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { systemRng } from '../../src/lib/random.ts';

const DRIVER = 'disk.csi.example.com';
const NS = 'default';
const soon = { within: 20_000, every: 25 };
const WRITE = ['sh', '-c', 'echo hello > /data/greeting; trap "exit 0" TERM; while :; do sleep 0.1; done'];
const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running';

function claim(name: string): PersistentVolumeClaim {
  return {
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'disk', resources: { requests: { storage: '1Gi' } } },
  };
}

function user(claimName: string, spec: Partial<PodSpec> = {}): Partial<PodSpec> & Pick<PodSpec, 'containers'> {
  return {
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    containers: [{ name: 'main', command: WRITE, volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    ...spec,
  };
}

describe('CSI on containerd', { skip: containerdMissing() ?? false }, () => {
  let node: TestNode;
  let driver: TestCsiDriver;
  let components: Component[];

  before(async () => {
    node = await startTestNode({ subnet: '10.199.7.0/24' });
    const { client } = node;
    await client
      .resource(CSI_DRIVERS)
      .create({ metadata: { name: DRIVER }, spec: { podInfoOnMount: true, volumeLifecycleModes: ['Persistent', 'Ephemeral'] } });
    await client.resource(STORAGE_CLASSES).create({ metadata: { name: 'disk' }, provisioner: DRIVER, allowVolumeExpansion: true });
    driver = await startCsiDriver({
      name: DRIVER,
      kubeletDir: path.join(node.dir, 'kubelet'),
      dataDir: path.join(node.dir, 'disks'),
      nodeId: 'machine-7',
      maxVolumes: 8,
      topology: { 'topology.example.com/rack': 'r1' },
    });
    const clock = systemClock({ unref: true });
    const context: ComponentContext = {
      client,
      clock,
      rng: systemRng(),
      log: silentLogger,
      events: createRecorder({ client, clock, log: silentLogger, component: 'test' }),
    };
    components = [
      ...createPersistentVolumeBinder(context),
      ...createAttachDetachController(context),
      ...createClaimProtection(context),
      ...createVolumeProtection(context),
      ...csiSidecars(context, driver),
    ];
    await Promise.all(components.map((component) => component.start(new AbortController().signal)));
  });
  after(async () => {
    await Promise.all(components.map((component) => component.stop()));
    await driver.close();
    await node.close();
  });

  const said = async (name: string): Promise<string[]> =>
    (await node.client.resource(EVENTS, NS).list()).items
      .filter((event) => event.involvedObject.name === name)
      .map((event) => `${event.type} ${event.reason}: ${event.message}`);

  test('a driver that registers is shown by CSINode, and by the node as annotation and topology label', async () => {
    await eventually(() => assert.deepEqual(driver.registrations, [{ pluginRegistered: true, error: '' }]), soon);
    const { spec, metadata } = await node.client.resource(CSI_NODES).get(NODE);
    assert.deepEqual(spec.drivers, [
      { name: DRIVER, nodeID: 'machine-7', topologyKeys: ['topology.example.com/rack'], allocatable: { count: 8 } },
    ]);
    assert.equal(metadata.ownerReferences?.[0]?.kind, 'Node');
    const registered = await node.client.resource(NODES).get(NODE);
    assert.equal(registered.metadata.annotations?.['csi.volume.kubernetes.io/nodeid'], `{"${DRIVER}":"machine-7"}`);
    assert.equal(registered.metadata.labels?.['topology.example.com/rack'], 'r1');
  });

  test('provision, attach, stage, publish, write, grow; and all of it back', async () => {
    const { client } = node;
    const claims = client.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('data'));
    const bound = await eventually(async () => {
      const one = await claims.get('data');
      assert.equal(one.status?.phase, 'Bound');
      return one;
    }, soon);
    const volume = bound.spec!.volumeName!;
    const unique = `kubernetes.io/csi/${DRIVER}^${volume}`;

    await node.run('writer', user('data', { securityContext: { fsGroup: 4000 } }));
    await node.until('writer', isRunning);
    await eventually(async () => assert.equal(await readFile(path.join(driver.folderOf(volume), 'greeting'), 'utf8'), 'hello\n'), soon);
    const { status } = await client.resource(NODES).get(NODE);
    assert.deepEqual([status?.volumesInUse, status?.volumesAttached], [[unique], [{ name: unique, devicePath: '' }]]);
    const [attachment] = (await client.resource(VOLUME_ATTACHMENTS).list()).items;
    assert.match(attachment!.metadata.name!, /^csi-[0-9a-f]{64}$/);
    assert.deepEqual(attachment!.spec, { attacher: DRIVER, nodeName: NODE, source: { persistentVolumeName: volume } });
    const staged = driver.last('NodeStageVolume');
    assert.deepEqual(staged.publishContext, { disk: `/dev/${volume}@machine-7` });
    assert.deepEqual(staged.volumeContext, { made: 'here' });
    const published = driver.last('NodePublishVolume');
    assert.equal((published.volumeContext as Record<string, string>)['csi.storage.k8s.io/pod.name'], 'writer');
    assert.match(String(published.targetPath), new RegExp(`/volumes/kubernetes.io~csi/${volume}/mount$`));
    assert.ok((await said('writer')).includes(`Normal SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "${volume}" `));

    await claims.patch('data', 'merge', { spec: { resources: { requests: { storage: '2Gi' } } } });
    await eventually(async () => assert.equal((await claims.get('data')).status?.conditions?.[0]?.type, 'FileSystemResizePending'), soon);
    // the kubelet looks at the volumes of a pod again after a minute, and when the pod changes
    await client.resource(PODS, NS).patch('writer', 'merge', { metadata: { annotations: { look: 'again' } } });
    await eventually(async () => assert.deepEqual((await claims.get('data')).status?.capacity, { storage: '2Gi' }), soon);
    const grown = (await claims.get('data')).status!;
    assert.deepEqual([grown.conditions ?? [], grown.allocatedResourceStatuses ?? {}], [[], {}]);
    assert.equal(await expandedSize(driver, volume), 2 * 2 ** 30);
    await eventually(
      async () =>
        assert.ok(
          (await said('writer')).includes(
            `Normal FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume "${volume}" ${NODE}`,
          ),
        ),
      soon,
    );

    await client.resource(PODS, NS).delete('writer');
    await node.gone('writer');
    await eventually(async () => assert.deepEqual((await client.resource(VOLUME_ATTACHMENTS).list()).items, []), soon);
    await eventually(async () => {
      const after = (await client.resource(NODES).get(NODE)).status;
      assert.deepEqual([after?.volumesInUse ?? [], after?.volumesAttached ?? []], [[], []]);
    }, soon);
    await claims.delete('data');
    await eventually(async () => assert.deepEqual((await client.resource(PERSISTENT_VOLUMES).list()).items, []), soon);
    assert.deepEqual(driver.calls, [
      `CreateVolume ${volume}`,
      `ControllerPublishVolume ${volume}`,
      `NodeStageVolume ${volume}`,
      `NodePublishVolume ${volume}`,
      `ControllerExpandVolume ${volume}`,
      `NodeExpandVolume ${volume}`,
      `NodeUnpublishVolume ${volume}`,
      `NodeUnstageVolume ${volume}`,
      `ControllerUnpublishVolume ${volume}`,
      `DeleteVolume ${volume}`,
    ]);
  });

  test('two pods share what was staged once; a kubelet that was restarted takes both down', async () => {
    const { client } = node;
    const claims = client.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('shared'));
    for (const name of ['one', 'two']) await node.run(name, user('shared'));
    for (const name of ['one', 'two']) await node.until(name, isRunning);
    const { volumeName } = (await claims.get('shared')).spec!;
    assert.equal(driver.calls.filter((call) => call === `NodeStageVolume ${volumeName}`).length, 1);
    await node.restartKubelet();
    await eventually(() => assert.equal(driver.registrations.length, 2), soon);
    const before = driver.calls.length;
    await client.resource(PODS, NS).delete('one');
    await node.gone('one');
    assert.deepEqual(driver.calls.slice(before), [`NodeUnpublishVolume ${volumeName}`]);
    assert.equal((await client.resource(VOLUME_ATTACHMENTS).list()).items.length, 1);
    await client.resource(PODS, NS).delete('two');
    await node.gone('two');
    await eventually(
      () =>
        assert.deepEqual(driver.calls.slice(before + 1), [
          `NodeUnpublishVolume ${volumeName}`,
          `NodeUnstageVolume ${volumeName}`,
          `ControllerUnpublishVolume ${volumeName}`,
        ]),
      soon,
    );
    await claims.delete('shared');
  });

  test('a kubelet that was stopped between staging and publishing leaves nothing behind', async () => {
    const { client } = node;
    const claims = client.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    await claims.create(claim('half'));
    driver.fail('NodePublishVolume', 'not yet');
    await node.run('half', user('half'));
    await eventually(
      async () => assert.ok((await said('half')).some((line) => line.endsWith('rpc error: code = Internal desc = not yet'))),
      soon,
    );
    const volume = (await claims.get('half')).spec!.volumeName!;
    const registered = driver.registrations.length;
    await node.restartKubelet();
    await eventually(() => assert.equal(driver.registrations.length, registered + 1), soon);
    const before = driver.calls.length;
    await client.resource(PODS, NS).delete('half');
    await node.gone('half');
    driver.fail('NodePublishVolume', undefined);
    const left = driver.calls.slice(before).filter((call) => /^Node(Unp|Uns)/.test(call));
    assert.deepEqual(left, [`NodeUnpublishVolume ${volume}`, `NodeUnstageVolume ${volume}`]);
    await eventually(async () => assert.deepEqual((await client.resource(VOLUME_ATTACHMENTS).list()).items, []), soon);
    await claims.delete('half');
  });

  test('what the driver says goes into events: of staging, of publishing, of a driver that is not there', async () => {
    const { client } = node;
    await client.resource(PERSISTENT_VOLUME_CLAIMS, NS).create(claim('broken'));
    driver.fail('NodeStageVolume', 'no such disk');
    await node.run('unlucky', user('broken'));
    await eventually(async () => {
      const volume = (await client.resource(PERSISTENT_VOLUME_CLAIMS, NS).get('broken')).spec?.volumeName;
      const message = `MountVolume.MountDevice failed for volume "${volume}" : rpc error: code = Internal desc = no such disk`;
      assert.ok((await said('unlucky')).includes(`Warning FailedMount: ${message}`));
    }, soon);
    driver.fail('NodeStageVolume', undefined);
    await node.until('unlucky', isRunning);
    await client.resource(PODS, NS).delete('unlucky');
    await node.gone('unlucky');
    await client.resource(PERSISTENT_VOLUME_CLAIMS, NS).delete('broken');

    const inline = (name: string): PodSpec['volumes'] => [{ name: 'data', csi: { driver: name } }];
    await node.run('lost', user('any', { volumes: inline('absent.example.com') }));
    const absent = 'kubernetes.io/csi: driver name absent.example.com not found in the list of registered CSI drivers';
    await eventually(
      async () => assert.ok((await said('lost')).includes(`Warning FailedMount: MountVolume.SetUp failed for volume "data" : ${absent}`)),
      soon,
    );
    await client.resource(PODS, NS).delete('lost');
    await node.gone('lost');
  });

  test('an inline volume lives and goes with its pod; its secret and attributes reach the driver', async () => {
    const { client } = node;
    await client.resource(SECRETS, NS).create({ metadata: { name: 'key' }, data: { password: Buffer.from('pst').toString('base64') } });
    const csi = { driver: DRIVER, volumeAttributes: { kind: 'scratch' }, nodePublishSecretRef: { name: 'key' } };
    await node.run('scratch', user('any', { volumes: [{ name: 'data', csi }] }));
    await node.until('scratch', isRunning);
    const published = driver.last('NodePublishVolume');
    assert.match(String(published.volumeId), /^csi-[0-9a-f]{64}$/);
    assert.deepEqual(published.secrets, { password: 'pst' });
    const context = published.volumeContext as Record<string, string>;
    assert.deepEqual([context.kind, context['csi.storage.k8s.io/ephemeral']], ['scratch', 'true']);
    const before = driver.calls.length;
    await client.resource(PODS, NS).delete('scratch');
    await node.gone('scratch');
    assert.deepEqual(driver.calls.slice(before), [`NodeUnpublishVolume ${String(published.volumeId)}`]);
  });

  test('a driver whose socket goes is taken from CSINode', async () => {
    const other = await startCsiDriver({
      name: 'other.example.com',
      kubeletDir: path.join(node.dir, 'kubelet'),
      dataDir: path.join(node.dir, 'others'),
    });
    const names = async () => (await node.client.resource(CSI_NODES).get(NODE)).spec.drivers.map(({ name }) => name);
    await eventually(async () => assert.deepEqual(await names(), [DRIVER, 'other.example.com']), soon);
    await other.close();
    await eventually(async () => assert.deepEqual(await names(), [DRIVER]), soon);
    await writeFile(path.join(node.dir, 'kubelet/plugins_registry/not-a-socket'), '');
  });
});
