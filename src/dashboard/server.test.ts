import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { silentLogger } from '../lib/log.ts';
import { type Dashboard, createDashboard } from './server.ts';
import type { BackendFrame, PageFrame } from './stream-frames.ts';

/** Stands for the API server: tells what it was asked, and lets the test write what a watch answers. */
const seen: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];
const streams: ServerResponse[] = [];
const apiServer = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  seen.push({ method: request.method!, url: request.url!, headers: request.headers, body });
  if (request.url!.includes('watch=true')) {
    streams.push(response.writeHead(200, { 'content-type': 'application/json' }));
    response.flushHeaders();
  } else if (request.url!.includes('forbidden')) response.writeHead(403, { 'content-type': 'application/json' }).end('{"kind":"Status"}');
  else response.writeHead(201, { 'content-type': 'application/json', 'set-cookie': 'a=b', 'x-internal': '1' }).end('{"ok":true}');
});

let assetsDir = '';
let dashboard: Dashboard;
let url = '';

before(async () => {
  assetsDir = await mkdtemp(join(tmpdir(), 'rockpool-dashboard-'));
  await writeFile(join(assetsDir, 'index.html'), '<!doctype html>');
  await writeFile(join(assetsDir, 'app.js'), 'page()');
  await writeFile(join(assetsDir, 'notes.txt'), 'not for the page');
  await once(apiServer.listen(0, '127.0.0.1'), 'listening');
  dashboard = dashboardFor(`http://127.0.0.1:${(apiServer.address() as AddressInfo).port}`);
  await dashboard.start(new AbortController().signal);
  url = `http://127.0.0.1:${dashboard.port()}`;
});

after(async () => {
  await dashboard.stop();
  await dashboard.stop();
  apiServer.close();
  await rm(assetsDir, { recursive: true });
});

function dashboardFor(server: string): Dashboard {
  return createDashboard({ server, assetsDir, listen: { host: '127.0.0.1', port: 0 }, log: silentLogger });
}

describe('the page', () => {
  for (const { path, type } of [
    { path: '/', type: 'text/html' },
    { path: '/index.html', type: 'text/html' },
    { path: '/app.js?x', type: 'text/javascript' },
  ]) {
    test(`${path} is served and loads nothing from elsewhere`, async () => {
      const answer = await fetch(url + path);
      assert.equal(answer.status, 200);
      assert.ok(answer.headers.get('content-type')?.startsWith(type));
      assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      const again = await fetch(url + path, { headers: { 'if-none-match': answer.headers.get('etag')! } });
      assert.equal(again.status, 304);
    });
  }

  for (const { name, path, method = 'GET', status } of [
    { name: 'a file of another kind', path: '/notes.txt', status: 404 },
    { name: 'a way out of the folder', path: '/..%2f..%2fetc%2fpasswd', status: 404 },
    { name: 'a path that only begins like the API', path: '/apiary', status: 404 },
    { name: 'a method that pages do not have', path: '/', method: 'POST', status: 405 },
  ] as { name: string; path: string; method?: string; status: number }[]) {
    test(`${name}: ${status}`, async () => assert.equal((await fetch(url + path, { method })).status, status));
  }

  test('a page that was not built is an error at the start', async () => {
    const unbuilt = createDashboard({ server: url, assetsDir: tmpdir(), listen: { host: '127.0.0.1', port: 0 }, log: silentLogger });
    await assert.rejects(unbuilt.start(new AbortController().signal), /index\.html is missing/);
    await unbuilt.stop();
  });
});

