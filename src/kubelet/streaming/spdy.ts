/** The SPDY/3.1 form of exec, attach and port-forward: a stream each for stdin, stdout, stderr, errors and sizes, told apart by a header. */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import transport, { type SpdyConnection, type SpdyStream } from 'spdy-transport';
import type { StreamOptions, StreamSession } from '../runtime/runtime.ts';
import { exitStatus, exitText, parseSizes, PushIterable, type ExitResult, type StreamKind } from './session.ts';
import type { Upgrade } from './serve.ts';

/** Best first. */
const EXEC_PROTOCOLS = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'];
const FORWARD_PROTOCOLS = ['portforward.k8s.io'];
const MAX_WINDOW = 2 ** 31 - 1;
const STREAMS_DEADLINE_MS = 30_000;

type Serve = (session: StreamSession) => Promise<void>;

export async function serveSpdy({ request, socket, head }: Upgrade, kind: StreamKind, serve: Serve): Promise<void> {
  const offered = String(request.headers['x-stream-protocol-version'] ?? '').split(',').map((text) => text.trim());
  const known = kind.kind === 'portForward' ? FORWARD_PROTOCOLS : EXEC_PROTOCOLS;
  const protocol = known.find((name) => offered.includes(name)) ?? (offered.join('') === '' ? known.at(-1) : undefined);
  if (!protocol) {
    socket.end(`HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  await (kind.kind === 'portForward' ? forwardOver(socket, serve) : commandOver(socket, { options: kind.options, protocol }, serve));
}

/** Serves port-forward on SPDY frames that are there already (also tunnelled in a WebSocket). */
export async function forwardOver(socket: Duplex, serve: Serve): Promise<void> {
  const { connection, closed } = await open(socket);
  let handler: ((port: number, stream: Duplex) => void) | undefined;
  const waiting: SpdyStream[] = [];
  connection.on('stream', (stream) => {
    stream.respond(200, {});
    // each connection has an error stream as well: it ends silently when all went well
    if (stream.headers.streamtype === 'error') stream.end();
    else if (handler) handler(Number(stream.headers.port), stream);
    else waiting.push(stream);
  });
  await serve({
    onConnection(accept) {
      handler = accept;
      for (const stream of waiting.splice(0)) accept(Number(stream.headers.port), stream);
    },
    exit: () => connection.end(),
    closed,
  });
  await untilAborted(closed);
}

async function commandOver(socket: Duplex, { options, protocol }: { options: StreamOptions; protocol: string }, serve: Serve): Promise<void> {
  const { connection, closed } = await open(socket);
  const streams = await collect(connection, expectedStreams(options, protocol), closed);
  const sizes = new PushIterable<{ width: number; height: number }>();
  streams.get('resize')?.on('data', (chunk: Buffer) => parseSizes(chunk.toString()).forEach((size) => sizes.push(size)));
  closed.addEventListener('abort', () => sizes.end(), { once: true });
  const [stdout, stderr, errors] = [streams.get('stdout'), streams.get('stderr'), streams.get('error')];
  await serve({
    stdin: streams.get('stdin'),
    stdout,
    stderr,
    resize: options.tty ? sizes : undefined,
    exit(result) {
      errors?.end(exitMessage(result, protocol));
      stdout?.end();
      stderr?.end();
    },
    closed,
  });
}

function exitMessage(result: ExitResult, protocol: string): string {
  return protocol === 'v4.channel.k8s.io' ? JSON.stringify(exitStatus(result)) : exitText(result);
}

function expectedStreams({ stdin, stdout, stderr, tty }: StreamOptions, protocol: string): string[] {
  const sized = tty && (protocol.startsWith('v3') || protocol.startsWith('v4'));
  return ['error', stdin && 'stdin', stdout && 'stdout', stderr && !tty && 'stderr', sized && 'resize'].filter((name) => name !== false);
}

/** Waits until the client has opened every stream. Throws when it does not. */
function collect(connection: SpdyConnection, expected: readonly string[], closed: AbortSignal): Promise<Map<string, SpdyStream>> {
  const streams = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new Error('timed out waiting for client to create streams'));
    AbortSignal.any([closed, AbortSignal.timeout(STREAMS_DEADLINE_MS)]).addEventListener('abort', giveUp, { once: true });
    connection.on('stream', (stream) => {
      stream.respond(200, {});
      streams.set(stream.headers.streamtype ?? '', stream);
      if (expected.every((name) => streams.has(name))) resolve(streams);
    });
  });
}

async function open(socket: Duplex): Promise<{ connection: SpdyConnection; closed: AbortSignal }> {
  // Kubernetes's client loses what comes right behind the 101 (it reads ahead): our settings frame waits for its first frame
  await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  const connection = transport.connection.create(socket, { protocol: 'spdy', isServer: true });
  const end = new AbortController();
  connection.on('error', () => socket.destroy());
  connection.on('close', () => end.abort());
  // version 3 frames: without the flow control of the whole connection that 3.1 added, since Kubernetes's client has none
  connection.start(3);
  // nor does it ever send window updates for a stream: as if it had said that its windows have no end
  connection._handleFrame({ type: 'SETTINGS', settings: { initial_window_size: MAX_WINDOW } });
  return { connection, closed: end.signal };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
