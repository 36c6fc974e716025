/**
 * exec and attach over a WebSocket that can close one of its channels, `v5.channel.k8s.io` (KEP-4006), which kubectl since 1.31 asks for first.
 * Container runtimes do not know it, and its older brothers cannot tell a program that its input has ended: the runtime gets SPDY, where
 * every channel is a stream.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { StreamReply } from '../contract.ts';
import type { RelayRequest } from './relay.ts';
import { answerOnSocket, exchange } from './relay.ts';
import { SpdyClient } from './spdy-client.ts';
import type { Target } from './target.ts';

const PROTOCOL = 'v5.channel.k8s.io';
/** The first byte of a message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
type Output = 'stdout' | 'stderr' | 'error';

export interface Wanted {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Whether the client can speak the newest protocol. */
export function canCloseStreams(headers: Readonly<IncomingHttpHeaders>): boolean {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim());
  return headers.upgrade?.toLowerCase() === 'websocket' && offered.includes(PROTOCOL);
}

/** Resolves when the session has ended. */
export async function translate(
  target: Target,
  request: RelayRequest & { wanted: Wanted },
  incoming: IncomingMessage,
  reply: Extract<StreamReply, { kind: 'upgrade' }>,
): Promise<void> {
  const headers = {
    host: target.authority,
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': 'v4.channel.k8s.io',
    'content-length': 0,
  };
  // First the runtime, then the handshake: what the runtime refuses is still an answer of HTTP's.
  const answer = await exchange(target, { ...request, method: 'POST', headers });
  if (answer.kind === 'message') {
    await new Promise<void>((resolve) => answerOnSocket(answer.message, reply.socket, resolve));
    return;
  }
  const webSocket = await accepted(incoming, reply);
  if (webSocket) await session(webSocket, answer, request.wanted);
  else answer.socket.destroy();
}

/** undefined when the client's handshake was no good; it has been told then. */
async function accepted(
  incoming: IncomingMessage,
  { socket, head }: Extract<StreamReply, { kind: 'upgrade' }>,
): Promise<WebSocket | undefined> {
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, handleProtocols: () => PROTOCOL });
  return new Promise((resolve) => {
    const refused = (): void => resolve(undefined);
    socket.once('close', refused);
    server.handleUpgrade(incoming, socket, head, (webSocket) => {
      socket.removeListener('close', refused);
      // Its first messages may be here already, and nobody listens yet.
      webSocket.pause();
      resolve(webSocket);
    });
  });
}

async function session(webSocket: WebSocket, { socket, head }: { socket: Duplex; head: Buffer }, wanted: Wanted): Promise<void> {
  const spdy = new SpdyClient(socket);
  const gone = (): void => spdy.close();
  webSocket.once('close', gone).on('error', gone);
  const outputs: Output[] = [
    'error',
    ...(wanted.stdout ? (['stdout'] as const) : []),
    ...(wanted.stderr && !wanted.tty ? (['stderr'] as const) : []),
  ];
  const open = new Set<Output>(outputs);
  const receive =
    (name: Output) =>
    async (data: Buffer, end: boolean): Promise<void> => {
      if (data.length > 0) await sent(webSocket, CHANNEL[name], data);
      if (end) open.delete(name);
      if (open.size === 0) webSocket.close(1000);
    };
  try {
    // The order in which kubectl itself opens them.
    await spdy.open({ streamtype: 'error' }, receive('error'));
    const stdin = wanted.stdin ? await spdy.open({ streamtype: 'stdin' }, () => undefined) : undefined;
    for (const name of outputs.slice(1)) await spdy.open({ streamtype: name }, receive(name));
    const resize = wanted.tty ? await spdy.open({ streamtype: 'resize' }, () => undefined) : undefined;
    takeInput(webSocket, socket, spdy, { stdin, resize });
    await isListening(webSocket);
    await spdy.run(head);
    webSocket.close(1000);
  } catch {
    // The connection to the runtime broke, or the client left: either way the session is over, and the other side sees it end.
    webSocket.close(1011);
  } finally {
    spdy.close();
  }
}

/**
 * Resolves when the client has answered a ping (RFC 6455 obliges it to), or is gone. kubectl up to 1.32 begins to read a moment before it has its
 * channels ready, and throws away what it is told in between: a command that is over at once would seem to fail.
 */
function isListening(webSocket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    webSocket.once('pong', () => resolve()).once('close', () => resolve());
    webSocket.ping();
  });
}

/** Resolves when the message is on its way, so that a slow client slows the program down. Nobody listens any more: it is dropped. */
function sent(webSocket: WebSocket, channel: number, data: Buffer): Promise<void> {
  return new Promise((resolve) => webSocket.send(Buffer.concat([Buffer.of(channel), data]), () => resolve()));
}

function takeInput(
  webSocket: WebSocket,
  socket: Duplex,
  spdy: SpdyClient,
  streams: { stdin: number | undefined; resize: number | undefined },
): void {
  socket.on('drain', () => webSocket.resume());
  webSocket.on('message', (message: Buffer) => {
    const [channel] = message;
    const data = message.subarray(1);
    const closes = channel === CHANNEL.close && data[0] === CHANNEL.stdin;
    const stream = channel === CHANNEL.resize ? streams.resize : channel === CHANNEL.stdin || closes ? streams.stdin : undefined;
    if (stream === undefined || socket.destroyed) return;
    if (!spdy.send(stream, closes ? Buffer.alloc(0) : data, closes)) webSocket.pause();
  });
  webSocket.resume();
}
