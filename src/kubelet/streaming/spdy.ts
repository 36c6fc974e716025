/** The SPDY/3.1 form of exec, attach and port-forward: a stream each for stdin, stdout, stderr, errors and sizes, told apart by a header. */
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { StreamOptions, StreamSession } from '../runtime/runtime.ts';
import { exitStatus, exitText, parseSizes, PushIterable, type ExitResult, type StreamKind } from './session.ts';
import type { Upgrade } from './serve.ts';
import { SpdyConnection, type SpdyStream } from './spdy-connection.ts';

/** Best first. */
const EXEC_PROTOCOLS = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'];
const FORWARD_PROTOCOLS = ['portforward.k8s.io'];
const STREAMS_DEADLINE_MS = 30_000;

type Serve = (session: StreamSession) => Promise<void>;

export async function serveSpdy({ request, socket, head }: Upgrade, kind: StreamKind, serve: Serve): Promise<void> {
  const offered = String(request.headers['x-stream-protocol-version'] ?? '')
    .split(',')
    .map((text) => text.trim());
  const known = kind.kind === 'portForward' ? FORWARD_PROTOCOLS : EXEC_PROTOCOLS;
  const protocol = known.find((name) => offered.includes(name)) ?? (offered.join('') === '' ? known.at(-1) : undefined);
  if (!protocol) {
    socket.end(`HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  await (kind.kind === 'portForward' ? forwardOver(socket, serve) : commandOver(socket, { options: kind.options, protocol }, serve));
}

/** Serves port-forward on SPDY frames that are there already (also tunnelled in a WebSocket). */
export async function forwardOver(socket: Duplex, serve: Serve): Promise<void> {
  let handler: ((port: number, stream: Duplex) => void) | undefined;
  const waiting: SpdyStream[] = [];
  /** Each connection has an error stream as well, opened before its data: they share a request id. */
  const errors = new Map<string, SpdyStream>();
  const accept = (stream: SpdyStream): void => {
    const id = stream.headers.get('requestid') ?? '';
    if (stream.headers.get('streamtype') === 'error') {
      errors.set(id, stream);
      return;
    }
    const error = errors.get(id);
    errors.delete(id);
    if (error) tellFailure(stream, error);
    if (handler) handler(Number(stream.headers.get('port')), stream);
    else waiting.push(stream);
  };
  const connection = new SpdyConnection(socket, accept);
  await serve({
    onConnection(given) {
      handler = given;
      for (const stream of waiting.splice(0)) given(Number(stream.headers.get('port')), stream);
    },
    exit: () => connection.end(),
    closed: connection.closed,
  });
}

/** Why a connection failed is said on its error stream, which ends silently when all went well. */
function tellFailure(data: SpdyStream, error: SpdyStream): void {
  data.once('error', (reason: Error) => error.end(reason.message));
  data.once('finish', () => error.end());
  data.once('close', () => error.end());
}

async function commandOver(
  socket: Duplex,
  { options, protocol }: { options: StreamOptions; protocol: string },
  serve: Serve,
): Promise<void> {
  const { connection, streams } = await collect(socket, expectedStreams(options, protocol));
  const { closed } = connection;
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
      const left = [stdout, stderr].filter((stream) => stream !== undefined);
      for (const stream of left) stream.end();
      errors?.end(exitMessage(result, protocol));
      Promise.all([...left, errors!].map((stream) => finished(stream, { readable: false, writable: true }))).then(
        () => connection.end(),
        () => socket.destroy(),
      );
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
function collect(socket: Duplex, expected: readonly string[]): Promise<{ connection: SpdyConnection; streams: Map<string, SpdyStream> }> {
  const streams = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const connection = new SpdyConnection(socket, (stream) => {
      streams.set(stream.headers.get('streamtype') ?? '', stream);
      if (expected.every((name) => streams.has(name))) resolve({ connection, streams });
    });
    const giveUp = (): void => reject(new Error('timed out waiting for client to create streams'));
    AbortSignal.any([connection.closed, AbortSignal.timeout(STREAMS_DEADLINE_MS)]).addEventListener('abort', giveUp, { once: true });
  });
}
