/** What the server does when clients ask for too much, for too long, or do not read what they asked for; and what it tells of itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Stream } from 'node:http2';
import https from 'node:https';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import type { Status } from '../api/types.gen.ts';

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
  headers: IncomingMessage['headers'];
  text: string;
}

interface Sent {
  headers?: Record<string, string>;
  body?: string;
  url?: string;
  /** The body never comes to its end. */
  unfinished?: boolean;
}

function send(method: string, path: string, { headers = {}, body, url = api.url, unfinished }: Sent = {}): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const request = https.request(`${url}${path}`, { method, headers, agent: false, ...tls }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() });
      request.destroy();
    });
    response.on('error', reject);
  });
  request.on('error', reject);
  if (unfinished) request.write(body ?? '{');
  else request.end(body);
  return promise;
}

const statusOf = ({ text }: Reply): Status => JSON.parse(text) as Status;

describe('how large a request may be', () => {
  const cases: { name: string; path: string; headers?: Record<string, string>; status: number }[] = [
    { name: 'headers under a megabyte', path: '/version', headers: { 'x-much': 'x'.repeat(900_000) }, status: 200 },
    { name: 'headers over a megabyte', path: '/version', headers: { 'x-much': 'x'.repeat(1 << 20) }, status: 431 },
    { name: 'a URL under a megabyte', path: `/version?${'x'.repeat(900_000)}`, status: 200 },
    { name: 'a URL over a megabyte', path: `/version?${'x'.repeat(1 << 20)}`, status: 431 },
  ];
  for (const { name, path, headers, status } of cases)
    test(`${name}: ${status}`, async () => assert.equal((await send('GET', path, headers ? { headers } : {})).status, status));

  const malformed: { name: string; text: string; status: number }[] = [
    { name: 'no request at all', text: 'HELLO\r\n\r\n', status: 400 },
    { name: 'another protocol version', text: 'GET / HTTP/9.9\r\n\r\n', status: 400 },
    { name: 'a chunk without a size', text: 'POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', status: 400 },
    {
      name: 'two lengths',
      text: 'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      status: 400,
    },
    { name: 'a header without an end', text: `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat((1 << 20) + 500)}`, status: 431 },
  ];
  for (const { name, text, status } of malformed) {
    test(`${name}: ${status}`, async () => {
      const { hostname, port } = new URL(api.url);
      const socket = connect({ host: hostname, port: Number(port), ...tls, ALPNProtocols: ['http/1.1'] });
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('error', () => socket.destroy());
      socket.write(text);
      await once(socket, 'end');
      assert.match(Buffer.concat(chunks).toString(), new RegExp(`^HTTP/1\\.1 ${status} [^]*Connection: close\r\n\r\n${status} `));
      socket.destroy();
    });
  }

  const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const frames: Record<string, string> = {
    'no settings first': '\0\0\u0001\0\0\0\0\0\u0001x',
    'a frame longer than it may be': '\u00ff\u00ff\u00ff\u0004\0\0\0\0\0',
    'data of a stream that is not there': '\0\0\0\u0004\0\0\0\0\0\0\0\u0001\0\0\0\0\0\u0007x',
    'headers that are none': '\0\0\0\u0004\0\0\0\0\0\0\0\u0003\u0001\u0005\0\0\0\u0001\u00ff\u00ff\u00ff',
  };
  for (const [name, bytes] of Object.entries(frames)) {
    test(`HTTP/2: ${name} ends the connection and nothing else`, async () => {
      const { hostname, port } = new URL(api.url);
      const socket = connect({ host: hostname, port: Number(port), ...tls, ALPNProtocols: ['h2'] });
      socket.on('error', () => socket.destroy());
      socket.resume();
      socket.write(Buffer.from(PREFACE + bytes, 'latin1'));
      await once(socket, 'close');
      assert.equal((await send('GET', '/livez')).status, 200);
    });
  }

  test('a body over 3 MiB is 413, with a Status', async () => {
    const body = JSON.stringify({ metadata: { name: 'large' }, data: { a: 'x'.repeat(3 << 20) } });
    const reply = await send('POST', '/api/v1/namespaces/default/configmaps', { body, headers: { 'content-type': 'application/json' } });
    assert.deepEqual([reply.status, statusOf(reply).reason], [413, 'RequestEntityTooLarge']);
    assert.equal(statusOf(reply).message, 'Request entity too large: limit is 3145728');
  });
});

describe('how long a request may take', () => {
  test('a timeout that is none is 400', async () => {
    const reply = await send('GET', '/api/v1/namespaces?timeout=soon');
    assert.equal(reply.status, 400);
    assert.equal(statusOf(reply).message, 'invalid timeout specified in the request URL - time: invalid duration "soon"');
  });

  test('a body that does not come is 504 when the time is over', async () => {
    const headers = { 'content-type': 'application/json' };
    const reply = await send('POST', '/api/v1/namespaces/default/configmaps?timeout=20ms', { headers, unfinished: true });
    assert.deepEqual([reply.status, statusOf(reply).reason], [504, 'Timeout']);
  });

  test('a timeout says nothing of watches', async () => {
    const stream = https.get(`${api.url}/api/v1/namespaces?watch=true&timeout=1ms`, { agent: false, ...tls });
    const [response] = (await once(stream, 'response')) as [IncomingMessage];
    const [first] = (await once(response, 'data')) as [Buffer];
    assert.match(first.toString(), /"ADDED"/);
    stream.destroy();
  });
});

