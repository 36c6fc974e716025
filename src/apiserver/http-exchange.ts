import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { statusError, type StatusError } from '../api/status.ts';
import { completeWithAnswer } from './audit/answer.ts';
import { streamBody, type RequestBody } from './body.ts';
import { Request } from './context.ts';
import type { HandlerResponse, StreamingHandler, StreamReply } from './contract.ts';
import { encodeResult, valueJson } from './encode/answer.ts';
import { negotiate, negotiatePlain, negotiateStream } from './encode/negotiate.ts';
import { watchEncoding } from './encode/watch.ts';
import { NotFoundPage, toStatusError } from './errors.ts';
import { gzipped } from './encode/gzip.ts';
import { nonResourceInfo } from './request-info.ts';
import { authenticated, authorized, serve, type Answer, type Pipeline } from './pipeline.ts';
import type { Peer } from './tls-peer.ts';
import { warningHeader } from './warnings.ts';
import type { Watches } from './watch/open.ts';
import { ResponseSink } from './watch/response-sink.ts';

export interface ExchangeOptions {
  pipeline: Pipeline;
  watches: Watches;
  clock: Clock;
  streaming: readonly StreamingHandler[];
  peerOf: (request: IncomingMessage) => Peer;
  onError: (error: unknown, request: Request) => void;
  /** Told of every answer; `seconds` from the request's head to the end of the answer. */
  observe: (request: Request, code: number, seconds: number) => void;
  /** Requests that may be in progress, watches and streams not counted. */
  maxInFlight: Readonly<Record<RequestKind, number>>;
}

/** Upstream's two kinds of requests, which are limited apart: reading never waits for writing. */
export type RequestKind = 'readOnly' | 'mutating';

const STOP_GRACE_MS = 2000;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** From a request on the wire to its answer on the wire. */
export class HttpExchange {
  readonly #options: ExchangeOptions;
  /** How many are in progress. */
  readonly inFlight: Record<RequestKind, number> = { readOnly: 0, mutating: 0 };
  #onIdle: (() => void) | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** For the server's `request` event. */
  request(incoming: IncomingMessage, response: ServerResponse): void {
    void this.#handle(incoming, { kind: 'response', response });
  }

  /** For the server's `upgrade` event. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    void this.#handle(incoming, { kind: 'upgrade', socket, head });
  }

  async #handle(incoming: IncomingMessage, reply: StreamReply): Promise<void> {
    const began = this.#options.clock.monotonic();
    let request: Request | undefined;
    try {
      request = this.#understand(incoming);
      await this.#answer(request, incoming, reply);
    } catch (error) {
      this.#failSafely(error, request, reply);
    } finally {
      request?.done();
      if (request?.audit) completeWithAnswer(request.audit, reply);
      if (request && reply.kind === 'response')
        this.#options.observe(request, reply.response.statusCode, (this.#options.clock.monotonic() - began) / 1000);
    }
  }

  #understand(incoming: IncomingMessage): Request {
    const peer = this.#options.peerOf(incoming);
    const { method = 'GET', url = '/', headers } = incoming;
    const call = { method, url, headers, remoteAddress: incoming.socket.remoteAddress ?? '' };
    const request = new Request(peer && peer !== 'invalid' ? { ...call, peer } : call, this.#options.clock);
    if (peer === 'invalid') throw statusError('Unauthorized', 'Unauthorized');
    return request;
  }

  async #answer(request: Request, incoming: IncomingMessage, reply: StreamReply): Promise<void> {
    const { pipeline, streaming } = this.#options;
    await authenticated(pipeline, request);
    const stream = streaming.find((handler) => handler.match(request));
    if (stream) {
      authorized(pipeline, request);
      await stream.handle(request, incoming, reply);
      return;
    }
    if (reply.kind === 'upgrade') throw statusError('BadRequest', 'unable to upgrade: this path has no streams');
    const { response } = reply;
    // A client that goes while something is written to it ends the request, not the server.
    response.on('error', (error: Error) => request.abort(error));
    response.once('close', () => {
      if (!response.writableEnded) request.abort(new DOMException('the client went away', 'AbortError'));
    });
    const release = this.#enter(request);
    try {
      const serving = serve(pipeline, request, this.#body(incoming, request));
      const answer = await (request.timeoutMs === undefined ? serving : Promise.race([serving, rejectedBy(request.signal)]));
      await this.#write(answer, request, response);
    } finally {
      release();
    }
  }

  /** Throws StatusError 429 when too much is in progress. */
  #enter(request: Request): () => void {
    if (request.isLongRunning) return () => undefined;
    const kind = READING.has(request.method) ? 'readOnly' : 'mutating';
    if (this.inFlight[kind] >= this.#options.maxInFlight[kind]) {
      throw statusError(
        'TooManyRequests',
        'The server is currently unable to handle the request: too many requests, please try again later.',
        { retryAfterSeconds: 1 },
      );
    }
    this.inFlight[kind]++;
    return () => {
      this.inFlight[kind]--;
      if (this.#isIdle) this.#onIdle?.();
    };
  }

