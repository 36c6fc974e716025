/** Each controller alone, over TLS, with the rights of its own service account: it needs neither the loopback nor any other controller. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import { rsaRequest } from '../../test/fixtures/certificate-request.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import type { ObjectWithMeta } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import type { OwnerReference, PodTemplateSpec } from '../api/types.gen.ts';
import type { Client, ResourceType } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import * as resources from '../client/resources.ts';
import { httpsTransport } from '../client/transports/https.ts';
import { serviceAccountTransports } from '../client/transports/service-account.ts';
import { systemClock, type Clock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { controllerNames, createControllers } from './registry.ts';

const clock = systemClock({ unref: true });
const HOUR_MS = 3_600_000;
const soon = { within: 20_000, every: 20 };

/** One controller's desk: what it works on is made here, and looked at until it is done. */
interface Desk {
  namespace: string;
  admin: Client;
  make<T extends ObjectWithMeta>(type: ResourceType<T>, object: T): Promise<T>;
  /** The status of what was made. */
  report<T extends ObjectWithMeta>(type: ResourceType<T>, name: string, status: object): Promise<void>;
  /** Waits until the object is so. */
  see<T extends ObjectWithMeta>(type: ResourceType<T>, name: string, check: (object: T) => unknown): Promise<void>;
  /** Waits until the first of those in the namespace is so. */
  seeAny<T extends ObjectWithMeta>(type: ResourceType<T>, check?: (object: T) => unknown): Promise<void>;
  seeGone<T extends ObjectWithMeta>(type: ResourceType<T>, name: string): Promise<void>;
  remove<T extends ObjectWithMeta>(type: ResourceType<T>, name: string): Promise<void>;
}

interface Work {
  /** How far this controller's clock is ahead, ms: for what it does after hours. */
  aheadMs?: number;
  do(desk: Desk): Promise<void>;
}

const labels = { app: 'web' };
const selector = { matchLabels: labels };
const template: PodTemplateSpec = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'nginx' }] } };
const pod = (name: string, nodeName = 'n1') => ({ metadata: { name, labels }, spec: { ...template.spec!, nodeName } });
const serving = {
  phase: 'Running',
  podIP: '10.1.2.3',
  podIPs: [{ ip: '10.1.2.3' }],
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
};
const service = { metadata: { name: 'web' }, spec: { selector: labels, ports: [{ port: 80 }] } };

async function serve(desk: Desk): Promise<void> {
  await desk.make(resources.SERVICES, service);
  await desk.make(resources.PODS, pod('web'));
  await desk.report(resources.PODS, 'web', serving);
}

async function askForCertificate({ make, namespace: name }: Desk, commonName: string, organizations: string[]): Promise<void> {
  const { request } = rsaRequest({ commonName, organizations });
  const spec = { request, signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['digital signature', 'client auth'] };
  await make(resources.CERTIFICATE_SIGNING_REQUESTS, { metadata: { name }, spec });
}

