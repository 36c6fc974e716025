import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';

let api: TestApiServer;
let tls: { ca: string; cert: string; key: string };

before(async () => {
  api = await startTestApiServer();
  const file = (name: RegExp): string => [...api.pki].find(([path]) => name.test(path))![1];
  tls = { ca: file(/^ca\.crt$/), cert: file(/admin\.crt$/), key: file(/admin\.key$/) };
});
after(() => api?.close());

interface Reply {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

function request(
  method: string,
  path: string,
  {
    body,
    headers,
    anonymous = false,
    url = api.url,
  }: { body?: string; headers?: Record<string, string>; anonymous?: boolean; url?: string } = {},
): Promise<Reply> {
  const options = anonymous ? { ca: tls.ca } : tls;
  return new Promise((resolve, reject) => {
    const sent = https.request(
      `${url}${path}`,
      { method, headers: { ...headers, ...(body ? { 'content-length': String(Buffer.byteLength(body)) } : {}) }, ...options },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

interface Parsed {
  kind: string;
  apiVersion: string;
  message: string;
  reason: string;
  columnDefinitions: { name: string }[];
  rows: { cells: unknown[]; object: { kind: string } }[];
  items: object[];
}

const json = (reply: Reply): Parsed => JSON.parse(reply.body.toString()) as Parsed;

describe('over TLS', () => {
  test('a client certificate is who one is; without one one is anonymous', async () => {
    assert.equal((await request('GET', '/api/v1/nodes')).status, 200);
    const anonymous = await request('GET', '/api/v1/nodes', { anonymous: true });
    assert.equal(anonymous.status, 403);
    assert.match(json(anonymous).message, /User "system:anonymous" cannot list resource "nodes"/);
    assert.equal((await request('GET', '/livez', { anonymous: true })).body.toString(), 'ok');
  });

  test('a bad token is 401', async () => {
    const reply = await request('GET', '/api/v1/nodes', { anonymous: true, headers: { authorization: 'Bearer nonsense' } });
    assert.deepEqual([reply.status, json(reply).reason], [401, 'Unauthorized']);
  });

  test('answers carry what kube-apiserver sends with them', async () => {
    const { headers, body } = await request('GET', '/api/v1/namespaces/default');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['cache-control'], 'no-cache, private');
    assert.match(String(headers['audit-id']), /^[0-9a-f-]{36}$/);
    assert.ok(body.toString().endsWith('}\n'));
  });

  test('unknown fields are warned of, or refused when asked to', async () => {
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'odd' }, datta: {} });
    const headers = { 'content-type': 'application/json' };
    const path = '/api/v1/namespaces/default/configmaps?dryRun=All';
    assert.equal((await request('POST', path, { body, headers })).headers['warning'], '299 - "unknown field \\"datta\\""');
    const strict = await request('POST', `${path}&fieldValidation=Strict`, { body, headers });
    assert.equal(strict.status, 400);
    assert.match(json(strict).message, /strict decoding error: unknown field "datta"/);
  });

  test('a body that is too large is 413, one that is no JSON 400', async () => {
    const headers = { 'content-type': 'application/json' };
    const broken = await request('POST', '/api/v1/namespaces/default/configmaps', { body: '{', headers });
    assert.equal(broken.status, 400);
    assert.match(
      json(broken).message,
      /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /,
    );
    const large = JSON.stringify({ metadata: { name: 'large' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } });
    assert.equal((await request('POST', '/api/v1/namespaces/default/configmaps', { body: large, headers })).status, 413);
  });

  test('YAML in and out', async () => {
    const body = 'metadata: {name: from-yaml}\ndata: {a: b}\n';
    assert.equal(
      (await request('POST', '/api/v1/namespaces/default/configmaps', { body, headers: { 'content-type': 'application/yaml' } })).status,
      201,
    );
    const reply = await request('GET', '/api/v1/namespaces/default/configmaps/from-yaml', { headers: { accept: 'application/yaml' } });
    assert.match(reply.body.toString(), /^data:\n {2}a: b$/m);
  });

  test('protobuf out', async () => {
    const reply = await request('GET', '/api/v1/namespaces', { headers: { accept: 'application/vnd.kubernetes.protobuf' } });
    assert.equal(reply.headers['content-type'], 'application/vnd.kubernetes.protobuf');
    assert.equal(reply.body.subarray(0, 4).toString('latin1'), 'k8s\0');
  });

  test("a Table has the kind's columns and metadata of each row", async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
    const table = json(await request('GET', '/api/v1/namespaces', { headers: { accept } }));
    assert.equal(table.kind, 'Table');
    assert.deepEqual(
      table.columnDefinitions.map(({ name }) => name),
      ['Name', 'Status', 'Age'],
    );
    assert.deepEqual([table.rows[0]!.cells[0], table.rows[0]!.object.kind], ['default', 'PartialObjectMetadata']);
  });

  test("items of a list have neither kind nor apiVersion, as upstream's", async () => {
    const list = json(await request('GET', '/api/v1/namespaces'));
    assert.deepEqual([list.kind, list.apiVersion, Object.keys(list.items[0]!)[0]], ['NamespaceList', 'v1', 'metadata']);
  });

  test('no acceptable form is 406', async () => {
    assert.equal((await request('GET', '/api/v1/namespaces', { headers: { accept: 'text/html' } })).status, 406);
  });

  test('large lists are compressed when that is accepted', async () => {
    const filler = 'x'.repeat(200_000);
    const body = JSON.stringify({ metadata: { name: 'filler' }, data: { filler } });
    await request('POST', '/api/v1/namespaces/default/configmaps', { body, headers: { 'content-type': 'application/json' } });
    const reply = await request('GET', '/api/v1/namespaces/default/configmaps', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.headers['content-encoding'], 'gzip');
    assert.match(gunzipSync(reply.body).toString(), /"filler":"xxx/);
  });

  test('HTTP/2: a request and a watch on one connection', async () => {
    const session = http2.connect(api.url, tls);
    const watch = session.request({ ':path': '/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Ddefault' });
    const [headers] = (await once(watch, 'response')) as [Record<string, unknown>];
    assert.equal(headers[':status'], 200);
    const [line] = (await once(watch, 'data')) as [Buffer];
    assert.match(line.toString(), /^\{"type":"ADDED","object":\{.*"name":"default".*\}\}\n$/);
    const get = session.request({ ':path': '/version' });
    const [version] = (await once(get, 'data')) as [Buffer];
    assert.match(version.toString(), /"gitVersion":/);
    watch.close();
    session.close();
    await once(session, 'close');
  });

  test('too much at once is 429, and says when to come back', async () => {
    const busy = await startTestApiServer({ maxInFlight: 0 });
    try {
      const reply = await request('GET', '/version', { url: busy.url });
      assert.deepEqual([reply.status, reply.headers['retry-after'], json(reply).reason], [429, '1', 'TooManyRequests']);
    } finally {
      await busy.close();
    }
  });

  test('every request of an HTTP/2 connection has the identity of its certificate', async () => {
    const session = http2.connect(api.url, tls);
    for (let turn = 0; turn < 3; turn++) {
      const sent = session.request({ ':path': '/api/v1/nodes' });
      const [headers] = (await once(sent, 'response')) as [Record<string, unknown>];
      assert.equal(headers[':status'], 200);
      sent.resume();
    }
    session.close();
    await once(session, 'close');
  });
});
