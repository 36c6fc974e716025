import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { MessageReader, frame } from './frames.ts';
import type { Message } from './wire.ts';

/** A method of a gRPC service. */
export interface Method<Request, Response> {
  path: string;
  request: Message<Request>;
  response: Message<Response>;
}

export interface EtcdTls {
  /** PEM. */
  ca: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

/** The codes of gRPC that are told apart here. */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** A call that did not end with OK. */
export class GrpcError extends Error {
  readonly code: number;
  /** The call never left this process: it may be made again without doing anything twice. */
  readonly neverSent: boolean;

  constructor(code: number, message: string, { neverSent = false, cause }: { neverSent?: boolean; cause?: unknown } = {}) {
    super(message, { cause });
    this.name = 'GrpcError';
    this.code = code;
    this.neverSent = neverSent;
  }
}

/** An open call in both directions. After `onEnd` nothing comes any more. */
export interface Duplex<Request> {
  write(request: Request): void;
  cancel(): void;
}

export interface DuplexEvents<Response> {
  onMessage(response: Response): void;
  /** Once, unless it was cancelled here; without an error when the server ended the call well. */
  onEnd(error: GrpcError | undefined): void;
}

export interface ChannelOptions {
  endpoint: string;
  tls?: EtcdTls;
  clock: Clock;
  /** Whether calls wait for a connection (until their deadline), or fail as soon as an attempt to connect does. */
  patient: boolean;
}

interface Waiter {
  ready: (session: ClientHttp2Session) => void;
  failed: (error: GrpcError) => void;
}

/** The pause between attempts to connect: the first start may take no longer than etcd itself. */
const RECONNECT = { baseMs: 20, maxMs: 1000 };
/** An attempt that takes longer is given up, ms. */
const CONNECT_MS = 5000;
/** How often a connection over a network is asked whether it is alive, and how long it may take to say so, ms. */
const PING_EVERY_MS = 30_000;
const PING_MS = 20_000;
/** Sent ahead by etcd before we ask for more, bytes: a range of everything is megabytes. */
const WINDOW = 8 * 1024 * 1024;

/**
 * gRPC to one endpoint over one HTTP/2 connection, which is made when first needed and again when it broke. As much of gRPC as etcd's
 * services need: no compression, no metadata, no retries.
 *
 *     idle --a call--> connecting --> connected --broken--> idle
 *                          \--failed: after a pause again, as long as calls wait
 */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #waiters = new Set<Waiter>();
  #session: ClientHttp2Session | undefined;
  #connecting: ClientHttp2Session | undefined;
  #failures = 0;
  #cancelPause: (() => void) | undefined;
  #closed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** Rejects with GrpcError. `timeoutMs` covers the wait for a connection too. */
  call<Request, Response>({ path, request, response }: Method<Request, Response>, value: Request, timeoutMs: number): Promise<Response> {
    return new Promise((resolve, reject) => {
      let stream: ClientHttp2Stream | undefined;
      let answer: Response | undefined;
      const cancelTimer = this.#options.clock.timer(timeoutMs, () => {
        const neverSent = stream === undefined;
        const what = neverSent ? 'no connection was made in time' : 'no answer came in time';
        leave();
        stream?.close(constants.NGHTTP2_CANCEL);
        reject(new GrpcError(GrpcCode.DEADLINE_EXCEEDED, what, { neverSent }));
      });
      const end = (error: GrpcError | undefined): void => {
        cancelTimer();
        if (error) reject(error);
        else if (answer === undefined) reject(new GrpcError(GrpcCode.INTERNAL, 'the call ended well but without an answer'));
        else resolve(answer);
      };
      const leave = this.#connected({
        ready: (session) => {
          stream = open(session, path);
          receive(stream, { onMessage: (message) => (answer = response.decode(message)), onEnd: end });
          stream.end(frame(request.encode(value)));
        },
        failed: end,
      });
    });
  }

  /** Opens a call in both directions. What is written before there is a connection waits for it. */
  duplex<Request, Response>({ path, request, response }: Method<Request, Response>, events: DuplexEvents<Response>): Duplex<Request> {
    let stream: ClientHttp2Stream | undefined;
    let early: Buffer[] = [];
    let over = false;
    const end = (error: GrpcError | undefined): void => {
      if (over) return;
      over = true;
      events.onEnd(error);
    };
    const leave = this.#connected({
      ready: (session) => {
        stream = open(session, path);
        receive(stream, { onMessage: (message) => void (over || events.onMessage(response.decode(message))), onEnd: end });
        for (const bytes of early) stream.write(bytes);
        early = [];
      },
      failed: end,
    });
    return {
      write: (value) => {
        const bytes = frame(request.encode(value));
        if (!stream) early.push(bytes);
        else if (!stream.destroyed && !stream.closed) stream.write(bytes);
      },
      cancel: () => {
        over = true;
        leave();
        stream?.close(constants.NGHTTP2_CANCEL);
      },
    };
  }

  /** Ends the connection; calls that are open fail. */
  close(): void {
    this.#closed = true;
    this.#cancelPause?.();
    this.#connecting?.destroy();
    this.#session?.destroy();
    this.#fail(closed());
  }

  /** Calls one of the two, at once where there is a connection. Returns how to stop waiting. */
  #connected(waiter: Waiter): () => void {
    if (this.#session && !this.#session.destroyed && !this.#session.closed) {
      waiter.ready(this.#session);
      return () => undefined;
    }
    this.#waiters.add(waiter);
    // Later, so that nobody is called back while still calling.
    if (this.#closed) queueMicrotask(() => this.#fail(closed()));
    else if (!this.#connecting && !this.#cancelPause) this.#connect();
    return () => void this.#waiters.delete(waiter);
  }

  #connect(): void {
    const { clock } = this.#options;
    const session = openSession(this.#options);
    this.#connecting = session;
    let why: Error | undefined;
    session.on('error', (error) => (why = error));
    const cancelLate = clock.timer(CONNECT_MS, () => session.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)));
    session.once('connect', () => {
      cancelLate();
      session.setLocalWindowSize(WINDOW);
      this.#connecting = undefined;
      this.#session = session;
      this.#failures = 0;
      this.#keepAlive(session);
      const waiters = [...this.#waiters];
      this.#waiters.clear();
      for (const { ready } of waiters) ready(session);
    });
    // The server says that it goes: what is open may end, new calls take a new connection.
    session.once('goaway', () => this.#session === session && (this.#session = undefined));
    session.once('close', () => {
      cancelLate();
      if (this.#session === session) this.#session = undefined;
      if (this.#connecting !== session) return;
      this.#connecting = undefined;
      this.#notConnected(why);
    });
  }

  #notConnected(cause: Error | undefined): void {
    if (this.#closed) return;
    if (!this.#options.patient)
      this.#fail(
        new GrpcError(GrpcCode.UNAVAILABLE, `no connection to ${this.#options.endpoint}: ${cause?.message ?? 'it was closed'}`, {
          neverSent: true,
          cause,
        }),
      );
    this.#cancelPause = this.#options.clock.timer(backoffDelay(this.#failures++, RECONNECT), () => {
      this.#cancelPause = undefined;
      if (this.#waiters.size > 0) this.#connect();
    });
  }

  #fail(error: GrpcError): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { failed } of waiters) failed(error);
  }

  /** A network may lose a connection without a word; a unix socket does not. */
  #keepAlive(session: ClientHttp2Session): void {
    const { clock, endpoint } = this.#options;
    if (endpoint.startsWith('unix:')) return;
    let cancel = clock.timer(PING_EVERY_MS, ping);
    session.once('close', () => cancel());
    function ping(): void {
      if (session.destroyed) return;
      cancel = clock.timer(PING_MS, () => session.destroy(new Error('a ping was not answered')));
      session.ping((error) => {
        cancel();
        if (!error) cancel = clock.timer(PING_EVERY_MS, ping);
      });
    }
  }
}