describe('requests to the API', () => {
  test('carry the token and the body of who is signed in, and nothing that speaks for others', async () => {
    const headers = {
      authorization: 'Bearer me',
      'content-type': 'application/json',
      cookie: 'a=b',
      'x-remote-user': 'admin',
      'impersonate-user': 'admin',
    };
    const answer = await fetch(`${url}/api/v1/namespaces?dryRun=All`, { method: 'POST', headers, body: '{"kind":"Namespace"}' });
    assert.deepEqual([answer.status, await answer.json()], [201, { ok: true }]);
    const { method, url: path, headers: got, body } = seen.at(-1)!;
    assert.deepEqual(
      [method, path, got.authorization, got['content-type'], body],
      ['POST', '/api/v1/namespaces?dryRun=All', 'Bearer me', 'application/json', '{"kind":"Namespace"}'],
    );
    assert.deepEqual([got.cookie, got['x-remote-user'], got['impersonate-user']], [undefined, undefined, undefined]);
    assert.deepEqual([answer.headers.get('set-cookie'), answer.headers.get('x-internal')], [null, null]);
  });

  test('come back as data, never as a page', async () => {
    const answer = await fetch(`${url}/api/v1/namespaces/x/pods/y/proxy/`, { headers: { authorization: 'Bearer me' } });
    assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
  });

  test('without a token are refused here', async () => {
    const before = seen.length;
    const answer = await fetch(`${url}/apis/apps/v1/deployments`);
    assert.equal(answer.status, 401);
    assert.equal(((await answer.json()) as { reason: string }).reason, 'Unauthorized');
    assert.equal(seen.length, before);
  });

  test('a refusal is passed on as it is', async () => {
    const answer = await fetch(`${url}/api/v1/forbidden`, { headers: { authorization: 'Bearer me' } });
    assert.deepEqual([answer.status, await answer.text()], [403, '{"kind":"Status"}']);
  });

  test('when the API server is away are a 503 of the API’s own form', async () => {
    const alone = dashboardFor('http://127.0.0.1:1');
    await alone.start(new AbortController().signal);
    const answer = await fetch(`http://127.0.0.1:${alone.port()}/api/v1/pods`, { headers: { authorization: 'Bearer me' } });
    assert.equal(answer.status, 503);
    assert.match(((await answer.json()) as { message: string }).message, /the API server cannot be reached: .*ECONNREFUSED/);
    await alone.stop();
  });
});

describe('streams', () => {
  /** A page's socket, and its frames in order. */
  async function open(origin = url) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/streams`, { origin });
    const frames: BackendFrame[] = [];
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString('utf8')) as BackendFrame));
    await once(socket, 'open');
    return { socket, frames, say: (frame: PageFrame) => socket.send(JSON.stringify(frame)), next: () => once(socket, 'message') };
  }

  test('of another site’s page are refused', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/streams`, { origin: 'http://evil.example' });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /403/);
  });

  test('carry what comes, character by character whole, and end with the answer', async () => {
    const { socket, frames, say, next } = await open();
    say({ open: 7, path: '/api/v1/pods?watch=true', token: 'me' });
    await next();
    assert.deepEqual(frames, [{ id: 7, answer: 200, type: 'application/json' }]);
    assert.equal(seen.at(-1)!.headers.authorization, 'Bearer me');
    const bytes = Buffer.from('é\n');
    const stream = streams.at(-1)!;
    stream.write(Buffer.concat([Buffer.from('a'), bytes.subarray(0, 1)]));
    await next();
    stream.end(bytes.subarray(1));
    while (!frames.some((frame) => 'end' in frame)) await next();
    assert.deepEqual(frames.slice(1), [
      { id: 7, data: 'a' },
      { id: 7, data: 'é\n' },
      { id: 7, end: true },
    ]);
    socket.close();
  });

  test('that are cut off say so', async () => {
    const { socket, frames, say, next } = await open();
    say({ open: 1, path: '/api/v1/pods?watch=true', token: 'me' });
    await next();
    streams.at(-1)!.destroy();
    await next();
    assert.match((frames.at(-1) as { error?: string }).error ?? '', /terminated|closed/);
    socket.close();
  });

  for (const { name, leave } of [
    { name: 'the page closes one', leave: ({ say }: Awaited<ReturnType<typeof open>>) => say({ close: 1 }) },
    { name: 'the page goes', leave: ({ socket }: Awaited<ReturnType<typeof open>>) => socket.close() },
  ]) {
    test(`${name}: the API server’s watch ends too`, async () => {
      const page = await open();
      page.say({ open: 1, path: '/api/v1/pods?watch=true', token: 'me' });
      await page.next();
      const ended = once(streams.at(-1)!, 'close');
      leave(page);
      await ended;
      page.socket.close();
    });
  }

  for (const { name, frame } of [
    { name: 'no JSON', frame: '{' },
    { name: 'no token', frame: '{"open":1,"path":"/api/v1/pods"}' },
    { name: 'a path outside the API', frame: '{"open":1,"path":"/metrics","token":"me"}' },
  ]) {
    test(`a frame with ${name} ends the socket`, async () => {
      const { socket } = await open();
      socket.send(frame);
      const [code] = (await once(socket, 'close')) as [number];
      assert.equal(code, 1008);
    });
  }
});