function bootstrapToken(id: string, expiration: string) {
  const secret = { 'token-id': id, 'token-secret': '0123456789abcdef', expiration, 'usage-bootstrap-signing': 'true' };
  const stringData = { ...secret, 'usage-bootstrap-authentication': 'true' };
  return { metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token', stringData };
}

const WORK: Record<string, Work> = {
  'service-account-controller': { do: ({ see }) => see(resources.SERVICE_ACCOUNTS, 'default', () => true) },
  'root-ca-cert-publisher': { do: ({ see }) => see(resources.CONFIG_MAPS, 'kube-root-ca.crt', ({ data }) => data?.['ca.crt']) },
  'namespace-controller': {
    async do({ make, remove, seeGone, namespace }) {
      await make(resources.CONFIG_MAPS, { metadata: { name: 'left' } });
      await remove(resources.NAMESPACES, namespace);
      await seeGone(resources.NAMESPACES, namespace);
    },
  },
  'garbage-collector-controller': {
    async do({ make, remove, seeGone }) {
      const { metadata } = await make(resources.CONFIG_MAPS, { metadata: { name: 'owner' } });
      const owner: OwnerReference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata.uid! };
      await make(resources.CONFIG_MAPS, { metadata: { name: 'dependent', ownerReferences: [owner] } });
      await remove(resources.CONFIG_MAPS, 'owner');
      await seeGone(resources.CONFIG_MAPS, 'dependent');
    },
  },
  'node-controller': {
    async do({ make, see, namespace: name }) {
      await make(resources.NODES, { metadata: { name }, spec: { unschedulable: true } });
      await see(resources.NODES, name, ({ spec }) => spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/unschedulable'));
    },
  },
  'taint-eviction-controller': {
    async do({ make, see, namespace: name }) {
      await make(resources.NODES, { metadata: { name }, spec: { taints: [{ key: 'broken', effect: 'NoExecute' }] } });
      await make(resources.PODS, pod('web', name));
      await see(resources.PODS, 'web', ({ metadata }) => metadata.deletionTimestamp);
    },
  },
  'pod-garbage-collector': {
    async do({ make, remove, see }) {
      await make(resources.PODS, { metadata: { name: 'stuck', finalizers: ['example.com/hold'] }, spec: template.spec! });
      await remove(resources.PODS, 'stuck');
      await see(resources.PODS, 'stuck', ({ status }) => status?.phase === 'Failed');
    },
  },
  'deployment-controller': {
    async do({ make, seeAny }) {
      await make(resources.DEPLOYMENTS, { metadata: { name: 'web' }, spec: { selector, template } });
      await seeAny(resources.REPLICA_SETS, ({ spec }) => spec?.replicas === 1);
    },
  },
  'replicaset-controller': {
    async do({ make, seeAny }) {
      await make(resources.REPLICA_SETS, { metadata: { name: 'web' }, spec: { replicas: 1, selector, template } });
      await seeAny(resources.PODS);
    },
  },
  'replication-controller': {
    async do({ make, seeAny }) {
      await make(resources.REPLICATION_CONTROLLERS, { metadata: { name: 'web' }, spec: { replicas: 1, selector: labels, template } });
      await seeAny(resources.PODS);
    },
  },
  'job-controller': {
    async do({ make, seeAny }) {
      const once = { ...template, spec: { ...template.spec!, restartPolicy: 'Never' } };
      await make(resources.JOBS, { metadata: { name: 'once' }, spec: { template: once } });
      await seeAny(resources.PODS, ({ metadata }) => metadata.finalizers?.includes('batch.kubernetes.io/job-tracking'));
    },
  },
  'cronjob-controller': {
    aheadMs: HOUR_MS,
    async do({ make, seeAny }) {
      const once = { ...template, spec: { ...template.spec!, restartPolicy: 'Never' } };
      await make(resources.CRON_JOBS, {
        metadata: { name: 'tick' },
        spec: { schedule: '* * * * *', jobTemplate: { spec: { template: once } } },
      });
      await seeAny(resources.JOBS);
    },
  },
  'ttl-after-finished-controller': {
    aheadMs: HOUR_MS,
    async do({ make, report, see }) {
      const once = { ...template, spec: { ...template.spec!, restartPolicy: 'Never' } };
      await make(resources.JOBS, { metadata: { name: 'done' }, spec: { template: once, ttlSecondsAfterFinished: 60 } });
      const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
      const of = (type: string) => ({ type, status: 'True', lastTransitionTime: now, lastProbeTime: now });
      const conditions = [of('SuccessCriteriaMet'), of('Complete')];
      await report(resources.JOBS, 'done', { startTime: now, completionTime: now, succeeded: 1, conditions });
      // In the foreground: the garbage collector would let it go.
      await see(resources.JOBS, 'done', ({ metadata }) => metadata.deletionTimestamp);
    },
  },
  'daemonset-controller': {
    async do({ make, seeAny }) {
      await make(resources.DAEMON_SETS, { metadata: { name: 'agent' }, spec: { selector, template } });
      await seeAny(resources.PODS);
    },
  },
  'statefulset-controller': {
    async do({ make, see }) {
      await make(resources.STATEFUL_SETS, { metadata: { name: 'db' }, spec: { serviceName: 'db', selector, template } });
      await see(resources.PODS, 'db-0', () => true);
    },
  },
  'endpointslice-controller': {
    async do(desk) {
      await serve(desk);
      await desk.seeAny(resources.ENDPOINT_SLICES, ({ endpoints }) => endpoints?.[0]?.addresses[0] === '10.1.2.3');
    },
  },
  'endpoint-controller': {
    async do(desk) {
      await serve(desk);
      await desk.see(resources.ENDPOINTS, 'web', ({ subsets }) => subsets?.[0]?.addresses?.[0]?.ip === '10.1.2.3');
    },
  },
  'endpointslicemirroring-controller': {
    async do({ make, seeAny }) {
      await make(resources.SERVICES, { metadata: { name: 'far' }, spec: { ports: [{ port: 80 }] } });
      await make(resources.ENDPOINTS, {
        metadata: { name: 'far' },
        subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 80 }] }],
      });
      await seeAny(resources.ENDPOINT_SLICES, ({ endpoints }) => endpoints?.[0]?.addresses[0] === '192.0.2.7');
    },
  },
  resource_claim: {
    async do({ make, seeAny }) {
      const devices = { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] };
      await make(resources.RESOURCE_CLAIM_TEMPLATES, { metadata: { name: 'gpu' }, spec: { spec: { devices } } });
      const spec = { ...template.spec!, resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }] };
      await make(resources.PODS, { metadata: { name: 'train' }, spec });
      await seeAny(resources.RESOURCE_CLAIMS);
    },
  },
  'horizontal-pod-autoscaler': {
    async do({ make, see }) {
      await make(resources.DEPLOYMENTS, { metadata: { name: 'web' }, spec: { replicas: 5, selector, template } });
      const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
      await make(resources.HORIZONTAL_POD_AUTOSCALERS, { metadata: { name: 'web' }, spec: { scaleTargetRef, maxReplicas: 2 } });
      await see(resources.DEPLOYMENTS, 'web', ({ spec }) => spec?.replicas === 2);
    },
  },
  'disruption-controller': {
    async do({ make, see }) {
      await make(resources.REPLICA_SETS, { metadata: { name: 'web' }, spec: { replicas: 2, selector, template } });
      await make(resources.POD_DISRUPTION_BUDGETS, { metadata: { name: 'web' }, spec: { selector, minAvailable: 1 } });
      await see(resources.POD_DISRUPTION_BUDGETS, 'web', ({ status, metadata }) => status?.observedGeneration === metadata.generation);
    },
  },
  'clusterrole-aggregation-controller': {
    async do({ make, see, namespace: name }) {
      const rules = [{ apiGroups: ['example.com'], resources: ['toys'], verbs: ['get'] }];
      await make(resources.CLUSTER_ROLES, { metadata: { name: `${name}-part`, labels: { part: name } }, rules });
      const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { part: name } }] };
      await make(resources.CLUSTER_ROLES, { metadata: { name }, aggregationRule, rules: [] });
      await see(resources.CLUSTER_ROLES, name, (role) => role.rules?.[0]?.resources?.[0] === 'toys');
    },
  },
  csrapproving: {
    async do(desk) {
      await askForCertificate(desk, 'system:node:n9', ['system:nodes']);
      await desk.see(resources.CERTIFICATE_SIGNING_REQUESTS, desk.namespace, ({ status }) =>
        status?.conditions?.some(({ type }) => type === 'Approved'),
      );
    },
  },
  csrsigning: {
    async do(desk) {
      await askForCertificate(desk, 'system:node:n9', ['system:nodes']);
      const { admin, namespace: name } = desk;
      const conditions = [{ type: 'Approved', status: 'True', reason: 'Test', message: 'by hand' }];
      await admin.resource(resources.CERTIFICATE_SIGNING_REQUESTS).patch(name, 'merge', { status: { conditions } }, 'approval');
      await desk.see(resources.CERTIFICATE_SIGNING_REQUESTS, name, ({ status }) => status?.certificate);
    },
  },
  csrcleaner: {
    aheadMs: 25 * HOUR_MS,
    async do(desk) {
      await askForCertificate(desk, 'system:node:n9', ['system:nodes']);
      await desk.seeGone(resources.CERTIFICATE_SIGNING_REQUESTS, desk.namespace);
    },
  },
  tokencleaner: {
    aheadMs: HOUR_MS,
    async do({ admin }) {
      const expiration = new Date(Date.now() + HOUR_MS / 2).toISOString().replace(/\.\d+Z$/, 'Z');
      const secrets = admin.resource(resources.SECRETS, 'kube-system');
      await secrets.create(bootstrapToken('clean1', expiration));
      await eventually(() => assert.rejects(secrets.get('bootstrap-token-clean1'), isNotFound), soon);
    },
  },
  bootstrapsigner: {
    async do({ admin }) {
      const expiration = new Date(Date.now() + HOUR_MS).toISOString().replace(/\.\d+Z$/, 'Z');
      await admin.resource(resources.SECRETS, 'kube-system').create(bootstrapToken('sign01', expiration));
      const maps = admin.resource(resources.CONFIG_MAPS, 'kube-public');
      await ensure(maps.create({ metadata: { name: 'cluster-info' }, data: { kubeconfig: 'apiVersion: v1' } }));
      await eventually(async () => assert.ok((await maps.get('cluster-info')).data?.['jws-kubeconfig-sign01']), soon);
    },
  },
  'legacy-service-account-token-cleaner': {
    aheadMs: 2 * 366 * 24 * HOUR_MS,
    async do({ admin, make, see }) {
      const { metadata } = await make(resources.SERVICE_ACCOUNTS, { metadata: { name: 'old' }, secrets: [{ name: 'old-token' }] });
      const annotations = { 'kubernetes.io/service-account.name': 'old', 'kubernetes.io/service-account.uid': metadata.uid! };
      await make(resources.SECRETS, { metadata: { name: 'old-token', annotations }, type: 'kubernetes.io/service-account-token' });
      const maps = admin.resource(resources.CONFIG_MAPS, 'kube-system');
      await ensure(
        maps.create({ metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking' }, data: { since: '2026-01-01' } }),
      );
      await see(resources.SECRETS, 'old-token', (secret) => secret.metadata.labels?.['kubernetes.io/legacy-token-invalid-since']);
    },
  },
  'service-cidrs-controller': {
    async do({ make, see, namespace: name }) {
      await make(resources.SERVICE_CIDRS, { metadata: { name }, spec: { cidrs: ['10.77.0.0/24'] } });
      await see(resources.SERVICE_CIDRS, name, ({ status }) =>
        status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
      );
    },
  },
  'resourcequota-controller': {
    async do({ make, see }) {
      await make(resources.RESOURCE_QUOTAS, { metadata: { name: 'few' }, spec: { hard: { configmaps: '7' } } });
      await see(resources.RESOURCE_QUOTAS, 'few', ({ status }) => status?.hard?.['configmaps'] === '7' && status.used?.['configmaps']);
    },
  },
};

/** Those of volumes have their table in `persistentvolume/alone.test.ts`. */
const ELSEWHERE = [
  'persistentvolume-controller',
  'ephemeral-volume-controller',
  'pvc-protection-controller',
  'pv-protection-controller',
  'volumeattributesclass-protection-controller',
  'attachdetach-controller',
  'volume_expand',
];

test('there is work for each controller of the registry', () => {
  assert.deepEqual([...Object.keys(WORK), ...ELSEWHERE].toSorted(), controllerNames().toSorted());
});

// One after the other: a controller works on all namespaces, also on what is another's.
describe('alone over https', () => {
  let server: TestApiServer;
  let admin: Client;
  before(async () => {
    server = await startTestApiServer();
    admin = createClient({ transport: server.loopback(), clock, log: createLogger({ level: 'warn' }) });
    await admin.resource(resources.NODES).create({ metadata: { name: 'n1' } });
    await admin.resource(resources.NODES).patch('n1', 'merge', { spec: { taints: null } });
    await admin.resource(resources.DEVICE_CLASSES).create({ metadata: { name: 'gpu' }, spec: {} });
  });
  after(async () => {
    await admin.close();
    await server.close();
  });

  for (const [name, work] of Object.entries(WORK)) {
    test(name, async () => {
      const logged: string[] = [];
      const controller = aloneOverTls(server, name, { aheadMs: work.aheadMs ?? 0, logged });
      const namespace = `alone-${name.replaceAll('_', '-')}`.slice(0, 60);
      try {
        await admin.resource(resources.NAMESPACES).create({ metadata: { name: namespace } });
        await ensure(
          admin
            .resource(resources.SERVICE_ACCOUNTS, namespace)
            .create({ metadata: { name: name === 'service-account-controller' ? 'other' : 'default' } }),
        );
        await controller.start();
        await work.do(deskOf(admin, namespace));
        // A cache that is a moment late is no fault; the next round sees it.
        assert.deepEqual(
          logged.filter((line) => !line.includes('already exists')),
          [],
        );
      } finally {
        await controller.stop();
      }
    });
  }
});

function aloneOverTls({ url, pki }: TestApiServer, name: string, { aheadMs, logged }: { aheadMs: number; logged: string[] }) {
  const pem = (file: string): string => pki.get(file)!;
  const [cert, key, ca] = [pem('components/controller-manager.crt'), pem('components/controller-manager.key'), pem('ca.crt')];
  const manager = httpsTransport({ server: url, ca, cert, key, clock });
  const anonymous = httpsTransport({ server: url, ca, clock });
  const log = createLogger({ level: 'warn', write: (line) => void logged.push(line) });
  const itsClock: Clock = { ...clock, now: () => clock.now() + aheadMs };
  const client = createClient({ transport: manager.transport, clock, log });
  const context = { client, clock: itsClock, rng: systemRng(), log, events: createRecorder({ client, clock, log, component: name }) };
  const controllers = createControllers(context, {
    caCert: ca,
    clusterSigning: { caCert: ca, caKey: pem('ca.key') },
    transportOf: serviceAccountTransports({ client, base: anonymous.transport, clock }),
    only: [name],
  });
  return {
    start: () => Promise.all(controllers.map((controller) => controller.start(new AbortController().signal))),
    stop: async () => {
      await Promise.all(controllers.map((controller) => controller.stop()));
      await client.close();
      await Promise.all([manager.close(), anonymous.close()]);
    },
  };
}

function deskOf(admin: Client, namespace: string): Desk {
  const of = <T extends ObjectWithMeta>(type: ResourceType<T>) => admin.resource(type, type.namespaced ? namespace : undefined);
  return {
    namespace,
    admin,
    make: (type, object) => of(type).create(object),
    report: async (type, name, status) => void (await of(type).patch(name, 'merge', { status }, 'status')),
    see: (type, name, check) => eventually(async () => assert.ok(check(await of(type).get(name)), `${type.resource}/${name}`), soon),
    seeAny: (type, check = () => true) =>
      eventually(async () => {
        const { items } = await of(type).list();
        assert.ok(items[0] && check(items[0]), `${type.resource}: ${items.length}`);
      }, soon),
    seeGone: (type, name) => eventually(() => assert.rejects(of(type).get(name), isNotFound), soon),
    remove: (type, name) => of(type).delete(name),
  };
}

const isNotFound = (error: unknown): boolean => StatusError.is(error, 'NotFound');

/** It may be there already. */
async function ensure(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!StatusError.is(error, 'AlreadyExists')) throw error;
  }
}
