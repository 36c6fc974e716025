/** Each controller of volumes alone over TLS, with the rights of its own service account and nothing else running. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { createClient, withTransport } from '../../client/new-client.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { createRecorder } from '../../client/recorder.ts';
import {
  EVENTS,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  SERVICE_ACCOUNTS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
  VOLUME_ATTRIBUTES_CLASSES,
} from '../../client/resources.ts';
import { httpsTransport, type HttpsTransport } from '../../client/transports/https.ts';
import { serviceAccountTransports } from '../../client/transports/service-account.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { createLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { createAttachDetachController } from '../attachdetach/attach-detach-controller.ts';
import { createEphemeralVolumeController } from '../ephemeralvolume/ephemeral-volume-controller.ts';
import { createExpandController } from '../expand/expand-controller.ts';
import { createPersistentVolumeBinder } from './persistent-volume-binder.ts';
import { createClaimProtection, createVolumeAttributesClassProtection, createVolumeProtection } from './protection.ts';

const clock = systemClock({ unref: true });
const soon = { within: 10_000, every: 20 };
const BOUND = { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } };

function volume(name: string, spec: PersistentVolume['spec'] = {}): PersistentVolume {
  const csi = { driver: 'disk.example.com', volumeHandle: name };
  return { metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, csi, ...spec } };
}

function claim(name: string, spec: PersistentVolumeClaim['spec'] = {}, metadata = {}): PersistentVolumeClaim {
  const resources = { requests: { storage: '1Gi' } };
  return { metadata: { name, ...metadata }, spec: { accessModes: ['ReadWriteOnce'], resources, storageClassName: '', ...spec } };
}

interface Case {
  name: string;
  serviceAccount: string;
  create(context: ComponentContext): Component[];
  /** Gives the controller work, in a namespace of its own name, and waits until it is done. */
  work(admin: Client, namespace: string): Promise<unknown>;
}

async function bindByHand(admin: Client, namespace: string, name: string, storageClassName = ''): Promise<void> {
  const { metadata } = await admin
    .resource(PERSISTENT_VOLUME_CLAIMS, namespace)
    .create(claim('data', { volumeName: name, storageClassName }, BOUND));
  await admin.resource(PERSISTENT_VOLUMES).create(volume(name, { claimRef: { namespace, name: 'data', uid: metadata.uid! } }));
  const status = { phase: 'Bound', capacity: { storage: '1Gi' } };
  await admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).patch('data', 'merge', { status }, 'status');
}

