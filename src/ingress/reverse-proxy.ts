/** The data plane: one request in, one to a backend out, bytes passed on as they come. */
import { Agent, type ClientRequest, type IncomingMessage, request as sendRequest, type ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { connect as connectSocket, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import type { Target } from './endpoints.ts';
import { endToEnd, forwardedHeaders } from './headers.ts';
import { matchRoute, rewritePath, type Route, type RouteTable } from './routes.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

export interface Entrance {
  scheme: 'http' | 'https';
  /** The port as clients see it. */
  port: number;
}

export interface ReverseProxyOptions {
  log: Logger;
  rng: Rng;
  routes(): RouteTable;
  targets(route: Route): Target[];
  /** For redirects. */
  httpsPort(): number;
  connect?: (host: string, port: number) => Socket;
}

/** So many endpoints are tried while none of the request's body was sent. */
const ATTEMPTS = 3;
const IDLE_CONNECTION_MS = 30_000;

/** Passes requests and upgrades on to endpoints, over connections that are kept; answers itself where there is none. */
export class ReverseProxy {
  readonly #options: ReverseProxyOptions;
  readonly #agent: Agent;

  constructor(options: ReverseProxyOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: 64, timeout: IDLE_CONNECTION_MS, scheduling: 'lifo' });
    const { connect = (host: string, port: number) => connectSocket({ host, port }) } = options;
    // So that a backend can be reached where there is no route to pods, as with simulated ones.
    Object.assign(this.#agent, { createConnection: ({ host, port }: { host: string; port: number }) => connect(host, port) });
  }

  close(): void {
    this.#agent.destroy();
  }

  handle(request: Request, response: Response, entrance: Entrance): void {
    const found = this.#find(request, entrance);
    if ('redirect' in found) return page(response, found.status, { location: found.redirect });
    if ('status' in found) return page(response, found.status);
    this.#forward(request, response, { ...found, entrance });
  }

  /** Passes an upgrade on (WebSocket) and then the bytes of both sides, unread. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, entrance: Entrance): void {
    // A client that is gone has nobody left to tell.
    socket.on('error', () => socket.destroy());
    const found = this.#find(request, entrance);
    if (!('targets' in found)) return refuseUpgrade(socket, found.status, 'redirect' in found ? found.redirect : undefined);
    this.#upgradeTo(request, socket, head, { ...found, entrance });
  }

  #upgradeTo(request: IncomingMessage, socket: Duplex, head: Buffer, exchange: Exchange, attempt = 0): void {
    const target = exchange.targets[attempt % exchange.targets.length]!;
    const outgoing = this.#open(request, target, exchange, { connection: 'Upgrade', upgrade: request.headers.upgrade });
    let reached = false;
    whenConnected(outgoing, () => (reached = true));
    outgoing.once('upgrade', (answer, backend, backendHead) => {
      socket.write(rawHead(answer, answer.rawHeaders));
      backend.setTimeout(0);
      backend.on('error', () => socket.destroy());
      socket.on('close', () => backend.destroy());
      backend.on('close', () => socket.destroy());
      if (backendHead.length > 0) socket.write(backendHead);
      if (head.length > 0) backend.write(head);
      backend.pipe(socket).pipe(backend);
    });
    // A backend may take the request and not the upgrade: curl offers HTTP/2 that way.
    outgoing.once('response', (answer) => {
      const headers = Object.entries({ ...endToEnd(answer.headers), connection: 'close' }).flatMap(([name, value]) =>
        [value ?? []].flat().flatMap((each) => [name, `${each}`]),
      );
      socket.write(rawHead(answer, headers));
      answer.on('error', () => socket.destroy());
      answer.pipe(socket);
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('the backend was silent for too long')));
    outgoing.once('error', (error) => {
      if (!reached && attempt + 1 < ATTEMPTS && !socket.destroyed) {
        return this.#upgradeTo(request, socket, head, exchange, attempt + 1);
      }
      this.#options.log.debug('an upgrade failed', { ingress: exchange.route.ingress, error: errorMessage(error) });
      refuseUpgrade(socket, 502);
    });
    outgoing.end();
  }

  #find(request: Request, { scheme }: Entrance): Found {
    const host = hostOf(request);
    const [path, query] = splitOnce(request.url ?? '/', '?');
    const { host: entry, route } = matchRoute(this.#options.routes(), host, path);
    if (scheme === 'http' && entry?.redirectsToHttps) {
      const httpsPort = this.#options.httpsPort();
      const port = httpsPort === 443 ? '' : `:${httpsPort}`;
      return { status: 308, redirect: `https://${host.replace(/:\d+$/, '')}${port}${request.url ?? '/'}` };
    }
    if (entry?.appRoot && path === '/') return { status: 302, redirect: `${scheme}://${host}${entry.appRoot}` };
    if (!route) return { status: 404 };
    const targets = this.#options.targets(route);
    if (targets.length === 0) return { status: 503 };
    return { route, targets, path: `${rewritePath(route, path)}${query === undefined ? '' : `?${query}`}` };
  }

  /** Tries the targets in turn until one takes the connection; from then on the request is that one's. */
  #forward(request: Request, response: Response, exchange: Exchange, attempt = 0): void {
    const target = exchange.targets[attempt % exchange.targets.length]!;
    const outgoing = this.#open(request, target, exchange);
    let sending = false;
    const abandon = (): void => {
      if (!response.writableFinished) outgoing.destroy();
    };
    response.once('close', abandon);
    whenConnected(outgoing, () => {
      sending = true;
      request.pipe(outgoing);
    });
    outgoing.once('response', (answer) => passBack(answer, response, request));
    outgoing.once('timeout', () =>
      outgoing.destroy(Object.assign(new Error('the backend was silent for too long'), { code: 'ETIMEDOUT' })),
    );
    outgoing.once('error', (error) => {
      response.off('close', abandon);
      if (response.destroyed || response.writableEnded) return;
      // A kept connection that the backend closed at that moment: nothing was lost where there is no body.
      const raced = outgoing.reusedSocket && !hasBody(request);
      if ((!sending || raced) && attempt + 1 < ATTEMPTS) {
        if (sending) request.unpipe(outgoing);
        return this.#forward(request, response, exchange, attempt + 1);
      }
      this.#options.log.debug('a backend failed', {
        ingress: exchange.route.ingress,
        target: `${target.host}:${target.port}`,
        error: errorMessage(error),
      });
      if (response.headersSent) response.destroy();
      else page(response, errorCode(error) === 'ETIMEDOUT' ? 504 : 502);
    });
  }

  #open(
    request: Request,
    { host, port }: Target,
    { route, path, entrance }: Exchange,
    extra: Record<string, string | undefined> = {},
  ): ClientRequest {
    const headers = forwardedHeaders({
      headers: request.headers,
      host: hostOf(request),
      clientAddress: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      requestId: this.#options.rng.uuid().replaceAll('-', ''),
      ...entrance,
    });
    // HTTP/2 says by its frames whether there is a body; HTTP/1.1 has to be told.
    const framing =
      request.httpVersionMajor >= 2 && headers['content-length'] === undefined && hasBody(request)
        ? { 'transfer-encoding': 'chunked' }
        : {};
    const chunked = request.headers['transfer-encoding'] === undefined ? framing : { 'transfer-encoding': 'chunked' };
    return sendRequest({
      agent: this.#agent,
      host,
      family: isIPv6(host) ? 6 : 0,
      port,
      method: request.method!,
      path,
      headers: { ...headers, ...chunked, ...extra },
      timeout: route.readTimeoutMs,
      setHost: false,
    });
  }
}

