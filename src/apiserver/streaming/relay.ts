/** Passes a request on to a target and its answer back, upgraded bytes untouched. */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { StatusError } from '../../api/status.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { StreamReply } from '../contract.ts';
import { dialText, type Target } from './target.ts';

export interface RelayRequest {
  method: string;
  /** With query. */
  path: string;
  headers: OutgoingHttpHeaders;
  /** The body to send; none for upgrades. */
  body?: NodeJS.ReadableStream;
  signal: AbortSignal;
  /** What the client is told when there is no connection to be had. */
  unreachable: (why: string, cause: unknown) => StatusError;
  /** Changes the answer's headers before they are passed on. */
  rewrite?: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
  /** What the answer's body goes through, by its headers as they came. */
  through?: (headers: IncomingHttpHeaders) => Duplex[];
}

/** Resolves when the exchange is over. Throws StatusError when the target cannot be reached; nothing has been answered then. */
export async function relay(target: Target, request: RelayRequest, reply: StreamReply): Promise<void> {
  const client = reply.kind === 'upgrade' ? reply.socket : reply.response;
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new DOMException('the client went away', 'AbortError'));
  client.once('close', onClose);
  try {
    const signal = AbortSignal.any([request.signal, gone.signal]);
    const answer = await exchange(target, { ...request, signal });
    await passBack(answer, request, reply, signal);
  } finally {
    client.removeListener('close', onClose);
  }
}

export type Answer =
  | { kind: 'upgraded'; message: IncomingMessage; socket: Duplex; head: Buffer }
  | { kind: 'message'; message: IncomingMessage };

/** Sends the request and waits for the head of its answer. */
export async function exchange(target: Target, request: RelayRequest): Promise<Answer> {
  const { signal, unreachable } = request;
  const socket = await connected(target, request);
  const { request: httpRequest } = await import('node:http');
  const { method, path, headers } = request;
  const outgoing = httpRequest({ createConnection: () => socket, method, path, headers, setHost: false });
  return new Promise((resolve, reject) => {
    const onAbort = (): void => void outgoing.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (answer: Answer): void => {
      signal.removeEventListener('abort', onAbort);
      // What breaks from now on breaks the answer's own streams; whoever holds them hears of it there.
      outgoing.removeAllListeners('error').on('error', () => socket.destroy());
      resolve(answer);
    };
    outgoing.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(signal.aborted ? (signal.reason as Error) : unreachable(errorMessage(error), error));
    });
    outgoing.once('upgrade', (message: IncomingMessage, upgraded: Duplex, head: Buffer) =>
      settled({ kind: 'upgraded', message, socket: upgraded, head }),
    );
    outgoing.once('response', (message) => settled({ kind: 'message', message }));
    if (request.body) request.body.pipe(outgoing);
    else outgoing.end();
  });
}

function passBack(answer: Answer, request: RelayRequest, reply: StreamReply, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ends = (): void => {
      if (answer.kind === 'upgraded') answer.socket.destroy();
      else answer.message.destroy();
      resolve();
    };
    signal.addEventListener('abort', ends, { once: true });
    const done = (): void => {
      signal.removeEventListener('abort', ends);
      resolve();
    };
    if (answer.kind === 'message' && reply.kind === 'response') answerOnResponse(answer.message, reply.response, request, done);
    else if (answer.kind === 'message' && reply.kind === 'upgrade') answerOnSocket(answer.message, reply.socket, done);
    else if (answer.kind === 'upgraded' && reply.kind === 'upgrade') joinUpgraded(answer, reply, done);
    else ends();
  });
}

async function connected(target: Target, { signal, unreachable }: RelayRequest): Promise<Duplex> {
  try {
    return await target.connect(signal);
  } catch (error) {
    throw unreachable(dialText(target.authority, error), error);
  }
}