test('reading goes on when too much is being written', async () => {
  const busy = await startTestApiServer({ maxMutatingInFlight: 0 });
  try {
    const path = '/api/v1/namespaces/default/configmaps';
    const refused = await send('POST', path, { url: busy.url, body: '{}', headers: { 'content-type': 'application/json' } });
    assert.deepEqual([refused.status, refused.headers['retry-after'], statusOf(refused).reason], [429, '1', 'TooManyRequests']);
    assert.equal((await send('GET', path, { url: busy.url })).status, 200);
  } finally {
    await busy.close();
  }
});

describe('a watcher that does not read', () => {
  const path = '/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dslow';
  const stalled: Record<string, () => Promise<() => void>> = {
    'HTTP/1.1': async () => {
      const request = https.get(`${api.url}${path}`, { agent: false, ...tls });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.pause();
      return () => void request.destroy();
    },
    'HTTP/2': async () => {
      const session = http2.connect(api.url, tls);
      const stream: ClientHttp2Stream = session.request({ ':path': path });
      stream.on('error', () => session.destroy());
      await once(stream, 'response');
      stream.pause();
      return () => session.destroy();
    },
  };
  for (const [protocol, stall] of Object.entries(stalled)) {
    test(`is dropped, and others see everything: ${protocol}`, { timeout: 60_000 }, async () => {
      const writes = 40;
      const admin = api.loopback();
      const filler = 'x'.repeat(1_000_000);
      const write = (at: number): ReturnType<typeof admin> =>
        admin({
          method: 'PUT',
          path: '/api/v1/namespaces/default/configmaps/slow',
          body: { metadata: { name: 'slow' }, data: { filler, at: `${protocol} ${at}` } },
        });
      await admin({ method: 'POST', path: '/api/v1/namespaces/default/configmaps', body: { metadata: { name: 'slow' } } });
      const release = await stall();
      const before = watchers(await metrics());
      const reader = https.get(`${api.url}${path}`, { agent: false, ...tls });
      const [response] = (await once(reader, 'response')) as [IncomingMessage];
      let events = 0;
      response.on('data', (chunk: Buffer) => (events += chunk.toString('latin1').split('\n').length - 1));
      for (let at = 0; at < writes; at++) assert.equal((await write(at)).status, 200);
      await eventually(async () => assert.equal(events, writes + 1));
      await eventually(async () => assert.equal(watchers(await metrics()), before, 'the slow one went, the reader came'));
      reader.destroy();
      release();
    });
  }
});

const metrics = async (): Promise<string> => (await send('GET', '/metrics')).text;
const watchers = (text: string): number => Number(/^apiserver_registered_watchers (\d+)$/m.exec(text)![1]);

interface Family {
  type: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** Prometheus's text format, strictly: every sample below its HELP and TYPE, each family once. */
function parseMetrics(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'));
  const families = new Map<string, Family>();
  let help = '';
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name, rest] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') help = name!;
    else if (word === 'TYPE') {
      assert.equal(name, help, line);
      assert.match(rest!, /^(?:counter|gauge|histogram)$/);
      assert.ok(!families.has(name), `${name} is there twice`);
      families.set((current = name!), { type: rest!, samples: [] });
    } else families.get(current)!.samples.push(sampleOf(line, current));
  }
  return families;
}

function sampleOf(line: string, family: string): Family['samples'][number] {
  const [, name, labelText = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
  assert.ok(name!.replace(/_(?:bucket|sum|count)$/, '') === family || name === family, `${line} stands below ${family}`);
  const labels: Record<string, string> = {};
  const rest = labelText.replaceAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g, (_, key: string, text: string) => {
    assert.ok(!(key in labels), `${key} twice in ${line}`);
    labels[key] = text;
    return '';
  });
  assert.equal(rest, '', line);
  assert.ok(Number.isFinite(Number(value)), line);
  return { name: name!, labels, value: Number(value) };
}

