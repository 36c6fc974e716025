/** The controllers on a real API server, with the roles that it gives them, by loopback and over TLS. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestApiServer } from '../../test/fixtures/apiserver.ts';
import { startTestApiServer } from '../../test/fixtures/apiserver.ts';
import type { ObjectWithMeta } from '../api/meta.ts';
import type { Transport, UserInfo } from '../api/transport.ts';
import type { Deployment, LabelSelector, Pod, PodTemplateSpec, ReplicaSet } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import { CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { httpsTransport } from '../client/transports/https.ts';
import type { HttpsTransport } from '../client/transports/https.ts';
import { serviceAccountTransports, serviceAccountUser } from '../client/transports/service-account.ts';
import { waitFor } from '../client/wait-for.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { createControllers } from './registry.ts';

const clock = systemClock();
const MANAGER: UserInfo = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };

interface World {
  admin: Client;
  /** Warnings and errors of the controllers. */
  logged: string[];
}

interface Reach {
  /** As the controller manager. */
  transport: Transport;
  transportOf(this: void, serviceAccount: string): Transport;
  close(): Promise<unknown>;
}

const REACH: Record<'loopback' | 'https', (server: TestApiServer) => Reach> = {
  loopback: (server) => ({
    transport: server.loopback(MANAGER),
    transportOf: (name) => server.loopback(serviceAccountUser(name)),
    close: () => Promise.resolve(),
  }),
  https(server) {
    const manager = overTls(server, 'controller-manager');
    const anonymous = overTls(server);
    const client = createClient({ transport: manager.transport, clock, log: createLogger({ level: 'warn' }) });
    const transportOf = serviceAccountTransports({ client, base: anonymous.transport, clock });
    return { transport: manager.transport, transportOf, close: () => Promise.all([manager.close(), anonymous.close()]) };
  },
};

function overTls({ url, pki }: TestApiServer, identity?: string): HttpsTransport {
  const pem = (name: string): Buffer => Buffer.from(pki.get(name)!);
  const credentials = identity ? { cert: pem(`components/${identity}.crt`), key: pem(`components/${identity}.key`) } : {};
  return httpsTransport({ server: url, ca: pem('ca.crt'), ...credentials, clock });
}

async function withControllers(kind: 'loopback' | 'https', work: (world: World) => Promise<void>): Promise<void> {
  const server = await startTestApiServer();
  const reach = REACH[kind](server);
  const logged: string[] = [];
  const log = createLogger({ level: 'warn', write: (line) => void logged.push(line) });
  const client = createClient({ transport: reach.transport, clock, log });
  const context = { client, clock, rng: systemRng(), log, events: createRecorder({ client, clock, log, component: 'test' }) };
  const controllers = createControllers(context, { caCert: 'PEM', transportOf: reach.transportOf });
  const admin = createClient({ transport: server.loopback(), clock, log });
  const { signal } = new AbortController();
  try {
    await Promise.all(controllers.map((controller) => controller.start(signal)));
    await work({ admin, logged });
  } finally {
    await Promise.all(controllers.map((controller) => controller.stop()));
    await Promise.all([client.close(), admin.close()]);
    await reach.close();
    await server.close();
  }
}

const labels = { app: 'web' };
const selector: LabelSelector = { matchLabels: labels };
const template: PodTemplateSpec = {
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
};

function ownedBy(owner: ObjectWithMeta) {
  return [
    {
      apiVersion: owner.apiVersion!,
      kind: owner.kind!,
      name: owner.metadata.name!,
      uid: owner.metadata.uid!,
      controller: true,
      blockOwnerDeletion: true,
    },
  ];
}

/** What a Deployment's controllers would make, without them. */
async function makeFamily(client: Client, namespace: string): Promise<void> {
  const deployment: Deployment = { metadata: { name: 'web' }, spec: { replicas: 0, selector, template } };
  const owner = await client.resource(DEPLOYMENTS, namespace).create(deployment);
  const replicaSet: ReplicaSet = {
    metadata: { name: 'web-1', labels, ownerReferences: ownedBy(owner) },
    spec: { replicas: 0, selector, template },
  };
  const middle = await client.resource(REPLICA_SETS, namespace).create(replicaSet);
  const pod: Pod = {
    metadata: { name: 'web-1-a', labels, ownerReferences: ownedBy(middle) },
    spec: { containers: [{ name: 'web', image: 'nginx' }] },
  };
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
      await waitFor(
        nodes,
        () => nodes.get('n1')?.spec?.taints?.find(({ key }) => key === 'node.kubernetes.io/unschedulable'),
        options('the taint of a cordoned node'),
      );

      const namespaces = admin.informer(NAMESPACES);
      await makeFamily(admin, 'shop');
      await waitFor(namespaces, () => namespaces.get('shop'), options('the namespace'));
      await admin.resource(NAMESPACES).delete('shop');
      await waitFor(namespaces, () => (namespaces.get('shop') ? undefined : true), options('the namespace to go'));
      assert.deepEqual(pods.list(), []);
      assert.deepEqual(logged, []);
    }));
}