  get #isIdle(): boolean {
    return this.inFlight.readOnly + this.inFlight.mutating === 0;
  }

  /** Resolves when no request is in progress, or after two seconds: what takes longer is cut off. */
  async idle(clock: Clock): Promise<void> {
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.timer(STOP_GRACE_MS, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }

  #body(incoming: IncomingMessage, request: Request): RequestBody {
    return streamBody(incoming.headers['content-type'], (limit) => readBody(incoming, limit, request));
  }

  async #write(answer: Answer, request: Request, response: ServerResponse): Promise<void> {
    if (answer.kind === 'watch') return this.#watch(answer, request, response);
    if (answer.kind === 'response') return writeHandled(answer.response, request, response);
    const output = negotiate(request.headers, request.query);
    const { bytes, contentType } = await encodeResult(answer, { output, query: request.query, now: this.#options.clock.now() });
    const status = answer.kind === 'list' ? 200 : answer.status;
    await sendZipped(response, request, { status, headers: headersOf(request, contentType), bytes });
  }

  #watch({ served, watch }: Extract<Answer, { kind: 'watch' }>, request: Request, response: ServerResponse): void {
    const output = negotiateStream(request.headers, request.query);
    const { key, contentType, make } = watchEncoding(served, output, request.query.get('includeObject') ?? '', () =>
      this.#options.clock.now(),
    );
    const sink = new ResponseSink(response, () => {
      response.writeHead(200, headersOf(request, contentType));
      response.flushHeaders();
      request.audit?.started(200);
    });
    const leave = this.#options.watches.open({ served, watch, encoding: key, encoder: make, sink });
    sink.begin();
    if (response.destroyed) leave();
    else response.once('close', leave);
  }

  /** What cannot even be refused ends its connection, and nothing else. */
  #failSafely(error: unknown, request: Request | undefined, reply: StreamReply): void {
    try {
      this.#fail(error, request, reply);
    } catch (again) {
      if (request) this.#options.onError(again, request);
      if (reply.kind === 'upgrade') reply.socket.destroy();
      else reply.response.destroy();
    }
  }

  #fail(error: unknown, request: Request | undefined, reply: StreamReply): void {
    const status = request ? this.#statusOf(error, request) : toStatusError(error, NO_INFO);
    const page = error instanceof NotFoundPage;
    if (request && !page) this.#auditFailure(error, request, status);
    const body = page ? Buffer.from(`${error.message}\n`) : valueJson(status.status);
    const contentType = page ? 'text/plain; charset=utf-8' : 'application/json';
    if (reply.kind === 'upgrade') {
      const code = page ? 404 : status.code;
      reply.socket.end(
        `HTTP/1.1 ${code} ${status.reason || 'Error'}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.toString()}`,
      );
      return;
    }
    const { response } = reply;
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const headers = headersOf(request, contentType);
    const retry = status.status.details?.retryAfterSeconds;
    if (retry !== undefined) headers['retry-after'] = String(retry);
    end(response, page ? 404 : status.code, headers, body);
  }

  #auditFailure(error: unknown, request: Request, status: StatusError): void {
    if (request.audit) request.audit.failed(error, status);
    else if (status.code === 401 && !request.auditDecided) this.#options.pipeline.audit?.unauthenticated(request, status);
  }

  #statusOf(error: unknown, request: Request): ReturnType<typeof toStatusError> {
    if (!(error instanceof NotFoundPage)) this.#options.onError(error, request);
    return toStatusError(error, request.info);
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

