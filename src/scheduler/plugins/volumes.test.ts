import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryApi } from '../../../test/fixtures/memory-api.ts';
import type { CSIStorageCapacity, Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, Volume } from '../../api/types.gen.ts';
import { createClient } from '../../client/new-client.ts';
import {
  CSI_DRIVERS,
  CSI_NODES,
  CSI_STORAGE_CAPACITIES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
} from '../../client/resources.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SchedulingPlugin } from '../framework.ts';
import { ClusterState } from '../cluster-state.ts';
import { podInfo } from '../snapshot.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { volumeBinding } from './volume-binding.ts';
import { type VolumeObjects, volumeObjects } from './volume-objects.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

const ZONE = 'topology.kubernetes.io/zone';

interface Sketch {
  claims?: Record<string, Partial<PersistentVolumeClaim['spec']> & { annotations?: Record<string, string> }>;
  volumes?: Record<string, Partial<PersistentVolume['spec']> & { labels?: Record<string, string> }>;
  classes?: Record<string, Partial<StorageClass>>;
  capacities?: Partial<CSIStorageCapacity>[];
  limits?: Record<string, number>;
  storageCapacity?: boolean;
  placed?: Record<string, Pod[]>;
}

const node = (name: string, zone: string): Node => ({
  metadata: { name, labels: { 'kubernetes.io/hostname': name, [ZONE]: zone } },
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
});

let serial = 0;
function pod(volumes: Partial<Volume>[]): Pod {
  return {
    metadata: { name: `pod-${serial++}`, namespace: 'ns', uid: String(serial) },
    spec: { containers: [{ name: 'c' }], volumes: volumes.map((volume, index) => ({ name: `v${index}`, ...volume })) },
  };
}

const uses = (...names: string[]): Pod => pod(names.map((claimName) => ({ persistentVolumeClaim: { claimName } })));

/** Nodes `a` in zone `x` and `b` in zone `y`, with the storage of the sketch. */
async function withStorage<T>(sketch: Sketch, work: (objects: VolumeObjects, state: ClusterState) => T): Promise<T> {
  const api = new MemoryApi();
  const client = createClient({ transport: api.transport, clock: systemClock({ unref: true }), log: silentLogger });
  for (const [name, { annotations, ...spec }] of Object.entries(sketch.claims ?? {}))
    await client.resource(PERSISTENT_VOLUME_CLAIMS, 'ns').create({
      metadata: {
        name,
        namespace: 'ns',
        annotations: { ...(spec.volumeName ? { 'pv.kubernetes.io/bind-completed': 'yes' } : {}), ...annotations },
      },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'late', resources: { requests: { storage: '5Gi' } }, ...spec },
    });
  for (const [name, { labels, ...spec }] of Object.entries(sketch.volumes ?? {}))
    await client.resource(PERSISTENT_VOLUMES).create({
      metadata: { name, labels: labels ?? {} },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'late', capacity: { storage: '5Gi' }, ...spec },
      status: { phase: spec.claimRef ? 'Bound' : 'Available' },
    });
  const classes = { late: { volumeBindingMode: 'WaitForFirstConsumer' }, now: {}, ...sketch.classes };
  for (const [name, more] of Object.entries(classes))
    await client.resource(STORAGE_CLASSES).create({ metadata: { name }, provisioner: 'kubernetes.io/no-provisioner', ...more });
  for (const [index, capacity] of (sketch.capacities ?? []).entries())
    await client
      .resource(CSI_STORAGE_CAPACITIES, 'ns')
      .create({ metadata: { name: `c${index}`, namespace: 'ns' }, storageClassName: 'late', ...capacity });
  for (const [name, count] of Object.entries(sketch.limits ?? {}))
    await client
      .resource(CSI_NODES)
      .create({ metadata: { name }, spec: { drivers: [{ name: 'disk', nodeID: name, allocatable: { count } }] } });
  await client.resource(CSI_DRIVERS).create({ metadata: { name: 'disk' }, spec: { storageCapacity: sketch.storageCapacity ?? false } });
  await client.resource(NODES).list();
  const objects = volumeObjects(client);
  await objects.start(() => undefined);
  const state = new ClusterState();
  state.setNode(node('a', 'x'));
  state.setNode(node('b', 'y'));
  for (const [name, pods] of Object.entries(sketch.placed ?? {}))
    for (const each of pods) state.place(podInfo({ ...each, spec: { ...each.spec!, nodeName: name } }), name);
  try {
    return work(objects, state);
  } finally {
    objects.stop();
    await client.close();
  }
}

