/** exec over the newest WebSocket protocol, against a runtime that speaks SPDY: our API server's translation and our kubelet's streams. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { statusError, type StatusError } from '../../src/api/status.ts';
import { tcpTarget } from '../../src/apiserver/streaming/target.ts';
import { canCloseStreams, translate } from '../../src/apiserver/streaming/websocket-translator.ts';
import type { StreamSession } from '../../src/kubelet/runtime/runtime.ts';
import { serveUpgrade } from '../../src/kubelet/streaming/serve.ts';

const runtime = http.createServer((_request, response) => response.writeHead(500).end('container not found'));
const front = http.createServer();
let serve: (session: StreamSession) => Promise<void>;
let tty = false;

const listening = (server: http.Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));

let port = 0;
before(async () => {
  runtime.on('upgrade', (request, socket, head) => {
    assert.equal(request.headers.upgrade, 'SPDY/3.1');
    if (request.url === '/gone') return void socket.end('HTTP/1.1 500 Error\r\ncontent-length: 19\r\n\r\ncontainer not found');
    const options = { stdin: true, stdout: true, stderr: !tty, tty };
    void serveUpgrade({ request, socket, head }, { kind: 'exec', options }, (session) => serve(session));
  });
  const target = tcpTarget('127.0.0.1', await listening(runtime));
  front.on('upgrade', (request, socket, head) => {
    assert.ok(canCloseStreams(request.headers));
    const wanted = { stdin: true, stdout: true, stderr: true, tty };
    const unreachable = (why: string): StatusError => statusError('InternalError', why);
    const passed = { method: 'GET', path: request.url!, headers: {}, signal: new AbortController().signal, unreachable, wanted };
    void translate(target, passed, request, { kind: 'upgrade', socket, head });
  });
  port = await listening(front);
});
after(() => {
  for (const server of [runtime, front]) {
    server.closeAllConnections();
    server.close();
  }
});

interface Seen {
  channels: Map<number, Buffer>;
  code: number;
}

/** Opens a session, lets `talk` begin as soon as it is there, and gives all that came until it was closed. */
async function session(talk: (webSocket: WebSocket) => void, path = '/exec'): Promise<Seen> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
  const channels = new Map<number, Buffer>();
  webSocket.on('message', (data: Buffer) =>
    channels.set(data[0]!, Buffer.concat([channels.get(data[0]!) ?? Buffer.alloc(0), data.subarray(1)])),
  );
  webSocket.on('open', () => talk(webSocket));
  const code = await new Promise<number>((resolve, reject) => webSocket.on('close', resolve).on('error', reject));
  assert.equal(webSocket.protocol, 'v5.channel.k8s.io');
  return { channels, code };
}

const message = (channel: number, text: string | Buffer): Buffer => Buffer.concat([Buffer.of(channel), Buffer.from(text)]);
const END_OF_INPUT = Buffer.of(255, 0);

describe('exec over v5.channel.k8s.io', () => {
  test('input, its end, both outputs, and the exit code', async () => {
    serve = async ({ stdin, stdout, stderr, exit }) => {
      for await (const chunk of stdin!) stdout!.write(String(chunk).toUpperCase());
      stderr!.write('done');
      exit({ exitCode: 7 });
    };
    const { channels, code } = await session((webSocket) => {
      webSocket.send(message(0, 'through '));
      webSocket.send(message(0, 'a pipe'));
      webSocket.send(END_OF_INPUT);
    });
    assert.equal(String(channels.get(1)), 'THROUGH A PIPE');
    assert.equal(String(channels.get(2)), 'done');
    const status = JSON.parse(String(channels.get(3))) as { status: string; details: { causes: { message: string }[] } };
    assert.deepEqual([status.status, status.details.causes[0]!.message, code], ['Failure', '7', 1000]);
  });

  test('much data arrives whole', async () => {
    serve = async ({ stdin, stdout, exit }) => {
      for await (const chunk of stdin!) if (!stdout!.write(chunk)) await new Promise((resolve) => stdout!.once('drain', resolve));
      exit({ exitCode: 0 });
    };
    const sent = Buffer.alloc(4 * 1024 * 1024, 'abcdefghijklm');
    const { channels } = await session((webSocket) => {
      for (let at = 0; at < sent.length; at += 65_536) webSocket.send(message(0, sent.subarray(at, at + 65_536)));
      webSocket.send(END_OF_INPUT);
    });
    assert.ok(channels.get(1)!.equals(sent));
    assert.equal((JSON.parse(String(channels.get(3))) as { status: string }).status, 'Success');
  });

  test('a terminal has sizes and one output', async () => {
    tty = true;
    serve = async ({ stdout, resize, exit }) => {
      for await (const { width, height } of resize!) {
        stdout!.write(`${width}x${height}`);
        break;
      }
      exit({ exitCode: 0 });
    };
    const { channels } = await session((webSocket) => webSocket.send(message(4, '{"Width":80,"Height":24}')));
    tty = false;
    assert.equal(String(channels.get(1)), '80x24');
  });

  test('what the runtime refuses is an answer, not a WebSocket', async () => {
    await assert.rejects(
      session(() => undefined, '/gone'),
      /Unexpected server response: 500/,
    );
  });
});
