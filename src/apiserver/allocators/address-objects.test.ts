import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { KubeList } from '../../api/meta.ts';
import type { ApiRequest } from '../../api/transport.ts';
import type { IPAddress, Service, ServiceCIDR, Status } from '../../api/types.gen.ts';
import { silentLogger } from '../../lib/log.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer({ serviceCidr: '10.96.0.0/24' });
});
after(() => api.close());

const SERVICES = '/api/v1/namespaces/default/services';
const NETWORKING = '/apis/networking.k8s.io/v1';
const ADDRESSES = `${NETWORKING}/ipaddresses`;

async function call<T>(method: ApiRequest['method'], path: string, body?: unknown): Promise<{ status: number; body: T }> {
  const response = await api.loopback()({ method, path, ...(body === undefined ? {} : { body }) });
  return { status: response.status, body: response.body as T };
}

async function createService(name: string, spec: object = {}): Promise<Service> {
  const { status, body } = await call<Service>('POST', SERVICES, { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

async function parents(): Promise<Record<string, string>> {
  const { body } = await call<KubeList<IPAddress>>('GET', ADDRESSES);
  return Object.fromEntries(body.items.map(({ metadata, spec }) => [metadata.name, `${spec.parentRef.namespace}/${spec.parentRef.name}`]));
}

const soon = { within: 10_000, every: 5 };

test('each cluster IP has an IPAddress that names its Service, and loses it with the Service', async () => {
  await eventually(async () => assert.deepEqual(await parents(), { '10.96.0.1': 'default/kubernetes' }), soon);
  const { spec } = await createService('web');
  await createService('headless', { clusterIP: 'None' });
  await eventually(
    async () => assert.deepEqual(await parents(), { '10.96.0.1': 'default/kubernetes', [spec!.clusterIP!]: 'default/web' }),
    soon,
  );
  const { body } = await call<IPAddress>('GET', `${ADDRESSES}/${spec!.clusterIP}`);
  assert.deepEqual(body.metadata.labels, {
    'ipaddress.kubernetes.io/ip-family': 'IPv4',
    'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
  });
  assert.deepEqual(body.spec, { parentRef: { group: '', resource: 'services', namespace: 'default', name: 'web' } });

  await call('DELETE', `${ADDRESSES}/${spec!.clusterIP}`);
  await eventually(async () => assert.equal((await parents())[spec!.clusterIP!], 'default/web', 'put back when somebody deletes it'), soon);
  await call('DELETE', `${SERVICES}/web`);
  await eventually(async () => assert.deepEqual(await parents(), { '10.96.0.1': 'default/kubernetes' }), soon);
});

test('an IPAddress that somebody else made keeps its address from Services; one that lies is put right', async () => {
  const parentRef = { group: 'example.com', resource: 'gateways', namespace: 'default', name: 'gw' };
  assert.equal((await call('POST', ADDRESSES, { metadata: { name: '10.96.0.77' }, spec: { parentRef } })).status, 201);
  const asked = { metadata: { name: 'thief' }, spec: { clusterIP: '10.96.0.77', ports: [{ port: 80 }] } };
  const refused = await call<Status>('POST', SERVICES, asked);
  assert.equal(refused.status, 422);
  assert.match(refused.body.message!, /provided IP is already allocated/);
  await call('DELETE', `${ADDRESSES}/10.96.0.77`);
  await eventually(async () => assert.equal((await call('POST', SERVICES, asked)).status, 201), soon);

  const labels = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' };
  const lie = {
    metadata: { name: '10.96.0.99', labels },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'nobody' } },
  };
  await call('POST', ADDRESSES, lie);
  await eventually(async () => assert.equal((await parents())['10.96.0.99'], undefined), soon);
});

test('a ServiceCIDR that is ready lends its addresses when others are used up', async () => {
  const small = await startTestApiServer({ serviceCidr: '10.97.0.0/30', log: silentLogger });
  try {
    const ask = async <T>(method: ApiRequest['method'], path: string, body?: unknown): Promise<{ status: number; body: T }> => {
      const response = await small.loopback()({ method, path, ...(body === undefined ? {} : { body }) });
      return { status: response.status, body: response.body as T };
    };
    const service = (name: string, spec: object = {}): object => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
    assert.equal((await ask('POST', SERVICES, service('a'))).status, 201);
    const full = await ask<Status>('POST', SERVICES, service('b'));
    assert.match(full.body.message!, /failed to allocate a serviceIP: range is full/);
    const more = await ask<ServiceCIDR>('POST', `${NETWORKING}/servicecidrs`, {
      metadata: { name: 'more' },
      spec: { cidrs: ['10.98.0.0/24'] },
    });
    assert.equal((await ask('POST', SERVICES, service('b'))).status, 500, 'not before it is ready');
    const lastTransitionTime = '2026-01-01T00:00:00Z';
    const conditions = [{ type: 'Ready', status: 'True', reason: 'x', message: '', lastTransitionTime }];
    const ready = await ask('PUT', `${NETWORKING}/servicecidrs/more/status`, { ...more.body, status: { conditions } });
    assert.equal(ready.status, 200);
    const lent = await ask<Service>('POST', SERVICES, service('b'));
    assert.match(lent.body.spec!.clusterIP!, /^10\.98\.0\./);
    assert.equal((await ask('POST', SERVICES, service('c', { clusterIP: '10.98.0.3' }))).status, 201);
    const overlapping = await ask('POST', SERVICES, service('d', { clusterIP: '10.98.0.3' }));
    assert.equal(overlapping.status, 422);
  } finally {
    await small.close();
  }
});
