/** The metrics API on a real API server, over TLS as kubectl asks; kubelets are texts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ApiResponse, Transport } from '../../api/transport.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/new-client.ts';
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, NODES, PODS, ROLE_BINDINGS, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import { type HttpsTransport, httpsTransport } from '../../client/transports/https.ts';
import { serviceAccountUser } from '../../client/transports/service-account.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { silentLogger } from '../../lib/log.ts';
import { createMetricsServer } from './metrics-server.ts';

const API = '/apis/metrics.k8s.io/v1beta1';
const clock = systemClock({ unref: true });

describe('metrics.k8s.io', () => {
  let api: TestApiServer;
  let admin: Client;
  let https: HttpsTransport;
  let server: Component;
  /** Paths that the API server was asked to pass on. */
  const proxied: string[] = [];

  before(async () => {
    api = await startTestApiServer();
    admin = createClient({ transport: api.loopback(), clock, log: silentLogger });
    const pem = (name: string): Buffer => Buffer.from(api.pki.get(name)!);
    const [ca, cert, key] = [pem('ca.crt'), pem('components/admin.crt'), pem('components/admin.key')];
    https = httpsTransport({ server: api.url, ca, cert, key, clock });
    await applyRbac(admin);
    await createObjects(admin);
    const client = createClient({ transport: api.loopback(serviceAccountUser('metrics-server')), clock, log: silentLogger });
    server = createMetricsServer({
      client,
      clock,
      log: silentLogger,
      announce: (local) => api.server.localApis.add(local),
      proxy: ({ path }) => {
        proxied.push(path);
        return Promise.resolve({ status: 200, headers: {}, text: kubeletText(clock.now()) });
      },
    });
    await server.start(new AbortController().signal);
  });
  after(async () => {
    await server.stop();
    await Promise.all([admin.close(), https.close()]);
    await api.close();
  });

  const get = async (path: string, headers: Record<string, string> = {}, as: Transport = https.transport): Promise<ApiResponse> =>
    as({ method: 'GET', path: `${API}${path}`, headers });
  const names = ({ body }: ApiResponse): string[] => (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name!);

  it('is registered, available and discovered', async () => {
    await eventually(async () => {
      const { body } = await admin.request({ method: 'GET', path: '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io' });
      const { status } = body as { status: { conditions: { type: string; status: string }[] } };
      assert.ok(status.conditions.some((each) => each.type === 'Available' && each.status === 'True'));
    });
    const { body } = await get('');
    const { resources } = body as { resources: { name: string; kind: string; namespaced: boolean; verbs: string[] }[] };
    assert.deepEqual(
      resources.map(({ name, kind, namespaced, verbs }) => [name, kind, namespaced, verbs]),
      [
        ['nodes', 'NodeMetrics', false, ['get', 'list']],
        ['pods', 'PodMetrics', true, ['get', 'list']],
      ],
    );
  });

  it('tells rates and amounts of nodes and pods', async () => {
    const { items } = (await get('/namespaces/default/pods')).body as { items: Record<string, unknown>[] };
    const [web] = items as [{ metadata: KubeObject['metadata']; window: string; containers: unknown[] }];
    assert.deepEqual([web.metadata.name, web.metadata.namespace, web.metadata.labels], ['web', 'default', { app: 'web' }]);
    assert.match(web.window, /^1(\.\d+)?s$/);
    const [aside, main] = web.containers as [{ usage: { cpu: string } }, { name: string; usage: { cpu: string; memory: string } }];
    assert.equal(main.name, 'main');
    assert.ok(Math.abs(Number(main.usage.cpu.replace('n', '')) / 1e9 - 0.25) < 0.001, main.usage.cpu);
    assert.deepEqual([main.usage.memory, aside.usage.cpu], ['64Mi', '0']);
    const node = (await get('/nodes/n1')).body as { kind: string; apiVersion: string; usage: { memory: string } };
    assert.deepEqual([node.kind, node.apiVersion, node.usage.memory], ['NodeMetrics', 'metrics.k8s.io/v1beta1', '2Gi']);
  });

  it('asks only nodes that have a kubelet, and those once', async () => {
    const before = proxied.length;
    await Promise.all([get('/nodes'), get('/pods'), get('/namespaces/default/pods/web')]);
    assert.deepEqual([...new Set(proxied)], ['/api/v1/nodes/n1/proxy/metrics/resource']);
    assert.equal(proxied.length, before);
  });

  const SELECTIONS: Record<string, [string, string[]]> = {
    'all namespaces': ['/pods', ['web', 'api']],
    'one namespace': ['/namespaces/shop/pods', ['api']],
    'by labels': ['/pods?labelSelector=app%3Dapi', ['api']],
    'by name': ['/pods?fieldSelector=metadata.name%3Dweb', ['web']],
    'nodes by labels': ['/nodes?labelSelector=pool%3Dother', []],
  };
  for (const [name, [path, found]] of Object.entries(SELECTIONS))
    it(`lists ${name}`, async () => assert.deepEqual(names(await get(path)).toSorted(), found.toSorted()));

  it('has nothing to tell of what does not run or does not exist', async () => {
    for (const name of ['waiting', 'none']) {
      const { status, body } = await get(`/namespaces/default/pods/${name}`);
      assert.deepEqual([status, (body as { message: string }).message], [404, `pods.metrics.k8s.io "${name}" not found`]);
    }
  });

  it('prints a table', async () => {
    const { body } = await get('/namespaces/default/pods', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    const table = body as { columnDefinitions: { name: string }[]; rows: { cells: string[] }[] };
    assert.deepEqual(
      table.columnDefinitions.map(({ name }) => name),
      ['Name', 'cpu', 'memory', 'Window'],
    );
    const [name, , memory] = table.rows[0]!.cells;
    assert.deepEqual([name, memory], ['web', '65Mi']);
  });

  it('is for those who may view, each in their namespace', async () => {
    const viewer = api.loopback(serviceAccountUser('viewer', 'shop'));
    assert.equal((await get('/namespaces/shop/pods', {}, viewer)).status, 200);
    for (const path of ['/namespaces/default/pods', '/pods', '/nodes']) assert.equal((await get(path, {}, viewer)).status, 403, path);
  });

  it('is gone when it is stopped', async () => {
    await server.stop();
    assert.equal((await get('/nodes')).status, 404);
    await server.start(new AbortController().signal);
  });
});