const CASES: Case[] = [
  {
    name: 'binder',
    serviceAccount: 'persistent-volume-binder',
    create: createPersistentVolumeBinder,
    async work(admin, namespace) {
      const recyclable = { hostPath: { path: '/x' }, persistentVolumeReclaimPolicy: 'Recycle' };
      const { csi: _none, ...spec } = volume('plain').spec!;
      await admin.resource(PERSISTENT_VOLUMES).create({ metadata: { name: 'plain' }, spec: { ...spec, ...recyclable } });
      await admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).create(claim('data'));
      const bound = () => admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).get('data');
      await eventually(async () => assert.equal((await bound()).status?.phase, 'Bound'), soon);
      await admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).delete('data');
      await admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).patch('data', 'merge', { metadata: { finalizers: null } });
      await eventually(() => admin.resource(PODS, 'default').get('recycler-for-plain'), soon);
    },
  },
  {
    name: 'claim protection',
    serviceAccount: 'pvc-protection-controller',
    create: createClaimProtection,
    async work(admin, namespace) {
      const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace);
      await claims.create(claim('data'));
      await claims.delete('data');
      await eventually(async () => assert.deepEqual((await claims.list()).items, []), soon);
    },
  },
  {
    name: 'volume protection',
    serviceAccount: 'pv-protection-controller',
    create: createVolumeProtection,
    async work(admin) {
      const volumes = admin.resource(PERSISTENT_VOLUMES);
      await volumes.create(volume('guarded'));
      await volumes.delete('guarded');
      await eventually(async () => assert.ok(!(await volumes.list()).items.some(({ metadata }) => metadata.name === 'guarded')), soon);
    },
  },
  {
    name: 'attributes class protection',
    serviceAccount: 'volumeattributesclass-protection-controller',
    create: createVolumeAttributesClassProtection,
    async work(admin) {
      const classes = admin.resource(VOLUME_ATTRIBUTES_CLASSES);
      await classes.create({ metadata: { name: 'gold' }, driverName: 'disk.example.com', parameters: { iops: '1' } });
      await classes.delete('gold');
      await eventually(async () => assert.deepEqual((await classes.list()).items, []), soon);
    },
  },
  {
    name: 'expand',
    serviceAccount: 'expand-controller',
    create: createExpandController,
    async work(admin, namespace) {
      await admin
        .resource(STORAGE_CLASSES)
        .create({ metadata: { name: 'grow' }, provisioner: 'x.example.com', allowVolumeExpansion: true });
      await bindByHand(admin, namespace, 'growing', 'grow');
      const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace);
      await claims.patch('data', 'merge', { spec: { resources: { requests: { storage: '2Gi' } } } });
      await eventually(async () => {
        const { items } = await admin.resource(EVENTS, namespace).list();
        assert.deepEqual(
          items.map(({ reason }) => reason),
          ['ExternalExpanding'],
        );
      }, soon);
    },
  },
  {
    name: 'attach and detach',
    serviceAccount: 'attachdetach-controller',
    create: createAttachDetachController,
    async work(admin, namespace) {
      await admin.resource(NODES).create({ metadata: { name: 'n1' } });
      await bindByHand(admin, namespace, 'disk');
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
      const pods = admin.resource(PODS, namespace);
      await pods.create({ metadata: { name: 'web' }, spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'busybox' }], volumes } });
      const attachments = admin.resource(VOLUME_ATTACHMENTS);
      const [attachment] = await eventually(async () => {
        const { items } = await attachments.list();
        assert.equal(items.length, 1);
        return items;
      }, soon);
      await attachments.updateStatus({ ...attachment!, status: { attached: true } });
      await eventually(async () => assert.equal((await admin.resource(NODES).get('n1')).status?.volumesAttached?.length, 1), soon);
      await pods.delete('web', { gracePeriodSeconds: 0 });
      await eventually(async () => assert.deepEqual((await attachments.list()).items, []), soon);
    },
  },
  {
    name: 'ephemeral volumes',
    serviceAccount: 'ephemeral-volume-controller',
    create: createEphemeralVolumeController,
    async work(admin, namespace) {
      const volumes = [{ name: 'tmp', ephemeral: { volumeClaimTemplate: { spec: claim('any').spec! } } }];
      await admin
        .resource(PODS, namespace)
        .create({ metadata: { name: 'web' }, spec: { containers: [{ name: 'main', image: 'busybox' }], volumes } });
      await eventually(() => admin.resource(PERSISTENT_VOLUME_CLAIMS, namespace).get('web-tmp'), soon);
    },
  },
];

describe('controllers of volumes, each alone over https', () => {
  let server: TestApiServer;
  let admin: Client;
  const log = createLogger({ level: 'warn' });
  before(async () => {
    server = await startTestApiServer();
    admin = createClient({ transport: server.loopback(), clock, log });
    await admin.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
  });
  after(async () => {
    await admin.close();
    await server.close();
  });

  const overTls = (identity?: string): HttpsTransport => {
    const pem = (name: string): Buffer => Buffer.from(server.pki.get(name)!);
    const credentials = identity ? { cert: pem(`components/${identity}.crt`), key: pem(`components/${identity}.key`) } : {};
    return httpsTransport({ server: server.url, ca: pem('ca.crt'), ...credentials, clock });
  };

  async function alone({ serviceAccount, create, work }: Case, namespace: string): Promise<void> {
    await admin.resource(NAMESPACES).create({ metadata: { name: namespace } });
    await admin.resource(SERVICE_ACCOUNTS, namespace).create({ metadata: { name: 'default' } });
    const [manager, anonymous] = [overTls('controller-manager'), overTls()];
    const logged: string[] = [];
    const quiet = createLogger({ level: 'warn', write: (line) => void logged.push(line) });
    const reading = createClient({ transport: manager.transport, clock, log: quiet });
    const client = withTransport(reading, serviceAccountTransports({ client: reading, base: anonymous.transport, clock })(serviceAccount));
    const events = createRecorder({ client, clock, log: quiet, component: serviceAccount });
    const components = create({ client, clock, rng: systemRng(), log: quiet, events });
    try {
      await Promise.all(components.map((component) => component.start(new AbortController().signal)));
      await work(admin, namespace);
      assert.deepEqual(logged, []);
    } finally {
      await Promise.all(components.map((component) => component.stop()));
      await reading.close();
      await Promise.all([manager.close(), anonymous.close()]);
    }
  }

  for (const [index, one] of CASES.entries()) test(one.name, () => alone(one, `space-${index}`));
});
