import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ControllerWorld, withControllers } from '../../../test/fixtures/controller-world.ts';
import { csiAttachmentName } from '../../api/csi-names.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts';
import { CSI_DRIVERS, NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, VOLUME_ATTACHMENTS } from '../../client/resources.ts';
import { createAttachDetachController } from './attach-detach-controller.ts';

const NS = 'default';
const DRIVER = 'disk.example.com';
const NOW = { gracePeriodSeconds: 0 };
const UNIQUE = `kubernetes.io/csi/${DRIVER}^h-data`;

function node(name: string, ready: 'True' | 'Unknown' = 'True', volumesInUse: string[] = []): Node {
  return { metadata: { name }, status: { conditions: [{ type: 'Ready', status: ready }], volumesInUse } };
}

function volume(name: string, accessModes = ['ReadWriteOnce'], driver = DRIVER): PersistentVolume {
  const claimRef = { namespace: NS, name, uid: `uid-${name}` };
  return { metadata: { name: `pv-${name}` }, spec: { accessModes, claimRef, csi: { driver, volumeHandle: `h-${name}` } } };
}

function claim(name: string): PersistentVolumeClaim {
  return { metadata: { name, namespace: NS, uid: `uid-${name}` }, spec: { volumeName: `pv-${name}` }, status: { phase: 'Bound' } };
}

function pod(name: string, nodeName: string, claimName = 'data'): Pod {
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName } }];
  return { metadata: { name, namespace: NS }, spec: { nodeName, containers: [{ name: 'main' }], volumes }, status: { phase: 'Running' } };
}

/** Two nodes, a claim with its volume, and the controller. */
function withDisk(work: (world: ControllerWorld) => Promise<void>): Promise<void> {
  return withControllers(async (world) => {
    const { client } = world.context;
    for (const name of ['n1', 'n2']) await client.resource(NODES).create(node(name));
    await client.resource(PERSISTENT_VOLUMES).create(volume('data'));
    // the server gives uids of its own: what the volume says of its claim is put right
    const { metadata } = await client.resource(PERSISTENT_VOLUME_CLAIMS, NS).create(claim('data'));
    await client.resource(PERSISTENT_VOLUMES).patch('pv-data', 'merge', { spec: { claimRef: { uid: metadata.uid } } });
    await world.start(createAttachDetachController(world.context));
    await work(world);
    assert.deepEqual(world.logged, []);
  });
}

const attachments = ({ api }: ControllerWorld): string[] =>
  api
    .all(VOLUME_ATTACHMENTS)
    .map(({ spec, status }) => `${spec.source.persistentVolumeName} on ${spec.nodeName}${status?.attached ? ', attached' : ''}`);
const shown = ({ api }: ControllerWorld, name: string) =>
  api.all(NODES).find(({ metadata }) => metadata.name === name)!.status!.volumesAttached;

async function attach({ context, pass }: ControllerWorld, nodeName: string): Promise<void> {
  const name = csiAttachmentName({ driver: DRIVER, volumeHandle: 'h-data' }, nodeName);
  await context.client.resource(VOLUME_ATTACHMENTS).patch(name, 'merge', { status: { attached: true } }, 'status');
  await pass(10);
}

async function use({ context, pass }: ControllerWorld, nodeName: string, volumesInUse: string[]): Promise<void> {
  await context.client.resource(NODES).patch(nodeName, 'merge', { status: { volumesInUse } }, 'status');
  await pass(10);
}

test('a volume is attached for the first pod, shown on the node, and detached after the last', () =>
  withDisk(async (world) => {
    const pods = world.context.client.resource(PODS, NS);
    await pods.create(pod('a', 'n1'));
    await pods.create(pod('b', 'n1'));
    await world.pass(10);
    assert.deepEqual(attachments(world), ['pv-data on n1']);
    assert.equal(shown(world, 'n1'), undefined);
    await attach(world, 'n1');
    assert.deepEqual(shown(world, 'n1'), [{ name: UNIQUE, devicePath: '' }]);
    const message = 'AttachVolume.Attach succeeded for volume "pv-data" ';
    assert.deepEqual(world.events.toSorted(), [
      `Normal SuccessfulAttachVolume a: ${message}`,
      `Normal SuccessfulAttachVolume b: ${message}`,
    ]);
    await pods.delete('a', NOW);
    await world.pass(10);
    assert.deepEqual(attachments(world), ['pv-data on n1, attached']);
    // one that has ended uses nothing
    await pods.patch('b', 'merge', { status: { phase: 'Succeeded' } }, 'status');
    await world.pass(10);
    assert.deepEqual(attachments(world), []);
    assert.equal(shown(world, 'n1'), undefined);
  }));

