import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import { StatusError } from '../../api/status.ts';
import { systemClock } from '../../lib/clock.ts';
import { seededRng } from '../../lib/random.ts';
import { Request } from '../context.ts';
import type { StreamReply } from '../contract.ts';
import type { Streaming } from './streaming.ts';
import { createStreaming } from './streaming.ts';
import { splitPath } from './proxy.ts';
import { tcpTarget } from './target.ts';

const POD = '/api/v1/namespaces/default/pods';

function answerPage(request: IncomingMessage, response: ServerResponse): void {
  const page = Buffer.from('<a href="/x">é</a><a href="y">', 'latin1');
  const zipped = request.url === '/page.gz';
  const body = zipped ? gzipSync(page) : page;
  const headers = {
    'content-type': 'text/html; charset=iso-8859-1',
    'content-length': body.length,
    'access-control-allow-origin': '*',
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
  };
  response.writeHead(200, headers).end(request.method === 'HEAD' ? '' : body);
}

/** A kubelet and a web page in one: answers with what it was asked, echoes what is upgraded. */
function fakeServer() {
  const seen: { method: string; url: string; headers: IncomingMessage['headers'] }[] = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method!, url: request.url!, headers: request.headers });
    if (request.url!.startsWith('/containerLogs/default/waiting'))
      response.writeHead(400).end('container "c" in pod "waiting" is waiting to start: ContainerCreating');
    else if (request.url!.startsWith('/containerLogs/')) {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('line 1\n');
      if (request.url!.includes('follow=true')) request.socket.once('close', () => server.emit('left'));
      else response.end('line 2\n');
    } else if (request.url === '/old') response.writeHead(302, { location: '/new?x=1' }).end();
    else if (request.url === '/away') response.writeHead(302, { location: 'http://elsewhere.test/x' }).end();
    else if (request.url === '/here') response.writeHead(302, { location: `http://${request.headers.host}/x` }).end();
    else if (request.url!.startsWith('/page')) answerPage(request, response);
    else if (request.url!.startsWith('/exec/')) response.writeHead(500, { 'content-type': 'text/plain' }).end('no such container');
    else request.pipe(response.writeHead(200, { 'x-path': request.url }));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    seen.push({ method: request.method!, url: request.url!, headers: request.headers });
    if (request.url!.includes('refuse')) {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nnot today');
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nhello `,
    );
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  });
  return { server, seen };
}

/** An API server with nothing in it but streams; everybody is admin. */
function frontServer(streaming: Streaming) {
  const clock = systemClock({ unref: true });
  const handle = async (incoming: IncomingMessage, reply: StreamReply): Promise<void> => {
    const request = new Request(
      { method: incoming.method!, url: incoming.url!, headers: incoming.headers, remoteAddress: '127.0.0.1' },
      clock,
    );
    try {
      const handler = streaming.takeovers.find((candidate) => candidate.match(request));
      await handler!.handle(request, incoming, reply);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      if (reply.kind === 'upgrade') reply.socket.end(`HTTP/1.1 ${error.code} Error\r\n\r\n${error.message}`);
      else reply.response.writeHead(error.code).end(error.message);
    } finally {
      request.done();
    }
  };
  const server = createServer((incoming, response: ServerResponse) => void handle(incoming, { kind: 'response', response }));
  server.on('upgrade', (incoming, socket, head) => void handle(incoming, { kind: 'upgrade', socket, head }));
  return server;
}

describe('streaming', () => {
  const kubelet = fakeServer();
  let streaming: Streaming;
  let front: ReturnType<typeof frontServer>;
  let port = 0;

  before(async () => {
    kubelet.server.listen(0, '127.0.0.1');
    await once(kubelet.server, 'listening');
    const target = tcpTarget('127.0.0.1', (kubelet.server.address() as AddressInfo).port);
    const kubeletPort = (kubelet.server.address() as AddressInfo).port;
    const pod = (name: string, containers: string[], nodeName = 'n1') =>
      ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'default', name },
        spec: {
          nodeName,
          containers: containers.map((container) => ({ name: container, ports: [{ name: 'http', containerPort: kubeletPort }] })),
        },
        status: { podIP: '127.0.0.1' },
      }) as never;
    const objects = new MemoryObjects(
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } },
      pod('web', ['c']),
      pod('two', ['a', 'b']),
      pod('waiting', ['c']),
      pod('refuse', ['c']),
      pod('unscheduled', ['c'], ''),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'default', name: 'web' },
        spec: { ports: [{ name: 'http', port: 80 }] },
      } as never,
      { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'default', name: 'empty' }, spec: { ports: [{ port: 80 }] } } as never,
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { namespace: 'default', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [
          { addresses: ['10.0.0.9'], conditions: { ready: false } },
          { addresses: ['127.0.0.1'], conditions: { ready: true } },
        ],
        ports: [{ name: 'http', port: kubeletPort }],
      } as never,
    );
    streaming = createStreaming({
      source: objects.source,
      resources: objects.resources,
      kubeletTls: {},
      dial: () => target,
      allowLoopback: true,
      authorizer: { authorize: ({ info }) => ({ allowed: info.name !== 'readonly' || info.verb !== 'create', reason: '' }) },
      admit: async ({ query }) => query,
      rng: seededRng(1),
    });
    front = frontServer(streaming);
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    port = (front.address() as AddressInfo).port;
  });
  after(() => {
    front.closeAllConnections();
    front.close();
    kubelet.server.closeAllConnections();
    kubelet.server.close();
  });

  async function upgrade(path: string, headers: Record<string, string> = { connection: 'Upgrade', upgrade: 'SPDY/3.1' }, method = 'POST') {
    const outgoing = httpRequest({ host: '127.0.0.1', port, path, method, headers });
    outgoing.end();
    const [answer, socket, head] = (await Promise.race([once(outgoing, 'upgrade'), once(outgoing, 'response')])) as [
      IncomingMessage,
      Duplex?,
      Buffer?,
    ];
    if (head?.length) socket!.unshift(head);
    return { answer, socket };
  }

  async function fetchText(path: string, init: RequestInit = {}) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init });
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  async function log(query: string, pod = 'web', signal = new AbortController()) {
    const request = new Request(
      { method: 'GET', url: `${POD}/${pod}/log${query}`, headers: {}, remoteAddress: '' },
      systemClock({ unref: true }),
    );
    signal.signal.addEventListener('abort', () => request.abort(signal.signal.reason as Error));
    const answer = await streaming.handlers[0]!.handle(request, { bytes: async () => Buffer.alloc(0), json: async () => undefined });
    assert.ok('stream' in answer);
    return answer.stream;
  }

  test('exec passes upgraded bytes both ways and speaks the kubelet’s language', async () => {
    const { answer, socket } = await upgrade(`${POD}/web/exec?command=echo&command=a%20b&stdin=true&stdout=true&tty=false`, {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      authorization: 'Bearer secret',
      'x-stream-protocol-version': 'v4.channel.k8s.io',
    });
    assert.equal(answer.statusCode, 101);
    assert.equal(answer.headers['x-stream-protocol-version'], 'v4.channel.k8s.io');
    socket!.end('world');
    let text = '';
    for await (const chunk of socket!) text += String(chunk);
    assert.equal(text, 'hello world');
    const { url, headers } = kubelet.seen.at(-1)!;
    assert.equal(url, '/exec/default/web/c?input=1&output=1&command=echo&command=a+b');
    assert.equal(headers.authorization, undefined, 'credentials stay here');
    assert.equal(headers.upgrade, 'SPDY/3.1');
  });

  test('port-forward names its ports', async () => {
    const { socket } = await upgrade(`${POD}/web/portforward?ports=80,443`);
    socket!.destroy();
    assert.equal(kubelet.seen.at(-1)!.url, '/portForward/default/web?port=80&port=443');
  });

  test('SPDY within a WebSocket is unwrapped for the kubelet', async () => {
    const { answer, socket } = await upgrade(
      `${POD}/web/portforward`,
      {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io',
      },
      'GET',
    );
    assert.equal(answer.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
    const { method, headers } = kubelet.seen.at(-1)!;
    assert.deepEqual([method, headers.upgrade, headers['x-stream-protocol-version']], ['POST', 'SPDY/3.1', 'portforward.k8s.io']);
    // a binary frame of six bytes, masked with zeros
    socket!.write(Buffer.concat([Buffer.from([0x82, 0x80 + 6, 0, 0, 0, 0]), Buffer.from('frames')]));
    let received = Buffer.alloc(0);
    for await (const chunk of socket!) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length >= 16) break;
    }
    assert.deepEqual(
      received,
      Buffer.concat([Buffer.from([0x82, 6]), Buffer.from('hello '), Buffer.from([0x82, 6]), Buffer.from('frames')]),
    );
  });

  test('a WebSocket’s token does not travel on', async () => {
    const protocols = 'v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0';
    const { socket } = await upgrade(`${POD}/web/attach?stdout=true`, {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-protocol': protocols,
    });
    socket!.destroy();
    assert.equal(kubelet.seen.at(-1)!.headers['sec-websocket-protocol'], 'v4.channel.k8s.io');
  });

  test('an answer that is no upgrade is passed on', async () => {
    const { answer } = await upgrade(`${POD}/refuse/exec?command=x`);
    assert.equal(answer.statusCode, 400);
    assert.equal(String(await once(answer, 'data')), 'not today');
  });

  const refused: [string, string, number, string][] = [
    ['a pod with two containers', '/two/exec?command=x', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
    ['a container that is not there', '/web/exec?container=x', 400, 'container x is not valid for pod web'],
    ['a pod without node', '/unscheduled/exec?command=x', 400, 'pod unscheduled does not have a host assigned'],
    ['no such pod', '/none/attach', 404, 'pods "none" not found'],
  ];
  for (const [name, path, status, message] of refused) {
    test(`refused: ${name}`, async () => {
      const { answer } = await upgrade(POD + path);
      assert.equal(answer.statusCode, status);
      assert.equal(String((await once(answer, 'data'))[0]), message);
    });
  }

  test('a WebSocket by GET needs the right to create', async () => {
    const { answer } = await upgrade(`${POD}/readonly/exec?command=x`, { connection: 'Upgrade', upgrade: 'websocket' }, 'GET');
    assert.equal(answer.statusCode, 403);
    assert.match(String((await once(answer, 'data'))[0]), /cannot create resource "pods\/exec"/);
  });

  test('exec without an upgrade is a bad request', async () => {
    assert.deepEqual(await fetchText(`${POD}/web/exec?command=x`, { method: 'POST' }).then(({ status, text }) => [status, text]), [
      400,
      'Upgrade request required',
    ]);
  });

  test('logs stream with their options', async () => {
    const stream = await log('?tailLines=10&timestamps=true&sinceSeconds=60');
    let text = '';
    for await (const chunk of stream) text += Buffer.from(chunk).toString();
    assert.equal(text, 'line 1\nline 2\n');
    assert.equal(kubelet.seen.at(-1)!.url, '/containerLogs/default/web/c?timestamps=true&sinceSeconds=60&tailLines=10');
  });

  test('a followed log ends when the client leaves, and the kubelet hears of it', async () => {
    const left = once(kubelet.server, 'left');
    const controller = new AbortController();
    const stream = await log('?follow=true', 'web', controller);
    for await (const chunk of stream) {
      assert.equal(Buffer.from(chunk).toString(), 'line 1\n');
      controller.abort(new Error('gone'));
    }
    await left;
  });

  test('log errors are the kubelet’s words or upstream’s', async () => {
    await assert.rejects(log('', 'waiting'), { message: 'container "c" in pod "waiting" is waiting to start: ContainerCreating' });
    await assert.rejects(log('?tailLines=-1'), {
      message: 'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    });
    await assert.rejects(log('', 'two'), /choose one of: \[a b\]/);
  });

  const proxied: [string, string, string][] = [
    ['a pod', `${POD}/web:http/proxy/a/b?x=1`, '/a/b?x=1'],
    ['a pod’s first port', `${POD}/web/proxy/`, '/'],
    ['a service by port name', '/api/v1/namespaces/default/services/web:http/proxy/a%2Fb', '/a%2Fb'],
    ['a service by port number', '/api/v1/namespaces/default/services/web:80/proxy/c', '/c'],
    ['a service with one port', '/api/v1/namespaces/default/services/http:web:/proxy/d', '/d'],
    ['a node’s kubelet', '/api/v1/nodes/n1/proxy/stats/summary', '/stats/summary'],
  ];
  for (const [name, path, expected] of proxied) {
    test(`proxy to ${name}`, async () => {
      const { status, headers } = await fetchText(path);
      assert.equal(status, 200);
      assert.equal(headers.get('x-path'), expected);
    });
  }

  test('proxy passes bodies of any verb', async () => {
    const { text } = await fetchText(`${POD}/web/proxy/echo`, { method: 'PUT', body: 'ping' });
    assert.equal(text, 'ping');
    assert.equal(kubelet.seen.at(-1)!.method, 'PUT');
  });

  test('proxy passes any method, and the host that was asked', async () => {
    for (const method of ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'HEAD']) {
      assert.equal((await fetchText(`${POD}/web/proxy/verb`, { method })).status, 200, method);
      const { method: seen, headers } = kubelet.seen.at(-1)!;
      assert.deepEqual([seen, headers.host], [method, `127.0.0.1:${port}`]);
    }
  });

  test('links of proxied pages stay behind the proxy', async () => {
    for (const path of ['page', 'page.gz']) {
      const response = await fetch(`http://127.0.0.1:${port}${POD}/web/proxy/${path}`);
      const text = Buffer.from(await response.arrayBuffer()).toString('latin1');
      assert.equal(text, `<a href="${POD}/web/proxy/x">é</a><a href="y">`, path);
      assert.equal(response.headers.get('access-control-allow-origin'), null);
    }
    const head = await fetchText(`${POD}/web/proxy/page`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
  });

  test('proxy leaves redirects to other hosts alone', async () => {
    assert.equal((await fetchText(`${POD}/web/proxy/away`)).headers.get('location'), 'http://elsewhere.test/x');
    assert.equal((await fetchText(`${POD}/web/proxy/here`)).headers.get('location'), `${POD}/web/proxy/x`);
  });

  test('proxy keeps redirects behind itself, and sends the bare path to its slash', async () => {
    assert.equal((await fetchText(`${POD}/web/proxy/old`)).headers.get('location'), `${POD}/web/proxy/new?x=1`);
    const bare = await fetchText(`${POD}/web/proxy?a=%2F+b`);
    assert.deepEqual([bare.status, bare.headers.get('location')], [301, `${POD}/web/proxy/?a=%2F+b`]);
  });

  test('proxy upgrades too', async () => {
    const { socket } = await upgrade(`${POD}/web/proxy/ws`, { connection: 'Upgrade', upgrade: 'websocket' });
    socket!.end('you');
    let text = '';
    for await (const chunk of socket!) text += String(chunk);
    assert.equal(text, 'hello you');
  });

  test('proxy errors', async () => {
    assert.deepEqual(await fetchText('/api/v1/namespaces/default/services/empty/proxy/').then(({ status, text }) => [status, text]), [
      503,
      'no endpoints available for service "empty"',
    ]);
    assert.deepEqual(await fetchText('/api/v1/namespaces/default/services/web:9/proxy/').then(({ status, text }) => [status, text]), [
      503,
      'no service port 9 found for service "web"',
    ]);
    const refusedPort = await fetchText(`${POD}/web:1/proxy/`);
    assert.equal(refusedPort.status, 503);
    assert.equal(refusedPort.text, 'error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused');
    const plain = await fetchText(`${POD}/https:web:http/proxy/`);
    assert.equal(plain.text, 'error trying to reach service: tls: first record does not look like a TLS handshake');
  });
});

test('the path behind proxy is found by its place', () => {
  assert.deepEqual(splitPath('/api/v1/namespaces/proxy/pods/proxy/proxy/proxy/x?y'), {
    prefix: '/api/v1/namespaces/proxy/pods/proxy/proxy',
    rest: '/proxy/x',
  });
  assert.deepEqual(splitPath('/api/v1/nodes/n1/proxy'), { prefix: '/api/v1/nodes/n1/proxy', rest: '' });
});
