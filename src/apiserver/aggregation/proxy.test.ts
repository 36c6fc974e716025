import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { after, before, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { APIService, APIServiceSpec } from '../../api/types.gen.ts';
import { overHttps } from './https.fixture.ts';

/** A server that knows discovery in its older form only, tells what it was sent, and echoes what it upgrades. */
const ROOT = '/apis/raw.example.com/v1';
const API_SERVICE = '/apis/apiregistration.k8s.io/v1/apiservices/v1.raw.example.com';

interface Told {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  peer: string;
  body: string;
}

let api: TestApiServer;
let backend: Server;

before(async () => {
  api = await startTestApiServer();
  const { pki } = api;
  backend = createServer({
    cert: pki.get('apiserver.crt')!,
    key: pki.get('apiserver.key')!,
    ca: pki.get('front-proxy-ca.crt')!,
    requestCert: true,
    rejectUnauthorized: true,
  });
  backend.on('request', (request, response) => {
    if (request.url === ROOT)
      return response.end(JSON.stringify({ kind: 'APIResourceList', groupVersion: 'raw.example.com/v1', resources: RESOURCES }));
    if (request.url === '/apis' || request.url!.startsWith('/openapi')) return response.writeHead(404).end();
    return void told(request).then((value) =>
      response.writeHead(218, { 'content-type': 'application/json', warning: '299 - "raw"' }).end(JSON.stringify(value)),
    );
  });
  backend.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  await serveBehind((backend.address() as AddressInfo).port);
});
after(async () => {
  backend?.close();
  await api?.close();
});

const RESOURCES = [
  { name: 'rocks', singularName: 'rock', namespaced: true, kind: 'Rock', verbs: ['get', 'list'], shortNames: ['rk'] },
  { name: 'rocks/status', singularName: '', namespaced: true, kind: 'Rock', verbs: ['get'] },
];

async function told(request: IncomingMessage): Promise<Told> {
  const body = (await request.setEncoding('utf8').toArray()).join('');
  const peer = (request.socket as TLSSocket).getPeerCertificate().subject.CN as string;
  return { method: request.method!, url: request.url!, headers: request.headers, peer, body };
}

async function create(path: string, body: object): Promise<void> {
  const { status, body: answer } = await api.loopback()({ method: 'POST', path, body });
  assert.equal(status, 201, JSON.stringify(answer));
}

async function serveBehind(port: number): Promise<void> {
  await create('/api/v1/namespaces/default/services', { metadata: { name: 'raw' }, spec: { ports: [{ port: 443 }] } });
  await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'raw', labels: { 'kubernetes.io/service-name': 'raw' } },
    addressType: 'IPv4',
    ports: [{ port }],
    endpoints: [{ addresses: ['127.0.0.1'] }],
  });
  const service = { namespace: 'default', name: 'raw' };
  const spec = {
    group: 'raw.example.com',
    version: 'v1',
    service,
    groupPriorityMinimum: 10,
    versionPriority: 10,
    insecureSkipTLSVerify: true,
  };
  await create('/apis/apiregistration.k8s.io/v1/apiservices', { metadata: { name: 'v1.raw.example.com' }, spec });
  await untilAvailable('True Passed');
}

async function untilAvailable(expected: string): Promise<void> {
  await eventually(async () => {
    const { body } = await api.loopback()({ method: 'GET', path: API_SERVICE });
    const condition = (body as APIService).status?.conditions?.find(({ type }) => type === 'Available');
    assert.ok(`${condition?.status} ${condition?.reason}: ${condition?.message}`.startsWith(expected), condition?.message);
  });
}