describe('/metrics', () => {
  test('is text that Prometheus can read, with histograms that add up', async () => {
    await send('GET', '/api/v1/namespaces/default');
    const families = parseMetrics(await metrics());
    for (const [name, { type, samples }] of families) {
      if (type === 'counter')
        assert.ok(
          samples.every(({ value }) => value >= 0),
          name,
        );
      if (type !== 'histogram') continue;
      const open = new Map<string, number>();
      for (const { name: sample, labels, value } of samples) {
        const { le, ...others } = labels;
        const series = JSON.stringify(others);
        if (le !== undefined) {
          assert.ok(value >= (open.get(series) ?? 0), `${name}: buckets only grow`);
          open.set(series, value);
        } else if (sample.endsWith('_count')) assert.equal(value, open.get(series), `${name}: the last bucket is the count`);
      }
    }
  });

  test("has upstream's names", async () => {
    await send('POST', '/api/v1/namespaces/default/configmaps?dryRun=All', {
      body: '{"metadata":{"name":"dry"}}',
      headers: { 'content-type': 'application/json' },
    });
    await send('POST', '/api/v1/namespaces/default/configmaps', {
      body: '{"metadata":{"name":"wet"}}',
      headers: { 'content-type': 'application/json' },
    });
    const families = parseMetrics(await metrics());
    const expected: Record<string, string> = {
      apiserver_request_total: 'counter',
      apiserver_request_duration_seconds: 'histogram',
      apiserver_current_inflight_requests: 'gauge',
      apiserver_storage_objects: 'gauge',
      etcd_request_duration_seconds: 'histogram',
      etcd_request_errors_total: 'counter',
      process_cpu_seconds_total: 'counter',
      process_resident_memory_bytes: 'gauge',
      process_start_time_seconds: 'gauge',
    };
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, families.get(name)?.type])), expected);
    const counted = families
      .get('apiserver_request_total')!
      .samples.filter(({ labels }) => labels['verb'] === 'POST' && labels['code'] === '201');
    const labels = {
      component: 'apiserver',
      group: '',
      resource: 'configmaps',
      scope: 'resource',
      subresource: '',
      verb: 'POST',
      version: 'v1',
      code: '201',
    };
    assert.deepEqual(
      counted.map((sample) => sample.labels).toSorted((a, b) => a['dry_run']!.localeCompare(b['dry_run']!)),
      [
        { ...labels, dry_run: '' },
        { ...labels, dry_run: 'All' },
      ],
    );
    const kinds = families
      .get('apiserver_current_inflight_requests')!
      .samples.map((sample) => [sample.labels['request_kind'], sample.value]);
    assert.deepEqual(kinds, [
      ['readOnly', 1],
      ['mutating', 0],
    ]);
    const created = families
      .get('etcd_request_duration_seconds')!
      .samples.find(
        (sample) => sample.name.endsWith('_count') && sample.labels['operation'] === 'create' && sample.labels['type'] === 'configmaps',
      );
    assert.ok(created!.value >= 1);
  });

  test('what clients make up makes no series of its own', async () => {
    for (const path of ['/apis/made.up/v1/things', '/apis/made.up/v1/things/name']) await send('GET', path);
    const lines = (await metrics()).split('\n').length;
    for (let at = 0; at < 20; at++) await send('GET', `/apis/made.up/v${at}/things${at}/name/sub${at}`);
    for (let at = 0; at < 20; at++) await send('GET', `/made/up/${at}`);
    assert.ok((await metrics()).split('\n').length - lines < 5);
    assert.doesNotMatch(await metrics(), /things/);
  });
});

describe('health', () => {
  const cases: { path: string; status: number; text: RegExp }[] = [
    { path: '/livez', status: 200, text: /^ok$/ },
    { path: '/readyz', status: 200, text: /^ok$/ },
    { path: '/healthz', status: 200, text: /^ok$/ },
    { path: '/livez/ping', status: 200, text: /^ok$/ },
    { path: '/livez/log', status: 200, text: /^ok$/ },
    { path: '/readyz/etcd', status: 200, text: /^ok$/ },
    { path: '/healthz/poststarthook/rbac/bootstrap-roles', status: 200, text: /^ok$/ },
    { path: '/readyz/informer-sync', status: 200, text: /^ok$/ },
    { path: '/livez/nosuch', status: 404, text: /^404 page not found\n$/ },
    { path: '/livez?verbose', status: 200, text: /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd ok\n(?:\[\+\]\S+ ok\n)+livez check passed\n$/ },
    {
      path: '/readyz?verbose',
      status: 200,
      text: /\[\+\]etcd-readiness ok\n[^]*\[\+\]poststarthook\/crd-informer-synced ok\n[^]*\[\+\]shutdown ok\nreadyz check passed\n$/,
    },
    { path: '/healthz?verbose', status: 200, text: /\nhealthz check passed\n$/ },
    { path: '/livez?verbose&exclude=etcd', status: 200, text: /\n\[\+\]etcd excluded: ok\n/ },
    { path: '/livez?verbose&exclude=nosuch', status: 200, text: /warn: some health checks cannot be excluded: no matches for "nosuch"\n/ },
  ];
  for (const { path, status, text } of cases) {
    test(path, async () => {
      const reply = await send('GET', path);
      assert.equal(reply.status, status);
      assert.match(reply.text, text);
    });
  }

  test('only readiness asks for what is ready', async () => {
    assert.doesNotMatch((await send('GET', '/livez?verbose')).text, /^\[\+\](?:informer-sync|shutdown|etcd-readiness) /m);
  });
});
