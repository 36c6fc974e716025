/** The controllers on a real API server, with the roles that it gives them, by loopback and over TLS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestApiServer } from '../../test/fixtures/apiserver.ts';
import { startTestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeObject, ObjectWithMeta } from '../api/meta.ts';
import type { Transport, UserInfo } from '../api/transport.ts';
import type { Deployment, LabelSelector, Pod, PodTemplateSpec, ReplicaSet } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { httpsTransport } from '../client/transports/https.ts';
import { waitFor } from '../client/wait-for.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { createControllers } from './registry.ts';

const clock = systemClock();
const MANAGER: UserInfo = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };

function serviceAccount(name: string): UserInfo {
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'];
  return { name: `system:serviceaccount:kube-system:${name}`, groups };
}

interface World {
  admin: Client;
  /** Warnings and errors of the controllers. */
  logged: string[];
}

/** `https` has the admin's certificate for all, since tokens are another subject; `loopback` has each controller's own identity. */
async function withControllers(kind: 'loopback' | 'https', work: (world: World) => Promise<void>): Promise<void> {
  const server = await startTestApiServer();
  const logged: string[] = [];
  const log = createLogger({ level: 'warn', write: (line) => void logged.push(line) });
  const https = kind === 'https' ? overTls(server) : undefined;
  const transport = https?.transport ?? server.loopback(MANAGER);
  const client = createClient({ transport, clock, log });
  const context = { client, clock, rng: systemRng(), log, events: createRecorder({ client, clock, log, component: 'test' }) };
  const transportOf = (name: string): Transport => https?.transport ?? server.loopback(serviceAccount(name));
  const controllers = createControllers(context, { caCert: 'PEM', transportOf });
  const admin = createClient({ transport: server.loopback(), clock, log });
  const { signal } = new AbortController();
  try {
    await Promise.all(controllers.map((controller) => controller.start(signal)));
    await work({ admin, logged });
  } finally {
    await Promise.all(controllers.map((controller) => controller.stop()));
    await Promise.all([client.close(), admin.close()]);
    await https?.close();
    await server.close();
  }
}

function overTls({ url, pki }: TestApiServer) {
  const pem = (name: string): Buffer => Buffer.from(pki.get(name)!);
  return httpsTransport({ server: url, ca: pem('ca.crt'), cert: pem('components/admin.crt'), key: pem('components/admin.key'), clock });
}

const labels = { app: 'web' };
const selector: LabelSelector = { matchLabels: labels };
const template: PodTemplateSpec = { metadata: { labels } as PodTemplateSpec['metadata'], spec: { containers: [{ name: 'web', image: 'nginx' }] } };

function ownedBy(owner: ObjectWithMeta) {
  return [{ apiVersion: owner.apiVersion!, kind: owner.kind!, name: owner.metadata.name!, uid: owner.metadata.uid!, controller: true, blockOwnerDeletion: true }];
}

/** What a Deployment's controllers would make, without them. */
async function makeFamily(client: Client, namespace: string): Promise<void> {
  const deployment: Deployment = { metadata: { name: 'web' }, spec: { replicas: 0, selector, template } };
  const owner = await client.resource(DEPLOYMENTS, namespace).create(deployment);
  const replicaSet: ReplicaSet = { metadata: { name: 'web-1', labels, ownerReferences: ownedBy(owner) }, spec: { replicas: 0, selector, template } };
  const middle = await client.resource(REPLICA_SETS, namespace).create(replicaSet);
  const pod: Pod = { metadata: { name: 'web-1-a', labels, ownerReferences: ownedBy(middle) }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
  await client.resource(PODS, namespace).create(pod);
}

for (const kind of ['loopback', 'https'] as const) {
  test(`controllers over ${kind}: namespaces are furnished and emptied, owners take their dependents along, nodes are registered`, () =>
    withControllers(kind, async ({ admin, logged }) => {
      const options = (what: string) => ({ clock, timeoutMs: 15_000, what });
      const accounts = admin.informer(SERVICE_ACCOUNTS);
      const maps = admin.informer(CONFIG_MAPS);
      await admin.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
      await waitFor(accounts, () => accounts.get('shop/default'), options('the default service account'));
      await waitFor(maps, () => maps.get('shop/kube-root-ca.crt'), options('the root CA'));

      const pods = admin.informer(PODS);
      await makeFamily(admin, 'shop');
      await waitFor(pods, () => pods.get('shop/web-1-a'), options('the pod'));
      await admin.resource(DEPLOYMENTS, 'shop').delete('web', { propagationPolicy: 'Foreground' });
      await waitFor(pods, () => (pods.get('shop/web-1-a') ? undefined : true), options('the pod to go with its owner'));
      const deployments = admin.informer(DEPLOYMENTS);
      await waitFor(deployments, () => (deployments.get('shop/web') ? undefined : true), options('the owner to go after its dependents'));

      const nodes = admin.informer(NODES);
      await admin.resource(NODES).create({ metadata: { name: 'n1' }, spec: { unschedulable: true } });
      await waitFor(nodes, () => nodes.get('n1')?.spec?.taints?.find(({ key }) => key === 'node.kubernetes.io/unschedulable'), options('the taint of a cordoned node'));

      const namespaces = admin.informer(NAMESPACES);
      await makeFamily(admin, 'shop');
      await waitFor(namespaces, () => namespaces.get('shop'), options('the namespace'));
      await admin.resource(NAMESPACES).delete('shop');
      await waitFor(namespaces, () => (namespaces.get('shop') ? undefined : true), options('the namespace to go'));
      assert.deepEqual(pods.list(), []);
      assert.deepEqual(logged, []);
    }));
}

test('controllers over loopback: a custom resource takes its dependents along', () =>
  withControllers('loopback', async ({ admin, logged }) => {
    const WIDGETS = { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true };
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const definitions = admin.informer(CUSTOM_RESOURCE_DEFINITIONS);
    await admin.resource(CUSTOM_RESOURCE_DEFINITIONS).create({
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: WIDGETS.group,
        scope: 'Namespaced',
        names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    });
    const isEstablished = () => definitions.get('widgets.example.com')?.status?.conditions?.find(({ type, status }) => type === 'Established' && status === 'True');
    await waitFor(definitions, isEstablished, { clock, timeoutMs: 15_000, what: 'the definition' });
    const widget: KubeObject = await admin.resource(WIDGETS, 'default').create({ metadata: { name: 'gear' } });
    const maps = admin.informer(CONFIG_MAPS);
    await admin.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'of-gear', ownerReferences: ownedBy(widget) } });
    await waitFor(maps, () => maps.get('default/of-gear'), { clock, timeoutMs: 15_000, what: 'the dependent' });
    await admin.resource(WIDGETS, 'default').delete('gear');
    await waitFor(maps, () => (maps.get('default/of-gear') ? undefined : true), { clock, timeoutMs: 15_000, what: 'the dependent to go' });
    assert.deepEqual(logged, []);
  }));