/** As the addon's manifests have it. */
async function applyRbac(admin: Client): Promise<void> {
  const text = readFileSync(new URL('../../../addons/metrics-server/rbac.yaml', import.meta.url), 'utf8');
  const types = { ClusterRole: CLUSTER_ROLES, ClusterRoleBinding: CLUSTER_ROLE_BINDINGS } as const;
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as KubeObject & { kind: keyof typeof types };
    if (types[object.kind]) await admin.resource(types[object.kind]).create(object);
  }
  await admin.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
  await admin.resource(SERVICE_ACCOUNTS, 'shop').create({ metadata: { name: 'viewer' } });
  await admin.resource(ROLE_BINDINGS, 'shop').create({
    metadata: { name: 'viewer' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:aggregated-metrics-reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'viewer', namespace: 'shop' }],
  });
}

async function createObjects(admin: Client): Promise<void> {
  const nodes = admin.resource(NODES);
  for (const name of ['n1', 'fleet-1']) await nodes.create({ metadata: { name, labels: { pool: 'main' } } });
  await nodes.patch('n1', 'merge', { status: { daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } } } }, 'status');
  for (const namespace of ['default', 'shop']) await admin.resource(SERVICE_ACCOUNTS, namespace).create({ metadata: { name: 'default' } });
  const spec = { containers: [{ name: 'main', image: 'nginx' }] };
  for (const [namespace, name] of [
    ['default', 'web'],
    ['default', 'waiting'],
    ['shop', 'api'],
  ] as const)
    await admin.resource(PODS, namespace).create({ metadata: { name, labels: { app: name } }, spec });
}

/** `web` takes a quarter of a core. */
function kubeletText(now: number): string {
  const at = Math.round(now);
  const lines = [`node_cpu_usage_seconds_total ${at / 1000} ${at}`, `node_memory_working_set_bytes ${2 ** 31} ${at}`];
  const container = (namespace: string, pod: string, name: string, cores: number, bytes: number): void => {
    const labels = `{container="${name}",namespace="${namespace}",pod="${pod}"}`;
    lines.push(
      `container_cpu_usage_seconds_total${labels} ${(at / 1000) * cores} ${at}`,
      `container_memory_working_set_bytes${labels} ${bytes} ${at}`,
    );
  };
  container('default', 'web', 'main', 0.25, 64 * 2 ** 20);
  container('default', 'web', 'aside', 0, 2 ** 20);
  container('shop', 'api', 'main', 0.1, 2 ** 20);
  return `${lines.join('\n')}\n`;
}
