import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { KubeObject } from '../api/meta.ts';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';

const PATH = '/api/v1/namespaces/default/configmaps?labelSelector=&resourceVersion=';
const COUNT = 200;

let api: TestApiServer;
let agent: https.Agent;
let tls: { ca: string; cert: string; key: string };

before(async () => {
  api = await startTestApiServer();
  tls = { ca: api.pki.get('ca.crt')!, cert: api.pki.get('components/admin.crt')!, key: api.pki.get('components/admin.key')! };
  agent = new https.Agent({ ...tls, keepAlive: true, maxSockets: 1 });
  for (let index = 0; index < COUNT; index++) await put('POST', '', `cm-${String(index).padStart(3, '0')}`, 'first');
});
after(async () => {
  agent?.destroy();
  await api?.close();
});

async function put(method: 'POST' | 'PUT', suffix: string, name: string, text: string): Promise<void> {
  const { status } = await api.loopback()({
    method,
    path: `/api/v1/namespaces/default/configmaps${suffix}`,
    headers: { 'content-type': 'application/json' },
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { text, fill: 'x'.repeat(1024) } },
  });
  assert.ok(status < 300);
}

function request(method: string, headers: Record<string, string> = {}): Promise<{ bytes: Buffer; length: number }> {
  return new Promise((resolve, reject) => {
    const sent = https.request(`${api.url}${PATH}`, { method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ bytes: Buffer.concat(chunks), length: Number(response.headers['content-length']) }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

interface List {
  metadata: { resourceVersion: string };
  items: (KubeObject & { data: { text: string } })[];
}
const parsed = (bytes: Buffer): List => JSON.parse(bytes.toString()) as List;
const ours = ({ items }: List): List['items'] => items.filter(({ metadata }) => metadata.name?.startsWith('cm-'));

test('a list that is much larger than a TLS record arrives whole, one after the other on one connection', async () => {
  const first = await request('GET');
  const second = await request('GET');
  assert.equal(first.bytes.length, first.length);
  assert.equal(ours(parsed(first.bytes)).length, COUNT);
  assert.deepEqual(parsed(second.bytes).items, parsed(first.bytes).items);
});

test('so it does over HTTP/2 and compressed', async () => {
  const { items } = parsed((await request('GET')).bytes);
  const zipped = await request('GET', { 'accept-encoding': 'gzip' });
  assert.ok(zipped.bytes.length < 100_000);
  assert.deepEqual(parsed(gunzipSync(zipped.bytes)).items, items);
  const session = http2.connect(api.url, tls);
  const stream = session.request({ ':path': PATH });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  session.close();
  assert.deepEqual(parsed(Buffer.concat(chunks)).items, items);
});

test('HEAD says how long it is and sends nothing, and the connection goes on', async () => {
  const { bytes, length } = await request('HEAD');
  assert.equal(bytes.length, 0);
  assert.equal(length, (await request('GET')).bytes.length);
});

test('after a change, a creation and a deletion the next list shows it', async () => {
  const before = parsed((await request('GET')).bytes);
  await put('PUT', '/cm-007', 'cm-007', 'second');
  const changed = parsed((await request('GET')).bytes);
  assert.equal(changed.items.find(({ metadata }) => metadata.name === 'cm-007')?.data.text, 'second');
  assert.ok(Number(changed.metadata.resourceVersion) > Number(before.metadata.resourceVersion));
  await put('POST', '', 'cm-100a', 'new');
  assert.deepEqual(
    ours(parsed((await request('GET')).bytes))
      .map(({ metadata }) => metadata.name)
      .slice(100, 102),
    ['cm-100', 'cm-100a'],
  );
  await api.loopback()({ method: 'DELETE', path: '/api/v1/namespaces/default/configmaps/cm-100a' });
  assert.equal(ours(parsed((await request('GET')).bytes)).length, COUNT);
});

test('a change elsewhere moves the revision of the list', async () => {
  const before = parsed((await request('GET')).bytes);
  await api.loopback()({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } },
  });
  const later = parsed((await request('GET')).bytes);
  assert.ok(Number(later.metadata.resourceVersion) > Number(before.metadata.resourceVersion));
  assert.deepEqual(later.items, before.items);
});
