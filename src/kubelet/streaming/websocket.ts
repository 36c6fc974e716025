/**
 * The WebSocket form of streaming: the first byte of a message is its channel (0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize); in
 * version 5 a message on channel 255 closes the channel that it names, so that stdin can end (KEP-4006).
 */
import { Duplex, PassThrough, Writable } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { StreamOptions, StreamSession } from '../runtime/runtime.ts';
import { exitStatus, exitText, parseSizes, PushIterable, type ExitResult, type StreamKind } from './session.ts';
import type { Upgrade } from './serve.ts';
import { forwardOver } from './spdy.ts';

const COMMAND = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io', 'v4.base64.channel.k8s.io', 'base64.channel.k8s.io'];
const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
const FORWARD = [TUNNEL, 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io'];
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 };

type Serve = (session: StreamSession) => Promise<void>;

export async function serveWebSocket({ request, socket, head }: Upgrade, kind: StreamKind, serve: Serve): Promise<void> {
  const known = kind.kind === 'portForward' ? FORWARD : COMMAND;
  const offered = (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter(Boolean);
  const protocol = known.find((name) => offered.includes(name)) ?? '';
  if (offered.length > 0 && !protocol) {
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => protocol || false });
  const ws = await new Promise<WebSocket>((resolve) => server.handleUpgrade(request, socket, head, resolve));
  if (protocol === TUNNEL) return forwardOver(createWebSocketStream(ws), serve);
  const channels = new Channels(ws, protocol);
  await (kind.kind === 'portForward'
    ? forward(channels, kind.ports, serve)
    : command(channels, { options: kind.options, protocol }, serve));
}

async function command(
  channels: Channels,
  { options, protocol }: { options: StreamOptions; protocol: string },
  serve: Serve,
): Promise<void> {
  const sizes = new PushIterable<{ width: number; height: number }>();
  channels.input(CHANNEL.resize).on('data', (chunk: Buffer) => parseSizes(chunk.toString()).forEach((size) => sizes.push(size)));
  channels.closed.addEventListener('abort', () => sizes.end(), { once: true });
  const plain = protocol === 'channel.k8s.io' || protocol === '' || protocol === 'base64.channel.k8s.io';
  const message = (result: ExitResult): string => (plain ? exitText(result) : JSON.stringify(exitStatus(result)));
  await serve({
    stdin: options.stdin ? channels.input(CHANNEL.stdin) : undefined,
    stdout: options.stdout ? channels.output(CHANNEL.stdout) : undefined,
    stderr: options.stderr && !options.tty ? channels.output(CHANNEL.stderr) : undefined,
    resize: options.tty ? sizes : undefined,
    exit(result) {
      channels.send(CHANNEL.error, Buffer.from(message(result)));
      channels.end();
    },
    closed: channels.closed,
  });
}

/** Two channels for each port: data and error, each opened by the port's number in two bytes, little endian. */
async function forward(channels: Channels, ports: readonly number[], serve: Serve): Promise<void> {
  await serve({
    onConnection(handler) {
      for (const [i, port] of ports.entries()) {
        const number = Buffer.alloc(2);
        number.writeUInt16LE(port);
        channels.send(2 * i, number);
        channels.send(2 * i + 1, number);
        handler(port, channels.duplex(2 * i));
      }
    },
    exit: () => channels.end(),
    closed: channels.closed,
  });
}

class Channels {
  readonly closed: AbortSignal;
  readonly #ws: WebSocket;
  readonly #base64: boolean;
  readonly #inputs = new Map<number, PassThrough>();

  constructor(ws: WebSocket, protocol: string) {
    const end = new AbortController();
    this.closed = end.signal;
    this.#ws = ws;
    this.#base64 = protocol.includes('base64');
    ws.on('message', (data: Buffer) => this.#receive(data));
    ws.on('error', () => ws.terminate());
    ws.on('close', () => {
      for (const input of this.#inputs.values()) input.end();
      end.abort();
    });
  }

  input(channel: number): PassThrough {
    const known = this.#inputs.get(channel) ?? new PassThrough();
    this.#inputs.set(channel, known);
    return known;
  }

  output(channel: number): Writable {
    return new Writable({ write: (chunk: Buffer, _encoding, done) => this.send(channel, chunk, () => done()) });
  }

  duplex(channel: number): Duplex {
    return Duplex.from({ readable: this.input(channel), writable: this.output(channel) });
  }

  send(channel: number, data: Buffer, done: () => void = () => undefined): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return done();
    if (this.#base64) this.#ws.send(`${channel}${data.toString('base64')}`, done);
    else this.#ws.send(Buffer.concat([Buffer.from([channel]), data]), { binary: true }, done);
  }

  end(): void {
    this.#ws.close(1000);
  }

  #receive(data: Buffer): void {
    if (data.length === 0) return;
    const channel = this.#base64 ? Number(String.fromCharCode(data[0]!)) : data[0]!;
    const content = this.#base64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1);
    if (channel === CHANNEL.close) this.#inputs.get(content[0] ?? -1)?.end();
    else if (content.length > 0) this.input(channel).write(content);
  }
}