test('what the node still uses is not detached; the next node has to wait, and is told why', () =>
  withDisk(async (world) => {
    const pods = world.context.client.resource(PODS, NS);
    await pods.create(pod('a', 'n1'));
    await world.pass(10);
    await attach(world, 'n1');
    await use(world, 'n1', [UNIQUE]);
    await pods.create(pod('b', 'n2'));
    await world.pass(10);
    assert.ok(
      world.events.includes('Warning FailedAttachVolume b: Multi-Attach error for volume "pv-data" Volume is already used by pod(s) a'),
    );
    await pods.delete('a', NOW);
    await world.pass(600_000);
    assert.deepEqual(attachments(world), ['pv-data on n1, attached'], 'a healthy node lets go by itself');
    await use(world, 'n1', []);
    await world.pass(10);
    assert.deepEqual(attachments(world), ['pv-data on n2']);
    assert.equal(shown(world, 'n1'), undefined);
  }));

test('of a node that is not healthy a volume is taken by force after six minutes', () =>
  withDisk(async (world) => {
    const { client } = world.context;
    await client.resource(PODS, NS).create(pod('a', 'n1'));
    await world.pass(10);
    await attach(world, 'n1');
    await use(world, 'n1', [UNIQUE]);
    await client.resource(NODES).patch('n1', 'merge', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }, 'status');
    await client.resource(PODS, NS).delete('a', NOW);
    await world.pass(350_000);
    assert.deepEqual(attachments(world), ['pv-data on n1, attached']);
    await world.pass(15_000);
    assert.deepEqual(attachments(world), []);
  }));

test('of a node that is out of service at once', () =>
  withDisk(async (world) => {
    const { client } = world.context;
    await client.resource(PODS, NS).create(pod('a', 'n1'));
    await world.pass(10);
    await attach(world, 'n1');
    await use(world, 'n1', [UNIQUE]);
    await client.resource(PODS, NS).delete('a', NOW);
    await world.pass(1000);
    assert.deepEqual(attachments(world), ['pv-data on n1, attached']);
    const taints = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }];
    await client.resource(NODES).patch('n1', 'merge', { spec: { taints } });
    await world.pass(10);
    assert.deepEqual(attachments(world), []);
  }));

test('what need not be attached, what others attached, and what fails to', () =>
  withDisk(async (world) => {
    const { client } = world.context;
    await client.resource(CSI_DRIVERS).create({ metadata: { name: 'free.example.com' }, spec: { attachRequired: false } });
    await client.resource(PERSISTENT_VOLUMES).create(volume('free', ['ReadWriteMany'], 'free.example.com'));
    const { metadata } = await client.resource(PERSISTENT_VOLUME_CLAIMS, NS).create(claim('free'));
    await client.resource(PERSISTENT_VOLUMES).patch('pv-free', 'merge', { spec: { claimRef: { uid: metadata.uid } } });
    await client.resource(VOLUME_ATTACHMENTS).create({
      metadata: { name: 'by-hand' },
      spec: { attacher: 'x.example.com', nodeName: 'n1', source: { persistentVolumeName: 'pv-x' } },
    });
    await client.resource(PODS, NS).create(pod('a', 'n1', 'free'));
    await client.resource(PODS, NS).create(pod('b', 'n1'));
    await world.pass(10);
    assert.deepEqual(attachments(world).toSorted(), ['pv-data on n1', 'pv-x on n1']);
    const name = csiAttachmentName({ driver: DRIVER, volumeHandle: 'h-data' }, 'n1');
    const status = { attached: false, attachError: { message: 'disk full' } };
    await client.resource(VOLUME_ATTACHMENTS).patch(name, 'merge', { status }, 'status');
    await world.pass(10);
    assert.ok(world.events.includes('Warning FailedAttachVolume b: AttachVolume.Attach failed for volume "pv-data" : disk full'));
  }));

test('a volume for many nodes goes to many', () =>
  withDisk(async (world) => {
    const { client } = world.context;
    await client.resource(PERSISTENT_VOLUMES).patch('pv-data', 'merge', { spec: { accessModes: ['ReadWriteMany'] } });
    await client.resource(PODS, NS).create(pod('a', 'n1'));
    await client.resource(PODS, NS).create(pod('b', 'n2'));
    await world.pass(10);
    assert.deepEqual(attachments(world).toSorted(), ['pv-data on n1', 'pv-data on n2']);
  }));
