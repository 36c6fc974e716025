/** Our streaming server against real clients: SPDY as moby/spdystream frames it, and the WebSocket channel protocols. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import dictionaries from 'spdy-transport/lib/spdy-transport/protocol/spdy/dictionary.js';
import { WebSocket } from 'ws';
import type { StreamSession } from '../runtime/runtime.ts';
import { serveUpgrade } from './serve.ts';
import type { StreamKind } from './session.ts';

const server = http.createServer();
let port = 0;
let next: { kind: StreamKind; serve: (session: StreamSession) => Promise<void> };
/** Rejections of the session under test. */
let failed: Promise<unknown> = Promise.resolve();

before(async () => {
  server.on('upgrade', (request, socket, head) => {
    failed = serveUpgrade({ request, socket, head }, next.kind, next.serve).catch((error: unknown) => error);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const ALL = { stdin: true, stdout: true, stderr: true, tty: false };

/** Sends stdin back in capitals, says so on stderr, ends with 7 when stdin ends. */
async function capitals({ stdin, stdout, stderr, exit }: StreamSession): Promise<void> {
  for await (const chunk of stdin!) stdout!.write(String(chunk).toUpperCase());
  stderr!.write('done');
  exit({ exitCode: 7 });
}

const EXIT_7 = {
  metadata: {},
  status: 'Failure',
  message: 'command terminated with non-zero exit code: exit status 7',
  reason: 'NonZeroExitCode',
  details: { causes: [{ reason: 'ExitCode', message: '7' }] },
};

describe('WebSocket', () => {
  async function collect(ws: WebSocket, base64 = false): Promise<Map<number, string>> {
    const channels = new Map<number, string>();
    ws.on('message', (data: Buffer) => {
      const channel = base64 ? Number(data.toString('latin1', 0, 1)) : data[0]!;
      const text = base64 ? Buffer.from(data.toString('latin1', 1), 'base64').toString() : data.toString('utf8', 1);
      channels.set(channel, (channels.get(channel) ?? '') + text);
    });
    await new Promise((resolve) => ws.once('close', resolve));
    return channels;
  }

  test('v5: stdin is closed by a message on channel 255', async () => {
    next = { kind: { kind: 'exec', options: ALL }, serve: capitals };
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
    ws.on('open', () => {
      ws.send(Buffer.from('\0hello'));
      ws.send(Buffer.from([255, 0]));
    });
    const channels = await collect(ws);
    assert.equal(ws.protocol, 'v5.channel.k8s.io');
    assert.equal(channels.get(1), 'HELLO');
    assert.equal(channels.get(2), 'done');
    assert.deepEqual(JSON.parse(channels.get(3)!), EXIT_7);
  });

  test('base64: channel digits and text', async () => {
    next = {
      kind: { kind: 'exec', options: { ...ALL, stdin: false } },
      serve: ({ stdout, exit }) => {
        stdout!.write('hi');
        return Promise.resolve(exit({ exitCode: 0 }));
      },
    };
    const channels = await collect(new WebSocket(`ws://127.0.0.1:${port}/`, ['v4.base64.channel.k8s.io']), true);
    assert.equal(channels.get(1), 'hi');
    assert.equal((JSON.parse(channels.get(3)!) as { status: string }).status, 'Success');
  });

  test('sizes of a terminal arrive', async () => {
    const sizes: object[] = [];
    next = {
      kind: { kind: 'attach', options: { ...ALL, tty: true } },
      async serve({ resize, exit }) {
        for await (const size of resize!) {
          sizes.push(size);
          exit({ exitCode: 0 });
        }
      },
    };
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, ['v4.channel.k8s.io']);
    ws.on('open', () => ws.send(Buffer.concat([Buffer.from([4]), Buffer.from('{"Width":80,"Height":24}')])));
    await collect(ws);
    assert.deepEqual(sizes, [{ width: 80, height: 24 }]);
  });

  test('port-forward: each channel opens with its port', async () => {
    next = {
      kind: { kind: 'portForward', ports: [8080] },
      async serve({ onConnection, closed }) {
        onConnection!((asked, stream) => stream.on('data', (chunk: Buffer) => stream.write(`${asked}:${chunk.toString()}`)));
        await new Promise((resolve) => closed.addEventListener('abort', resolve));
      },
    };
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, ['v4.channel.k8s.io']);
    const messages: Buffer[] = [];
    ws.on('message', (data: Buffer) => {
      messages.push(data);
      if (messages.length === 2) ws.send(Buffer.from('\0ping'));
      if (messages.length === 3) ws.close();
    });
    await new Promise((resolve) => ws.once('close', resolve));
    assert.deepEqual(messages, [Buffer.from([0, 0x90, 0x1f]), Buffer.from([1, 0x90, 0x1f]), Buffer.from('\x008080:ping')]);
  });

  test('an unknown protocol is refused', async () => {
    next = { kind: { kind: 'exec', options: ALL }, serve: capitals };
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, ['v9.channel.k8s.io']);
    await assert.rejects(new Promise((_, reject) => ws.once('error', reject)), /403/);
  });
});

describe('SPDY', () => {
  test('exec: four streams without :method headers, half-close, exit status', async () => {
    next = { kind: { kind: 'exec', options: ALL }, serve: capitals };
    const client = await spdyClient('v4.channel.k8s.io');
    for (const [i, name] of ['error', 'stdin', 'stdout', 'stderr'].entries()) await client.open(2 * i + 1, { streamtype: name });
    client.data(3, 'hello', false);
    client.data(3, '', true);
    const streams = await client.received();
    assert.equal(streams.get(5), 'HELLO');
    assert.equal(streams.get(7), 'done');
    assert.deepEqual(JSON.parse(streams.get(1)!), EXIT_7);
  });

  test('more than any window passes without window updates', async () => {
    const size = 300_000;
    next = {
      kind: { kind: 'exec', options: { ...ALL, stdin: false, stderr: false } },
      serve: ({ stdout, exit }) => {
        stdout!.write(Buffer.alloc(size, 'x'));
        return Promise.resolve(exit({ exitCode: 0 }));
      },
    };
    const client = await spdyClient('v4.channel.k8s.io');
    await client.open(1, { streamtype: 'error' });
    await client.open(3, { streamtype: 'stdout' });
    assert.equal((await client.received()).get(3)?.length, size);
  });

  test('port-forward: a pair of streams for each connection', async () => {
    next = {
      kind: { kind: 'portForward', ports: [] },
      async serve({ onConnection, exit, closed }) {
        onConnection!((asked, stream: Duplex) => {
          stream.on('data', (chunk: Buffer) => stream.end(`${asked}:${chunk.toString()}`));
          stream.on('finish', () => exit({ exitCode: 0 }));
        });
        await new Promise((resolve) => closed.addEventListener('abort', resolve));
      },
    };
    const client = await spdyClient('portforward.k8s.io');
    await client.open(1, { streamtype: 'error', port: '80', requestid: '0' });
    await client.open(3, { streamtype: 'data', port: '80', requestid: '0' });
    client.data(3, 'ping', false);
    assert.equal((await client.received()).get(3), '80:ping');
    assert.equal(await failed, undefined);
  });
});

/** The client's side of SPDY, by hand: as spdystream writes it. */
async function spdyClient(protocol: string) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  const head = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  assert.match(head.toString(), new RegExp(`101 Switching Protocols[^]*X-Stream-Protocol-Version: ${protocol}\r\n\r\n$`));
  const deflate = createDeflate({ dictionary: dictionaries['3'], flush: constants.Z_SYNC_FLUSH });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const frame = (first: number, { flags = 0, body }: { flags?: number; body: Buffer }): void => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(first >>> 0);
    header.writeUInt32BE(body.length, 4);
    header[4] = flags;
    socket.write(Buffer.concat([header, body]));
  };
  return {
    async open(id: number, headers: Record<string, string>): Promise<void> {
      const words = Object.entries(headers)
        .flat()
        .map((text) => Buffer.concat([uint32(text.length), Buffer.from(text)]));
      const block = await new Promise<Buffer>((resolve) =>
        deflate.write(Buffer.concat([uint32(Object.keys(headers).length), ...words]), () => resolve(deflate.read() as Buffer)),
      );
      frame(0x8003_0001, { body: Buffer.concat([uint32(id), uint32(0), Buffer.alloc(2), block]) });
    },
    data: (id: number, text: string, fin: boolean): void => frame(id, { flags: fin ? 1 : 0, body: Buffer.from(text) }),
    /** What came on each stream until the server closed. */
    async received(): Promise<Map<number, string>> {
      if (!socket.readableEnded) await new Promise((resolve) => socket.once('close', resolve));
      const streams = new Map<number, string>();
      let all = Buffer.concat(chunks);
      while (all.length >= 8) {
        const length = all.readUIntBE(5, 3);
        const id = all.readUInt32BE(0);
        if (id < 0x8000_0000) streams.set(id, (streams.get(id) ?? '') + all.toString('utf8', 8, 8 + length));
        all = all.subarray(8 + length);
      }
      return streams;
    },
  };
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}