type Found = { status: number } | { status: number; redirect: string } | { route: Route; targets: readonly Target[]; path: string };

interface Exchange {
  route: Route;
  targets: readonly Target[];
  path: string;
  entrance: Entrance;
}

/** Calls back once the request has a connection to go out on. */
function whenConnected(outgoing: ClientRequest, callback: () => void): void {
  outgoing.once('socket', (socket) => (socket.connecting ? socket.once('connect', callback) : callback()));
}

function passBack(answer: IncomingMessage, response: Response, request: Request): void {
  const headers = endToEnd(answer.headers);
  if (request.httpVersionMajor < 2 && request.headers.connection?.toLowerCase() === 'close') headers.connection = 'close';
  (response as ServerResponse).writeHead(answer.statusCode ?? 502, headers);
  answer.once('error', () => response.destroy());
  answer.pipe(response as ServerResponse);
}

const hostOf = (request: Request): string => request.headers.host ?? String(request.headers[':authority'] ?? '');

function hasBody({ headers, method }: Request): boolean {
  if (headers['transfer-encoding'] !== undefined) return true;
  return headers['content-length'] === undefined
    ? method !== 'GET' && method !== 'HEAD' && headers[':method'] !== undefined
    : headers['content-length'] !== '0';
}

function splitOnce(text: string, at: string): [string, string?] {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

const REASONS: Record<number, string> = {
  302: 'Found',
  308: 'Permanent Redirect',
  404: 'Not Found',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** A page of our own: a redirect, or why there is no answer. */
function page(response: Response, status: number, headers: Record<string, string> = {}): void {
  const title = `${status} ${REASONS[status] ?? 'Error'}`;
  const body = `<html>\n<head><title>${title}</title></head>\n<body>\n<center><h1>${title}</h1></center>\n<hr><center>rockpool</center>\n</body>\n</html>\n`;
  (response as ServerResponse)
    .writeHead(status, { 'content-type': 'text/html', 'content-length': Buffer.byteLength(body), ...headers })
    .end(body);
}

/** The head of an answer as bytes, for a socket that no HTTP server minds any more; `headers` as name, value, name … */
function rawHead({ statusCode = 502, statusMessage = '' }: IncomingMessage, headers: readonly string[]): string {
  const lines = Array.from({ length: headers.length / 2 }, (_, i) => `${headers[2 * i]}: ${headers[2 * i + 1]}\r\n`);
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`;
}

function refuseUpgrade(socket: Duplex, status: number, location?: string): void {
  if (socket.destroyed) return;
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${location ? `location: ${location}\r\n` : ''}content-length: 0\r\nconnection: close\r\n\r\n`,
  );
}
