import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from '../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { Ingress, IngressRule, IngressSpec } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import { ENDPOINT_SLICES, EVENTS, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES } from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { createIngressController, type IngressController } from './controller.ts';
import { selfSignedCertificate } from './self-signed.ts';

const clock = systemClock({ unref: true });
const log = createLogger({ level: 'error' });
const ANNOTATION = 'nginx.ingress.kubernetes.io/';

describe('the ingress controller', () => {
  let api: TestApiServer;
  let client: Client;
  let controller: IngressController;
  const backends: Backend[] = [];

  const ingress = (name: string, spec: IngressSpec, annotations: Record<string, string> = {}): Promise<Ingress> =>
    client.resource(INGRESSES, 'default').create({ metadata: { name, namespace: 'default', annotations }, spec });
  const rule = (host: string, ...paths: [path: string, service: string, pathType?: string, port?: string | number][]): IngressRule => ({
    ...(host ? { host } : {}),
    http: {
      paths: paths.map(([path, service, pathType = 'Prefix', port = 80]) => ({
        path,
        pathType,
        backend: { service: { name: service, port: typeof port === 'number' ? { number: port } : { name: port } } },
      })),
    },
  });
  const get = (host: string, path = '/', options: Parameters<typeof fetchFrom>[2] = {}): Promise<Fetched> =>
    fetchFrom(controller.ports, { host, path }, options);
  const serves = (host: string, path: string, expected: string): Promise<void> =>
    eventually(async () => assert.equal((await get(host, path)).summary, expected), { within: 10_000, every: 10 });

  before(async () => {
    api = await startTestApiServer();
    client = createClient({ transport: api.loopback(), clock, log });
    await client.resource(INGRESS_CLASSES).create({ metadata: { name: 'nginx' }, spec: { controller: 'rockpool.dev/ingress' } });
    await client.resource(INGRESS_CLASSES).create({ metadata: { name: 'other' }, spec: { controller: 'example.org/other' } });
    for (const name of ['web', 'api']) {
      const own = [await startBackend(name, '127.0.0.1'), await startBackend(name, '127.0.0.2')];
      backends.push(...own);
      await client
        .resource(SERVICES, 'default')
        .create({ metadata: { name, namespace: 'default' }, spec: { ports: [{ name: 'http', port: 80 }] } });
      // Each endpoint has a port of its own here, which takes a slice each.
      for (const [index, { address, port }] of own.entries()) {
        await client.resource(ENDPOINT_SLICES, 'default').create({
          metadata: { name: `${name}-${index}`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
          addressType: 'IPv4',
          ports: [{ name: 'http', port, protocol: 'TCP' }],
          // The API refuses loopback addresses as endpoints, rightly; `connect` below leads the made-up ones to the backends.
          endpoints: [{ addresses: [address.replace('127.0.0.', '10.244.0.')], conditions: { ready: true } }],
        });
      }
    }
    await client
      .resource(SERVICES, 'default')
      .create({ metadata: { name: 'empty', namespace: 'default' }, spec: { ports: [{ port: 80 }] } });
    const events = createRecorder({ client, clock, log, component: 'ingress' });
    const { connect } = await import('node:net');
    controller = createIngressController({
      context: { client, clock, rng: systemRng(), log, events },
      listen: { hosts: ['127.0.0.1'], httpPort: 0, httpsPort: 0 },
      addresses: [{ ip: '192.0.2.1' }],
      connect: (host, port) => connect({ host: host.replace('10.244.0.', '127.0.0.'), port }),
    });
    await ingress('web', {
      ingressClassName: 'nginx',
      rules: [rule('web.example', ['/', 'web'], ['/api', 'api', 'Prefix', 'http'], ['/only', 'api', 'Exact'], ['/empty', 'empty'])],
    });
    await ingress('wild', { ingressClassName: 'nginx', rules: [rule('*.wild.example', ['/', 'api'])] });
    await controller.start(AbortSignal.timeout(10_000));
  });

  after(async () => {
    await controller.stop();
    await Promise.all(backends.map(({ close }) => close()));
    await client.close();
    await api.close();
  });

  const rows: [host: string, path: string, expected: string][] = [
    ['web.example', '/', '200 web /'],
    ['WEB.example:8080', '/some/page?q=1', '200 web /some/page?q=1'],
    ['web.example', '/api', '200 api /api'],
    ['web.example', '/api/v1', '200 api /api/v1'],
    ['web.example', '/apiary', '200 web /apiary'],
    ['web.example', '/only', '200 api /only'],
    ['web.example', '/only/not', '200 web /only/not'],
    ['web.example', '/empty', '503'],
    ['a.wild.example', '/', '200 api /'],
    ['a.b.wild.example', '/', '404'],
    ['wild.example', '/', '404'],
    ['nobody.example', '/', '404'],
  ];
  for (const [host, path, expected] of rows) {
    test(`${host}${path} is answered with ${expected}`, async () => assert.equal((await get(host, path)).summary, expected));
  }

  test('requests go round the endpoints', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 4; i++) seen.add((await get('web.example')).headers['x-backend'] as string);
    assert.equal(seen.size, 2);
  });

  test('backends learn of the client, and what the client claims is not believed', async () => {
    const { body } = await get('web.example', '/headers', {
      headers: { 'x-forwarded-for': '6.6.6.6', connection: 'x-private', 'x-private': '1', 'x-kept': '2' },
    });
    const seen = JSON.parse(body) as IncomingHttpHeaders;
    assert.equal(seen.host, 'web.example');
    assert.equal(seen['x-forwarded-for'], '127.0.0.1');
    assert.equal(seen['x-forwarded-host'], 'web.example');
    assert.equal(seen['x-forwarded-proto'], 'http');
    assert.equal(seen['x-forwarded-port'], `${controller.ports.http}`);
    assert.equal(seen['x-private'], undefined);
    assert.equal(seen['x-kept'], '2');
    assert.match(String(seen['x-request-id']), /^[0-9a-f]{32}$/);
  });

  test('bodies of any size pass in both directions', async () => {
    const sent = 'x'.repeat(3_000_000);
    const { body, status } = await get('web.example', '/echo', { method: 'POST', body: sent });
    assert.equal(status, 200);
    assert.equal(body, sent);
  });

  test('an answer that comes bit by bit is passed on as it comes', async () => {
    const sent = httpRequest({ port: controller.ports.http, path: '/stream', headers: { host: 'web.example' } }).end();
    const [answer] = (await once(sent, 'response')) as [AsyncIterable<Buffer> & { destroy(): void }];
    for await (const chunk of answer) {
      assert.equal(String(chunk), 'first\n');
      break;
    }
    sent.destroy();
  });

  test('WebSockets pass, over TLS too', async () => {
    for (const [scheme, port] of [
      ['ws', controller.ports.http],
      ['wss', controller.ports.https],
    ] as const) {
      const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, { headers: { host: 'web.example' }, rejectUnauthorized: false });
      await once(socket, 'open');
      socket.send('hello');
      const [message] = (await once(socket, 'message')) as [Buffer];
      assert.equal(String(message), 'web says hello');
      socket.close();
      await once(socket, 'close');
    }
    // An offer of HTTP/2 that the backend does not take, as curl makes it: an ordinary answer.
    const { summary } = await get('web.example', '/offered', {
      headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' },
    });
    assert.equal(summary, '200 web /offered');
    const refused = new WebSocket(`ws://127.0.0.1:${controller.ports.http}/ws`, { headers: { host: 'nobody.example' } });
    const [error] = (await once(refused, 'error').catch((reason: unknown) => [reason])) as [Error];
    assert.match(error.message, /404/);
  });

  test('TLS shows the certificate of the Secret, and a changed one within a second; HTTP is redirected', async () => {
    const secret = async (name: string) => {
      const { cert, key } = await selfSignedCertificate(clock.now());
      return {
        cert,
        secret: {
          metadata: { name, namespace: 'default' },
          type: 'kubernetes.io/tls',
          data: { 'tls.crt': Buffer.from(cert).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
        },
      };
    };
    const shown = async (servername: string): Promise<string> => {
      const socket = connectTls({ port: controller.ports.https, servername, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerX509Certificate()!;
      socket.destroy();
      return fingerprint256;
    };
    const print = (cert: string): string => new X509Certificate(cert).fingerprint256;
    const first = await secret('secure');
    await client.resource(SECRETS, 'default').create(first.secret);
    await ingress('secure', {
      ingressClassName: 'nginx',
      tls: [{ hosts: ['secure.example'], secretName: 'secure' }],
      rules: [rule('secure.example', ['/', 'web'])],
    });
    await eventually(async () => assert.equal(await shown('secure.example'), print(first.cert)), { within: 10_000, every: 10 });
    assert.notEqual(await shown('other.example'), print(first.cert));
    const second = await secret('secure');
    await client.resource(SECRETS, 'default').update(second.secret);
    await eventually(async () => assert.equal(await shown('secure.example'), print(second.cert)), { within: 10_000, every: 10 });
    const redirect = await get('secure.example', '/page?a=1');
    assert.deepEqual([redirect.status, redirect.headers.location], [308, `https://secure.example:${controller.ports.https}/page?a=1`]);
    assert.equal((await get('secure.example', '/', { tls: true })).summary, '200 web /');
    await client
      .resource(INGRESSES, 'default')
      .patch('secure', 'merge', { metadata: { annotations: { [`${ANNOTATION}ssl-redirect`]: 'false' } } });
    await serves('secure.example', '/', '200 web /');
  });

  test('HTTP/2 on TLS', async () => {
    const session = connectHttp2(`https://127.0.0.1:${controller.ports.https}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/echo', ':method': 'POST', ':authority': 'web.example' });
    stream.end('over http/2');
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    assert.deepEqual([headers[':status'], body], [200, 'over http/2']);
    session.destroy();
  });

  test('rewrite-target and app-root', async () => {
    await ingress(
      'rewritten',
      { ingressClassName: 'nginx', rules: [rule('rewrite.example', ['/app(/|$)(.*)', 'web', 'ImplementationSpecific'])] },
      { [`${ANNOTATION}rewrite-target`]: '/$2', [`${ANNOTATION}app-root`]: '/app/' },
    );
    await serves('rewrite.example', '/app/deep/page?x=1', '200 web /deep/page?x=1');
    await serves('rewrite.example', '/app', '200 web /');
    assert.equal((await get('rewrite.example', '/')).headers.location, 'http://rewrite.example/app/');
  });

  test('a default backend answers what nothing else matches', async () => {
    await ingress('fallback', { ingressClassName: 'nginx', defaultBackend: { service: { name: 'api', port: { number: 80 } } } });
    await serves('whoever.example', '/x', '200 api /x');
    await client.resource(INGRESSES, 'default').delete('fallback');
    await serves('whoever.example', '/x', '404');
  });

  test('only Ingresses of ours are served; a class that becomes the default one takes those without class', async () => {
    await ingress('theirs', { ingressClassName: 'other', rules: [rule('theirs.example', ['/', 'web'])] });
    await ingress('annotated', { rules: [rule('annotated.example', ['/', 'web'])] }, { 'kubernetes.io/ingress.class': 'nginx' });
    await ingress('classless', { rules: [rule('classless.example', ['/', 'web'])] });
    await serves('annotated.example', '/', '200 web /');
    assert.equal((await get('theirs.example')).status, 404);
    assert.equal((await get('classless.example')).status, 404);
    await client
      .resource(INGRESS_CLASSES)
      .patch('nginx', 'merge', { metadata: { annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } });
    await serves('classless.example', '/', '200 web /');
  });

  test('an endpoint that does not answer is passed over; where none does it is a bad gateway', async () => {
    await client
      .resource(SERVICES, 'default')
      .create({ metadata: { name: 'half', namespace: 'default' }, spec: { ports: [{ port: 80 }] } });
    const closed = await startBackend('closed', '127.0.0.1');
    await closed.close();
    const slice = (name: string, port: number) =>
      client.resource(ENDPOINT_SLICES, 'default').create({
        metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'half' } },
        addressType: 'IPv4',
        ports: [{ port, protocol: 'TCP' }],
        endpoints: [{ addresses: ['10.244.0.1'] }],
      });
    await slice('half-closed', closed.port);
    await ingress('half', { ingressClassName: 'nginx', rules: [rule('half.example', ['/', 'half'])] });
    await serves('half.example', '/', '502');
    await slice('half-open', backends[0]!.port);
    await serves('half.example', '/', '200 web /');
    for (let i = 0; i < 4; i++) {
      const socket = new WebSocket(`ws://127.0.0.1:${controller.ports.http}/ws`, { headers: { host: 'half.example' } });
      await once(socket, 'open');
      socket.terminate();
    }
    for (let i = 0; i < 4; i++) assert.equal((await get('half.example', '/echo', { method: 'POST', body: `try ${i}` })).body, `try ${i}`);
  });

  test('the address is published, and an event says that the Ingress was taken', async () => {
    await eventually(
      async () => {
        const { status } = await client.resource(INGRESSES, 'default').get('web');
        assert.deepEqual(status?.loadBalancer?.ingress, [{ ip: '192.0.2.1' }]);
        const { items } = await client.resource(EVENTS, 'default').list();
        assert.ok(items.some(({ reason, involvedObject }) => reason === 'Sync' && involvedObject.name === 'web'));
        assert.ok(!items.some(({ involvedObject }) => involvedObject.name === 'theirs'));
      },
      { within: 10_000, every: 20 },
    );
    assert.equal((await client.resource(INGRESSES, 'default').get('theirs')).status?.loadBalancer?.ingress, undefined);
  });
});

interface Backend {
  address: string;
  port: number;
  close(): Promise<void>;
}

async function startBackend(name: string, address: string): Promise<Backend> {
  const server: Server = createServer((request, response) => {
    response.setHeader('x-backend', `${name} ${address}`);
    if (request.url === '/headers') response.end(JSON.stringify(request.headers));
    else if (request.url === '/echo') request.pipe(response);
    else if (request.url === '/stream') response.write('first\n');
    else response.end(`${name} ${request.url}`);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (message: Buffer) => socket.send(`${name} says ${message.toString()}`)));
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address,
    port,
    close: async () => {
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Fetched {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** The status, and for 200 the body. */
  summary: string;
}

async function fetchFrom(
  ports: { http: number; https: number },
  { host, path }: { host: string; path: string },
  {
    method = 'GET',
    headers = {},
    body = '',
    tls = false,
  }: { method?: string; headers?: Record<string, string>; body?: string; tls?: boolean } = {},
): Promise<Fetched> {
  const options = { host: '127.0.0.1', port: tls ? ports.https : ports.http, path, method, headers: { host, ...headers } };
  const sent = tls ? httpsRequest({ ...options, servername: host, rejectUnauthorized: false }) : httpRequest(options);
  sent.end(body);
  const [answer] = (await once(sent, 'response', { signal: AbortSignal.timeout(5000) })) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) text += String(chunk);
  const status = answer.statusCode!;
  return { status, headers: answer.headers, body: text, summary: status === 200 ? `200 ${text}` : `${status}` };
}
