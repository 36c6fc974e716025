import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { Service } from '../api/types.gen.ts';
import { createClient } from '../client/new-client.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { listServices, serviceUrls } from './services.ts';

const services: Record<string, Service> = {
  web: {
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'NodePort', ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] },
  },
  shop: {
    metadata: { name: 'shop', namespace: 'default' },
    spec: {
      type: 'NodePort',
      ports: [
        { name: 'http', port: 80, nodePort: 30081 },
        { name: 'https', port: 8443, nodePort: 30443 },
      ],
    },
  },
  inner: { metadata: { name: 'inner', namespace: 'default' }, spec: { ports: [{ port: 80 }] } },
};

async function transport({ path }: ApiRequest): Promise<ApiResponse> {
  const name = path.split('?')[0]!.split('/').at(-1)!;
  if (name === 'services')
    return { status: 200, headers: {}, body: { kind: 'ServiceList', apiVersion: 'v1', metadata: {}, items: Object.values(services) } };
  const found = services[name];
  return found
    ? { status: 200, headers: {}, body: found }
    : { status: 404, headers: {}, body: { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 } };
}

const client = createClient({ transport, clock: new ManualClock(), log: silentLogger });
const onLinux = { reach: (port: number) => ({ address: '192.168.49.2', port }), https: false };
const onMac = { reach: (port: number) => (port === 30080 ? { address: '127.0.0.1', port: 8080 } : undefined), https: false };
const urls = async (name: string, options = onLinux as Parameters<typeof serviceUrls>[2]) =>
  (await serviceUrls(client, { namespace: 'default', name }, options)).map(({ url }) => url);

test('a NodePort has a URL, a port called https an https one', async () => {
  assert.deepEqual(await urls('web'), ['http://192.168.49.2:30080']);
  assert.deepEqual(await urls('web', { ...onLinux, https: true }), ['https://192.168.49.2:30080']);
  assert.deepEqual(await urls('shop'), ['http://192.168.49.2:30081', 'https://192.168.49.2:30443']);
});

test('where only published ports answer, those are named', async () => {
  assert.deepEqual(await urls('web', onMac), ['http://127.0.0.1:8080']);
  await assert.rejects(urls('shop', onMac), {
    code: 'SERVICE_UNREACHABLE',
    message: 'port 30081 of the node is not published on this machine',
  });
});

test('what has no URL says why', async () => {
  await assert.rejects(urls('nope'), { code: 'SERVICE_NOT_FOUND', exitCode: 115 });
  await assert.rejects(urls('inner'), { code: 'SERVICE_NO_PORT', message: /of type ClusterIP/ });
});

test('the list has all of them', async () => {
  assert.deepEqual(await listServices(client, undefined, onLinux), [
    { namespace: 'default', name: 'web', ports: ['80'], urls: ['http://192.168.49.2:30080'] },
    {
      namespace: 'default',
      name: 'shop',
      ports: ['http/80', 'https/8443'],
      urls: ['http://192.168.49.2:30081', 'https://192.168.49.2:30443'],
    },
    { namespace: 'default', name: 'inner', ports: ['80'], urls: [] },
  ]);
});