test('a request arrives as it was sent, with the front proxy’s word for who sent it', async () => {
  const { status, text, headers } = await overHttps(api, 'POST', `${ROOT}/namespaces/default/rocks?dryRun=All`, { body: '{"a":1}' });
  assert.equal(status, 218);
  assert.equal(headers['warning'], '299 - "raw"');
  const seen = JSON.parse(text) as Told;
  assert.deepEqual(
    [seen.method, seen.url, seen.body, seen.peer],
    ['POST', `${ROOT}/namespaces/default/rocks?dryRun=All`, '{"a":1}', 'front-proxy-client'],
  );
  assert.equal(seen.headers['x-remote-user'], 'kubernetes-admin');
  assert.equal(seen.headers['x-remote-group'], 'system:masters, system:authenticated');
});

test('what a client says of itself is not passed on', async () => {
  const { status, body } = await api.loopback()({
    method: 'GET',
    path: `${ROOT}/rocks`,
    headers: { authorization: 'Bearer secret', 'x-remote-user': 'root', 'x-remote-extra-a': 'b', 'impersonate-user': 'root' },
  });
  assert.equal(status, 218);
  const { headers } = body as Told;
  assert.equal(headers['x-remote-user'], 'kubernetes-admin');
  for (const name of ['authorization', 'x-remote-extra-a', 'impersonate-user']) assert.equal(headers[name], undefined, name);
});

test('upgrades are passed through', async () => {
  const { pki, url } = api;
  const upgraded = await new Promise<Duplex>((resolve, reject) => {
    const sent = httpsRequest(new URL(`${ROOT}/namespaces/default/rocks/one/echo`, url), {
      ca: pki.get('ca.crt')!,
      cert: pki.get('components/admin.crt')!,
      key: pki.get('components/admin.key')!,
      headers: { connection: 'Upgrade', upgrade: 'echo' },
      agent: false,
    });
    sent.once('upgrade', (_response, socket) => resolve(socket)).once('error', reject);
    sent.once('response', ({ statusCode }) => reject(new Error(`not upgraded: ${statusCode}`)));
    sent.end();
  });
  upgraded.write('hello');
  const [answer] = (await once(upgraded, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'HELLO');
  upgraded.destroy();
});

test('discovery of old is shown in the new form', async () => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { body } = await api.loopback()({ method: 'GET', path: '/apis', headers: { accept } });
  const group = (body as { items: { metadata: { name: string }; versions: object[] }[] }).items.at(-1)!;
  const responseKind = { group: 'raw.example.com', version: 'v1', kind: 'Rock' };
  assert.deepEqual(group, {
    metadata: { name: 'raw.example.com', creationTimestamp: null },
    versions: [
      {
        version: 'v1',
        freshness: 'Current',
        resources: [
          {
            resource: 'rocks',
            responseKind,
            scope: 'Namespaced',
            singularResource: 'rock',
            verbs: ['get', 'list'],
            shortNames: ['rk'],
            subresources: [{ subresource: 'status', responseKind, verbs: ['get'] }],
          },
        ],
      },
    ],
  });
});

test('a server whose OpenAPI is missing leaves that of the others as it is', async () => {
  const { status, text } = await overHttps(api, 'GET', '/openapi/v2');
  assert.equal(status, 200);
  assert.ok('io.k8s.api.core.v1.Pod' in (JSON.parse(text) as { definitions: object }).definitions);
});

test('a certificate that is not the Service’s is refused', async () => {
  const caBundle = Buffer.from(api.pki.get('ca.crt')!).toString('base64');
  const spec: Partial<APIServiceSpec> = { insecureSkipTLSVerify: false, caBundle };
  const headers = { 'content-type': 'application/merge-patch+json' };
  const patched = await api.loopback()({ method: 'PATCH', path: API_SERVICE, body: { spec }, headers });
  assert.equal(patched.status, 200, JSON.stringify(patched.body));
  await untilAvailable('False FailedDiscoveryCheck: failing or missing response from https://127.0.0.1:');
  assert.equal((await overHttps(api, 'GET', `${ROOT}/rocks`)).status, 503);
  assert.match((await overHttps(api, 'GET', '/metrics')).text, /aggregator_unavailable_apiservice\{name="v1\.raw\.example\.com"\} 1/);
});