function joinUpgraded(
  { message, socket: upstream, head: upstreamHead }: Extract<Answer, { kind: 'upgraded' }>,
  { socket, head }: Extract<StreamReply, { kind: 'upgrade' }>,
  done: () => void,
): void {
  socket.write(`HTTP/1.1 ${message.statusCode} ${message.statusMessage}\r\n${rawHeaderLines(message)}\r\n`);
  if (upstreamHead.length > 0) socket.write(upstreamHead);
  if (head.length > 0) upstream.write(head);
  join(socket, upstream, done);
}

/** Bytes both ways. Whichever side breaks takes the other with it; a side that only ends its writing (stdin) leaves the other open. */
export function join(client: Duplex, upstream: Duplex, done: () => void): void {
  const broken = (): void => {
    client.destroy();
    upstream.destroy();
    done();
  };
  for (const side of [client, upstream]) side.once('error', broken).once('close', broken);
  client.pipe(upstream);
  upstream.pipe(client);
}

function rawHeaderLines({ rawHeaders }: IncomingMessage): string {
  let lines = '';
  for (let i = 0; i < rawHeaders.length; i += 2) lines += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return lines;
}

/** The target would not upgrade: its answer goes to the client as it is, and the connection ends. */
export function answerOnSocket(answer: IncomingMessage, socket: Duplex, done: () => void): void {
  const headers: string[] = [];
  for (const [name, value] of Object.entries(withoutHopByHop(answer.headers))) {
    for (const one of [value].flat()) headers.push(`${name}: ${one}\r\n`);
  }
  socket.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${headers.join('')}connection: close\r\n\r\n`);
  answer.pipe(socket);
  socket.once('error', done).once('close', done);
  answer.once('close', done);
}

function answerOnResponse(answer: IncomingMessage, response: ServerResponse, request: RelayRequest, done: () => void): void {
  const { rewrite, through } = request;
  const headers = withoutHopByHop(answer.headers);
  response.writeHead(answer.statusCode ?? 502, rewrite ? rewrite(headers) : headers);
  // Headers of a stream must not wait for its first line.
  response.flushHeaders?.();
  const steps = request.method === 'HEAD' ? [] : (through?.(headers) ?? []);
  let body: Readable = answer;
  for (const step of steps) {
    step.once('error', () => response.destroy());
    body = body.pipe(step);
  }
  body.pipe(response);
  response.once('close', () => {
    for (const each of [answer, ...steps]) each.destroy();
    done();
  });
  answer.once('error', () => response.destroy());
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Without what concerns one connection only (RFC 9110, 7.6.1) and without HTTP/2's pseudo headers. */
export function withoutHopByHop(headers: Readonly<IncomingHttpHeaders>): IncomingHttpHeaders {
  const named = new Set(
    headers.connection
      ?.toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  const kept: IncomingHttpHeaders = {};
  for (const name in headers) {
    if (!name.startsWith(':') && !HOP_BY_HOP.has(name) && !named.has(name)) kept[name] = headers[name];
  }
  return kept;
}

const CREDENTIALS = /^(?:authorization|impersonate-.*|x-remote-.*)$/;
const WEBSOCKET_TOKEN = /^base64url\.bearer\.authorization\.k8s\.io\./;

/** The client's headers for the target: without its credentials for us, with the upgrade that it asks for. */
export function forwardedHeaders(headers: Readonly<IncomingHttpHeaders>, authority: string, upgrade: boolean): OutgoingHttpHeaders {
  const sent: OutgoingHttpHeaders = {};
  const kept = withoutHopByHop(headers);
  for (const name in kept) if (!CREDENTIALS.test(name)) sent[name] = kept[name];
  const protocols = headers['sec-websocket-protocol'];
  if (protocols !== undefined)
    sent['sec-websocket-protocol'] = protocols
      .split(',')
      .map((text) => text.trim())
      .filter((text) => !WEBSOCKET_TOKEN.test(text))
      .join(', ');
  sent['host'] = authority;
  if (upgrade) {
    sent['connection'] = 'Upgrade';
    sent['upgrade'] = headers.upgrade;
  } else {
    sent['connection'] = 'close';
  }
  return sent;
}