const NO_INFO: Request['info'] = nonResourceInfo('', '');

function headersOf(request: Request | undefined, contentType: string): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'audit-id': request?.auditId ?? randomUUID(),
    'cache-control': 'no-cache, private',
    'content-type': contentType,
  };
  const warning = request && request.warnings.length > 0 ? warningHeader(request.warnings) : undefined;
  if (warning) headers['warning'] = warning;
  return headers;
}

/** A body from this size on goes to TLS by itself: with its head in the same write it would be copied first. */
const ALONE_FROM = 64 * 1024;

function end(response: ServerResponse, status: number, headers: OutgoingHttpHeaders, bytes: Buffer): void {
  headers['content-length'] = bytes.length;
  response.writeHead(status, headers);
  if (bytes.length < ALONE_FROM || response.req.method === 'HEAD') {
    response.end(bytes);
    return;
  }
  response.flushHeaders();
  response.write(bytes, () => response.end());
}

async function writeHandled(handled: HandlerResponse, request: Request, response: ServerResponse): Promise<void> {
  const { status } = handled;
  if ('body' in handled) {
    const { bytes, contentType } = await encodeResult(
      { kind: 'value', status, body: handled.body },
      { output: negotiatePlain(request.headers, request.query), query: request.query, now: 0 },
    );
    return end(response, status, { ...headersOf(request, contentType), ...handled.headers }, bytes);
  }
  const headers = { ...headersOf(request, handled.contentType), ...handled.headers };
  if ('bytes' in handled && status === 304) return noContent(response, status, headers);
  if ('bytes' in handled) return sendZipped(response, request, { status, headers, bytes: handled.bytes });
  response.writeHead(status, headers);
  response.flushHeaders();
  for await (const chunk of handled.stream) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await once(response, 'drain', { signal: request.signal });
  }
  response.end();
}

interface Sent {
  status: number;
  headers: OutgoingHttpHeaders;
  bytes: Buffer;
}

/** Compressed when that is worth it and wanted. */
async function sendZipped(response: ServerResponse, request: Request, { status, headers, bytes }: Sent): Promise<void> {
  const zipped = await gzipped(bytes, request.headers['accept-encoding']);
  if (zipped) headers['content-encoding'] = 'gzip';
  end(response, status, headers, zipped ?? bytes);
}

function noContent(response: ServerResponse, status: number, headers: OutgoingHttpHeaders): void {
  response.writeHead(status, headers);
  response.end();
}

function readBody(incoming: IncomingMessage, limit: number, waiter: { readonly signal: AbortSignal }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        // Read on and forget it: the connection must come to the end of this body before it can be used again.
        chunks.length = 0;
        reject(statusError('RequestEntityTooLarge', `Request entity too large: limit is ${limit}`));
        return;
      }
      chunks.push(chunk);
    });
    incoming.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    incoming.on('error', reject);
    // What has come already needs no deadline, which nearly all bodies have.
    if (!incoming.complete) waiter.signal.addEventListener('abort', () => reject(waiter.signal.reason as Error), { once: true });
    incoming.on('aborted', () => reject(new DOMException('the client went away', 'AbortError')));
  });
}
