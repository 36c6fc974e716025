import http2, { type Http2SecureServer } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DEFAULT_CIPHERS } from 'node:tls';
import type { Clock } from '../lib/clock.ts';

export interface TlsFiles {
  /** PEM texts. */
  cert: string;
  key: string;
  /** Who signs client certificates; offered to clients. */
  clientCas: readonly string[];
}

export interface HttpHandlers {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface Listener {
  address: AddressInfo;
  /** Stops listening, then ends idle connections, then all. */
  close(): Promise<void>;
}

/** Requests at once on one HTTP/2 connection; client-go opens one connection for everything, watches included. */
const MAX_STREAMS = 1000;
/** Sent ahead on an HTTP/2 stream before the client asks for more, bytes. */
const WINDOW = 1 << 20;

/** Request line and headers together, bytes: Go's DefaultMaxHeaderBytes. What is more is 431, or a reset stream in HTTP/2. */
const HEADER_BYTES = 1 << 20;
/** Headers of one HTTP/2 request; Go counts bytes only. */
const HEADER_PAIRS = 10_000;
/** How long a client may take for the head of a request, ms (kube-apiserver's ReadHeaderTimeout). */
const HEAD_MS = 32_000;

/** How long an idle HTTP/1.1 connection is kept; longer than clients keep theirs, so that it is they who close it. */
const KEEP_ALIVE_MS = 120_000;
/** As http.createServer takes them. */
const HTTP1 = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: HEADER_BYTES, headersTimeout: HEAD_MS };

/** How long clients may take to read what was sent when the server stops, ms. */
const FLUSH_MS = 1000;

/** Node's, but AES with 128 bits first, as Go's servers have it: large lists cost a few percent less on both sides. */
const FIRST_CIPHER = 'TLS_AES_128_GCM_SHA256';
const CIPHERS = [FIRST_CIPHER, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== FIRST_CIPHER)].join(':');

export interface ListenOptions {
  host: string;
  port: number;
  tls: TlsFiles;
  handlers: HttpHandlers;
  clock: Clock;
}

/**
 * One TLS port for HTTP/1.1 and HTTP/2. Client certificates are asked for, not demanded: who shows none may have a token. Both protocols come
 * through Node's one request interface.
 */
export async function listen({ host, port, tls, handlers, clock }: ListenOptions): Promise<Listener> {
  const server = http2.createSecureServer({
    allowHTTP1: true,
    http1Options: HTTP1,
    maxHeaderListPairs: HEADER_PAIRS,
    cert: tls.cert,
    key: tls.key,
    ca: [...tls.clientCas],
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    // Node counts what waits to be sent; a few large lists at once are no attack. Nor are clients that drop many watches.
    maxSessionMemory: 1000,
    streamResetBurst: 10_000,
    streamResetRate: 1000,
    settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: WINDOW, maxHeaderListSize: HEADER_BYTES },
  });
  server.on('request', handlers.request as never);
  server.on('upgrade', handlers.upgrade as never);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket, clock));
  const connections = track(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { address: server.address() as AddressInfo, close: () => close(server, connections, clock) };
}

/** How long a refused client may take to read why, ms (Go's rstAvoidanceDelay): closed at once, the connection would be reset before. */
const REFUSAL_MS = 500;

/** What is no request at all is answered as Go's server does, in plain text. */
function refuse({ code }: NodeJS.ErrnoException, socket: Socket, clock: Clock): void {
  if (!socket.writable || code === 'ECONNRESET') return void socket.destroy();
  const status =
    code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : code === TOO_SLOW ? '408 Request Timeout' : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`);
  const cancel = clock.timer(REFUSAL_MS, () => socket.destroy());
  socket.once('close', cancel);
}

const TOO_SLOW = 'ERR_HTTP_REQUEST_TIMEOUT';

function track(server: Http2SecureServer): Set<Socket> {
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => socket.setNoDelay(true));
  server.on('secureConnection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  // A handshake that fails is the client's business; without a listener the socket would linger.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return connections;
}

async function close(server: Http2SecureServer, connections: Set<Socket>, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Every answer in progress was ended before; what is left is flushed, then idle keep-alive connections are closed.
  for (const socket of connections) socket.destroySoon();
  const cancel = clock.timer(FLUSH_MS, () => {
    for (const socket of connections) socket.destroy();
  });
  await closed;
  cancel();
}