function closed(): GrpcError {
  return new GrpcError(GrpcCode.CANCELLED, 'the channel is closed', { neverSent: true });
}

function openSession({ endpoint, tls }: ChannelOptions): ClientHttp2Session {
  const { protocol, host, pathname } = new URL(endpoint);
  const options: SecureClientSessionOptions = { settings: { initialWindowSize: WINDOW, enablePush: false } };
  if (protocol === 'unix:') {
    return connect('http://localhost', { ...options, createConnection: () => connectSocket({ path: decodeURIComponent(pathname) }) });
  }
  return connect(`${protocol}//${host}`, { ...options, ...tls });
}

function open(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }, { endStream: false });
}

interface Receiver {
  onMessage(bytes: Buffer): void;
  /** Once, when the stream is over. */
  onEnd(error: GrpcError | undefined): void;
}

/** The outcome is in the trailers, or in the headers of an answer that has nothing else. */
function receive(stream: ClientHttp2Stream, { onMessage, onEnd }: Receiver): void {
  const reader = new MessageReader(onMessage);
  let outcome: GrpcError | undefined | null = null;
  let failure: Error | undefined;
  const conclude = (headers: IncomingHttpHeaders): void => {
    if (headers['grpc-status'] !== undefined) outcome = statusOf(headers);
  };
  stream.on('response', (headers) => {
    conclude(headers);
    const status = headers[':status'];
    if (status !== 200) outcome ??= new GrpcError(GrpcCode.UNAVAILABLE, `etcd answered with HTTP status ${status}`);
  });
  stream.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (cause) {
      outcome = new GrpcError(GrpcCode.INTERNAL, `the answer cannot be read: ${(cause as Error).message}`, { cause });
      stream.close(constants.NGHTTP2_CANCEL);
    }
  });
  stream.on('trailers', conclude);
  stream.on('error', (error: Error) => (failure = error));
  stream.once('close', () => {
    onEnd(
      outcome === null
        ? new GrpcError(GrpcCode.UNAVAILABLE, failure?.message ?? 'the connection was lost', {
            neverSent: stream.rstCode === constants.NGHTTP2_REFUSED_STREAM,
            cause: failure,
          })
        : outcome,
    );
  });
}

function statusOf(headers: IncomingHttpHeaders): GrpcError | undefined {
  const code = Number(headers['grpc-status']);
  if (code === GrpcCode.OK) return undefined;
  return new GrpcError(code, unescaped(String(headers['grpc-message'] ?? `gRPC status ${code}`)));
}

/** grpc-message is percent-encoded; what is no valid escape stands for itself. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
