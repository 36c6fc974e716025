/** Custom resources and the controllers: owners, namespaces and quotas know what nobody knew when the cluster started. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject, WatchEvent } from '../../src/api/meta.ts';
import type { ApiRequest } from '../../src/api/transport.ts';
import type { CustomResourceDefinition, ResourceQuota } from '../../src/api/types.gen.ts';
import { cronTab, cronTabs } from '../../src/apiserver/crds/definitions.fixture.ts';
import { createClient } from '../../src/client/new-client.ts';
import { createRecorder } from '../../src/client/recorder.ts';
import { serviceAccountUser } from '../../src/client/transports/service-account.ts';
import { createControllers } from '../../src/controllers/registry.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Component } from '../../src/lib/component.ts';
import { createLogger } from '../../src/lib/log.ts';
import { systemRng } from '../../src/lib/random.ts';
import { startTestApiServer, type TestApiServer } from '../fixtures/apiserver.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const cronTabsIn = (namespace: string): string => `/apis/stable.example.com/v1/namespaces/${namespace}/crontabs`;

let api: TestApiServer;
let controllers: readonly Component[];
let close: () => Promise<unknown>;

before(async () => {
  api = await startTestApiServer();
  const clock = systemClock();
  const log = createLogger({ level: 'error' });
  const manager = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };
  const client = createClient({ transport: api.loopback(manager), clock, log });
  const context = { client, clock, rng: systemRng(), log, events: createRecorder({ client, clock, log, component: 'test' }) };
  controllers = createControllers(context, { caCert: 'PEM', transportOf: (name) => api.loopback(serviceAccountUser(name)) });
  close = () => client.close();
  await Promise.all(controllers.map((controller) => controller.start(new AbortController().signal)));
  await send('POST', DEFINITIONS, cronTabs());
  await follow(DEFINITIONS, ({ object }) => {
    const { conditions } = (object as unknown as CustomResourceDefinition).status ?? {};
    return conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
  });
});
after(async () => {
  await Promise.all((controllers ?? []).map((controller) => controller.stop()));
  await close?.();
  await api?.close();
});

async function send(method: ApiRequest['method'], path: string, body?: unknown): Promise<KubeObject> {
  const response = await api.loopback()({ method, path, ...(body ? { body } : {}) });
  assert.ok(response.status < 300, JSON.stringify(response.body));
  return response.body as KubeObject;
}

async function follow(path: string, until: (event: WatchEvent) => boolean): Promise<KubeObject> {
  const stop = new AbortController();
  const { events } = await api.loopback()({ method: 'GET', path: `${path}?watch=true`, signal: stop.signal });
  for await (const batch of events!) {
    const found = batch.find(until);
    if (!found) continue;
    stop.abort();
    return found.object;
  }
  throw new Error('the watch ended');
}

test('an owner takes its dependents along, custom resources on either side', { timeout: 20_000 }, async () => {
  const owner = await send('POST', cronTabsIn('default'), cronTab('owner'));
  const reference = { apiVersion: owner.apiVersion, kind: owner.kind, name: 'owner', uid: owner.metadata.uid };
  const map = { metadata: { name: 'owned', ownerReferences: [reference] } };
  const dependent = { ...cronTab('dependent'), metadata: { name: 'dependent', ownerReferences: [reference] } };
  await send('POST', '/api/v1/namespaces/default/configmaps', map);
  await send('POST', cronTabsIn('default'), dependent);
  const gone = Promise.all([
    follow('/api/v1/namespaces/default/configmaps', ({ type, object }) => type === 'DELETED' && object.metadata.name === 'owned'),
    follow(cronTabsIn('default'), ({ type, object }) => type === 'DELETED' && object.metadata.name === 'dependent'),
  ]);
  await send('DELETE', `${cronTabsIn('default')}/owner`);
  await gone;
});

test('a namespace takes them along', { timeout: 20_000 }, async () => {
  await send('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
  await send('POST', cronTabsIn('shop'), cronTab('stock'));
  const gone = follow('/api/v1/namespaces', ({ type, object }) => type === 'DELETED' && object.metadata.name === 'shop');
  await send('DELETE', '/api/v1/namespaces/shop');
  await gone;
  const { items } = (await send('GET', '/apis/stable.example.com/v1/crontabs')) as unknown as { items: KubeObject[] };
  assert.deepEqual(
    items.filter(({ metadata }) => metadata.namespace === 'shop'),
    [],
  );
});

test('a quota counts them', { timeout: 20_000 }, async () => {
  await send('POST', '/api/v1/namespaces', { metadata: { name: 'small' } });
  const hard = { 'count/crontabs.stable.example.com': '1' };
  await send('POST', '/api/v1/namespaces/small/resourcequotas', { metadata: { name: 'few' }, spec: { hard } });
  await follow('/api/v1/namespaces/small/resourcequotas', ({ object }) => {
    const { status } = object as unknown as ResourceQuota;
    return status?.used?.['count/crontabs.stable.example.com'] === '0';
  });
  await send('POST', cronTabsIn('small'), cronTab('one'));
  const { status, body } = await api.loopback()({ method: 'POST', path: cronTabsIn('small'), body: cronTab('two') });
  assert.equal(status, 403);
  assert.match((body as { message: string }).message, /exceeded quota: few, requested: count\/crontabs\.stable\.example\.com=1/);
});