/** By node: `ok`, or the reason; or the one reason for all. */
function verdicts(plugin: SchedulingPlugin, waiting: Pod, state: ClusterState): Record<string, string> | string {
  const cycle = plugin.begin(podInfo(waiting), state);
  if (cycle?.reject) return cycle.reject.reasons.join();
  return Object.fromEntries(state.nodes.map((each) => [each.name, cycle?.filter?.(each)?.reasons.join() ?? 'ok']));
}

const onNode = (name: string) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [name] }] }] },
});
const NO_AFFINITY = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUME = "node(s) didn't find available persistent volumes to bind";
const csi = (volumeHandle: string) => ({ driver: 'disk', volumeHandle });

describe('plugins for volumes', () => {
  const cases: {
    name: string;
    plugin: (objects: VolumeObjects) => SchedulingPlugin;
    sketch: Sketch;
    pod: Pod;
    expected: Record<string, string> | string;
  }[] = [
    {
      name: 'binding: a claim that is missing',
      plugin: volumeBinding,
      sketch: {},
      pod: uses('data'),
      expected: 'persistentvolumeclaim "data" not found',
    },
    {
      name: 'binding: a claim that should have been bound at once',
      plugin: volumeBinding,
      sketch: { claims: { data: { storageClassName: 'now' } } },
      pod: uses('data'),
      expected: 'pod has unbound immediate PersistentVolumeClaims',
    },
    {
      name: 'binding: where the bound volume is',
      plugin: volumeBinding,
      sketch: { claims: { data: { volumeName: 'disk-a' } }, volumes: { 'disk-a': { nodeAffinity: onNode('a') } } },
      pod: uses('data'),
      expected: { a: 'ok', b: NO_AFFINITY },
    },
    {
      name: 'binding: a volume that is gone',
      plugin: volumeBinding,
      sketch: { claims: { data: { volumeName: 'lost' } } },
      pod: uses('data'),
      expected: {
        a: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
        b: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
      },
    },
    {
      name: 'binding: where a free volume can be reached, and is big enough',
      plugin: volumeBinding,
      sketch: {
        claims: { data: {} },
        volumes: { fits: { nodeAffinity: onNode('b') }, small: { nodeAffinity: onNode('a'), capacity: { storage: '1Gi' } } },
      },
      pod: uses('data'),
      expected: { a: NO_VOLUME, b: 'ok' },
    },
    {
      name: 'binding: two claims of one pod need two volumes',
      plugin: volumeBinding,
      sketch: { claims: { one: {}, two: {} }, volumes: { only: { nodeAffinity: onNode('a') } } },
      pod: uses('one', 'two'),
      expected: { a: NO_VOLUME, b: NO_VOLUME },
    },
    {
      name: 'binding: a provisioner makes one where its topology allows',
      plugin: volumeBinding,
      sketch: {
        claims: { data: {} },
        classes: {
          late: {
            provisioner: 'disk',
            volumeBindingMode: 'WaitForFirstConsumer',
            allowedTopologies: [{ matchLabelExpressions: [{ key: ZONE, values: ['y'] }] }],
          },
        },
      },
      pod: uses('data'),
      expected: { a: NO_VOLUME, b: 'ok' },
    },
    {
      name: 'binding: a driver that tells its capacity has none left',
      plugin: volumeBinding,
      sketch: {
        claims: { data: {} },
        storageCapacity: true,
        classes: { late: { provisioner: 'disk', volumeBindingMode: 'WaitForFirstConsumer' } },
        capacities: [
          { capacity: '100Gi', nodeTopology: { matchLabels: { [ZONE]: 'x' } } },
          { capacity: '1Gi', nodeTopology: { matchLabels: { [ZONE]: 'y' } } },
        ],
      },
      pod: uses('data'),
      expected: { a: 'ok', b: 'node(s) did not have enough free storage' },
    },
    {
      name: 'binding: a node was selected already',
      plugin: volumeBinding,
      sketch: {
        claims: { data: { annotations: { 'volume.kubernetes.io/selected-node': 'b' } } },
        classes: { late: { provisioner: 'disk', volumeBindingMode: 'WaitForFirstConsumer' } },
      },
      pod: uses('data'),
      expected: { a: NO_VOLUME, b: 'ok' },
    },
    {
      name: 'zone: the labels of the volume, old names and alternatives too',
      plugin: volumeZone,
      sketch: {
        claims: { data: { volumeName: 'disk' } },
        volumes: { disk: { labels: { 'failure-domain.beta.kubernetes.io/zone': 'y__z' } } },
      },
      pod: uses('data'),
      expected: { a: 'node(s) had no available volume zone', b: 'ok' },
    },
    {
      name: 'restrictions: a disk is mounted once a node, unless both only read',
      plugin: volumeRestrictions,
      sketch: {
        placed: {
          a: [pod([{ gcePersistentDisk: { pdName: 'd', readOnly: true } }])],
          b: [pod([{ gcePersistentDisk: { pdName: 'd' } }])],
        },
      },
      pod: pod([{ gcePersistentDisk: { pdName: 'd', readOnly: true } }]),
      expected: { a: 'ok', b: 'node(s) had no available disk' },
    },
    {
      name: 'restrictions: AWS disks are not shared at all, iSCSI by target and RBD by image',
      plugin: volumeRestrictions,
      sketch: {
        placed: {
          a: [pod([{ awsElasticBlockStore: { volumeID: 'v', readOnly: true } }])],
          b: [pod([{ rbd: { monitors: ['m1', 'm2'], image: 'i' } }])],
        },
      },
      pod: pod([{ awsElasticBlockStore: { volumeID: 'v', readOnly: true } }, { rbd: { monitors: ['m2'], image: 'i', pool: 'rbd' } }]),
      expected: { a: 'node(s) had no available disk', b: 'node(s) had no available disk' },
    },
    {
      name: 'restrictions: a ReadWriteOncePod claim has one pod',
      plugin: volumeRestrictions,
      sketch: { claims: { data: { accessModes: ['ReadWriteOncePod'] } }, placed: { a: [uses('data')] } },
      pod: uses('data'),
      expected: {
        a: 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
        b: 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
      },
    },
    {
      name: 'limits: volumes of the driver that are there, and those that would come',
      plugin: nodeVolumeLimits,
      sketch: {
        claims: { one: { volumeName: 'v1' }, two: { volumeName: 'v2' }, three: {} },
        volumes: { v1: { csi: csi('v1') }, v2: { csi: csi('v2') } },
        classes: { late: { provisioner: 'disk', volumeBindingMode: 'WaitForFirstConsumer' } },
        limits: { a: 2, b: 1 },
        placed: { a: [uses('one')], b: [uses('two')] },
      },
      pod: uses('one', 'three'),
      expected: { a: 'ok', b: 'node(s) exceed max volume count' },
    },
  ];
  for (const { name, plugin, sketch, pod: waiting, expected } of cases)
    it(name, () => withStorage(sketch, (objects, state) => assert.deepEqual(verdicts(plugin(objects), waiting, state), expected)));

  it('binding: a volume that one pod was promised is not another one’s', () =>
    withStorage({ claims: { one: {}, two: {} }, volumes: { only: { nodeAffinity: onNode('a') } } }, (objects, state) => {
      const plugin = volumeBinding(objects);
      const cycle = plugin.begin(podInfo(uses('one')), state)!;
      assert.equal(cycle.filter!(state.node('a')!), undefined);
      const reservation = cycle.reserve!(state.node('a')!)!;
      assert.deepEqual(verdicts(plugin, uses('two'), state), { a: NO_VOLUME, b: NO_VOLUME });
      void reservation.release();
      assert.deepEqual(verdicts(plugin, uses('two'), state), { a: 'ok', b: NO_VOLUME });
    }));
});
