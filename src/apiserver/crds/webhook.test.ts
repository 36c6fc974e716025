import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { KubeObject, WatchEvent } from '../../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { CustomResourceDefinition, Status } from '../../api/types.gen.ts';

/**
 * v1 keeps `host` and `port`, v1beta1 has them as one `hostPort`; the webhook is a real HTTPS server whose certificate the definition's
 * caBundle vouches for.
 */
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const V1 = '/apis/net.example.com/v1/namespaces/default/peers';
const BETA = '/apis/net.example.com/v1beta1/namespaces/default/peers';

let api: TestApiServer;
let webhook: Server;
let broken = false;
let calls = 0;

before(async () => {
  webhook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.end(JSON.stringify(reviewed(JSON.parse(Buffer.concat(chunks).toString()) as Review))));
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  const { port } = webhook.address() as AddressInfo;
  // The Service `kubernetes` leads to the webhook, so that there is one with endpoints and a certificate in its name.
  api = await startTestApiServer({ advertisePort: port });
  webhook.setSecureContext({ cert: api.pki.get('apiserver.crt')!, key: api.pki.get('apiserver.key')! });
  const made = await call('POST', DEFINITIONS, definition({ url: `https://127.0.0.1:${port}/convert` }));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await follow(
    DEFINITIONS,
    ({ object }) =>
      (object as unknown as CustomResourceDefinition).status?.conditions?.some(
        ({ type, status }) => type === 'Established' && status === 'True',
      ) ?? false,
  );
});
after(async () => {
  webhook?.close();
  await api?.close();
});

interface Review {
  request: { uid: string; desiredAPIVersion: string; objects: KubeObject[] };
}

function reviewed({ request: { uid, desiredAPIVersion, objects } }: Review): object {
  calls++;
  const result = broken ? { status: 'Failed', message: 'out of order' } : { status: 'Success' };
  const convertedObjects = objects.map((object) => ({
    ...object,
    apiVersion: desiredAPIVersion,
    spec: converted(object, desiredAPIVersion),
  }));
  return { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', response: { uid, result, convertedObjects } };
}

function converted({ spec }: KubeObject, apiVersion: string): object {
  if (apiVersion.endsWith('/v1beta1')) {
    const { host, port } = spec as { host: string; port: number };
    return { hostPort: `${host}:${port}` };
  }
  const [host, port] = (spec as { hostPort: string }).hostPort.split(':');
  return { host, port: Number(port) };
}

function definition(clientConfig: object): object {
  const schema = (properties: object): object => ({
    openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } },
  });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'peers.net.example.com' },
    spec: {
      group: 'net.example.com',
      scope: 'Namespaced',
      names: { plural: 'peers', kind: 'Peer' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: schema({ host: { type: 'string' }, port: { type: 'integer' } }) },
        { name: 'v1beta1', served: true, storage: false, schema: schema({ hostPort: { type: 'string' } }) },
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: {
          conversionReviewVersions: ['v1'],
          clientConfig: { ...clientConfig, caBundle: Buffer.from(api.pki.get('ca.crt')!).toString('base64') },
        },
      },
    },
  };
}

function call(method: ApiRequest['method'], path: string, body?: unknown, contentType?: string): Promise<ApiResponse> {
  const headers = contentType ? { headers: { 'content-type': contentType } } : {};
  return api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...headers });
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

const specOf = ({ body }: ApiResponse): unknown => (body as KubeObject)['spec'];

test('an object is written and read in any version', async () => {
  const made = await call('POST', BETA, { metadata: { name: 'a' }, spec: { hostPort: 'example.com:80' } });
  assert.deepEqual([made.status, specOf(made)], [201, { hostPort: 'example.com:80' }]);
  assert.deepEqual(specOf(await call('GET', `${V1}/a`)), { host: 'example.com', port: 80 });
  const { items: kept } = await api.storage.range('/registry/net.example.com/peers/');
  assert.match(Buffer.from(kept[0]!.value).toString(), /"apiVersion":"net\.example\.com\/v1"/);
  const changed = await call('PATCH', `${BETA}/a`, { spec: { hostPort: 'example.com:443' } }, 'application/merge-patch+json');
  assert.deepEqual(specOf(changed), { hostPort: 'example.com:443' });
  assert.deepEqual(specOf(await call('GET', `${V1}/a`)), { host: 'example.com', port: 443 });
  const { items } = (await call('GET', BETA)).body as { items: KubeObject[] };
  assert.deepEqual(
    items.map((item) => [item.apiVersion, item['spec']]),
    [['net.example.com/v1beta1', { hostPort: 'example.com:443' }]],
  );
});

test('a watch shows its own version, deletions too', async () => {
  await call('POST', V1, { metadata: { name: 'watched' }, spec: { host: 'a', port: 1 } });
  const live = follow(BETA, ({ type, object }) => object.metadata.name === 'watched' && type === 'MODIFIED');
  const gone = follow(BETA, ({ type, object }) => object.metadata.name === 'watched' && type === 'DELETED');
  await follow(BETA, ({ object }) => object.metadata.name === 'watched');
  await call('PATCH', `${V1}/watched`, { spec: { port: 2 } }, 'application/merge-patch+json');
  assert.deepEqual((await live)['spec'], { hostPort: 'a:2' });
  await call('DELETE', `${V1}/watched`);
  assert.deepEqual((await gone)['spec'], { hostPort: 'a:2' });
});

test('what was converted once is not asked for again', async () => {
  await call('POST', V1, { metadata: { name: 'once' }, spec: { host: 'a', port: 1 } });
  const before = calls;
  for (let read = 0; read < 3; read++) await call('GET', `${BETA}/once`);
  assert.equal(calls, before);
});

test('a webhook that fails fails the request, in its words', async () => {
  broken = true;
  const { status, body } = await call('POST', BETA, { metadata: { name: 'b' }, spec: { hostPort: 'a:1' } });
  broken = false;
  assert.equal(status, 500);
  assert.match((body as Status).message!, /conversion webhook for net\.example\.com\/v1beta1, Kind=Peer failed: out of order/);
});

test('a webhook is found behind a Service', async () => {
  await call('POST', V1, { metadata: { name: 'served' }, spec: { host: 'a', port: 1 } });
  const anew = new Promise<void>((resolve) => api.server.resources.onChange(resolve));
  const { spec } = definition({ service: { namespace: 'default', name: 'kubernetes', path: '/convert' } }) as CustomResourceDefinition;
  const clientConfig = { ...spec.conversion!.webhook!.clientConfig, url: null };
  const change = { spec: { conversion: { webhook: { clientConfig } } } };
  const patched = await call('PATCH', `${DEFINITIONS}/peers.net.example.com`, change, 'application/merge-patch+json');
  assert.equal(patched.status, 200, JSON.stringify(patched.body));
  await anew;
  const read = await call('GET', `${BETA}/served`);
  assert.deepEqual(specOf(read), { hostPort: 'a:1' }, JSON.stringify(read.body));
});
