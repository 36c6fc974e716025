/** The kubelet's own https server, with upstream's paths: what the API server asks on behalf of kubectl. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { refusal } from './auth.ts';
import { HttpError } from './http-error.ts';
import type { RouteContext } from './route.ts';
import { ROUTES, UPGRADES } from './routes.ts';

export interface ServingOptions {
  /** PEM texts. */
  cert: string;
  key: string;
  clientCa: string;
  /** 0 takes a free one. */
  port: number;
  host: string;
}

export interface KubeletServer {
  readonly port: number;
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** Answers the API server and the cluster's admins, known by certificates that `clientCa` signed; listens once `listen` is called. */
export function createKubeletServer(serving: ServingOptions, context: RouteContext, log: Logger): KubeletServer {
  const server = createServer({ cert: serving.cert, key: serving.key, ca: serving.clientCa, requestCert: true, rejectUnauthorized: false });
  const sockets = new Set<Duplex>();
  let port = serving.port;
  server.on('request', (request, response) => void answer(request, response, context, log));
  server.on('upgrade', (request, socket, head) => {
    // an upgraded socket is no longer the server's to close
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void upgrade(request, { socket, head }, context, log);
  });
  return {
    get port() {
      return port;
    },
    async listen() {
      server.listen(serving.port, serving.host);
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Never rejects. */
async function answer(request: IncomingMessage, response: ServerResponse, context: RouteContext, log: Logger): Promise<void> {
  try {
    const { route, parts, query } = match(request, ROUTES);
    response.on('error', (error) => log.debug('client went away', { error: error.message }));
    await route({ request, response, parts, query }, context);
  } catch (error) {
    if (response.headersSent) {
      log.debug('answer ended early', { path: request.url, error: errorMessage(error) });
      response.destroy();
      return;
    }
    const code = error instanceof HttpError ? error.code : 500;
    if (code === 500) log.warn('kubelet request failed', { path: request.url, error: errorMessage(error) });
    response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(`${errorMessage(error)}\n`);
  }
}

async function upgrade(
  request: IncomingMessage,
  { socket, head }: { socket: Duplex; head: Buffer },
  context: RouteContext,
  log: Logger,
): Promise<void> {
  socket.on('error', (error) => log.debug('streaming client went away', { error: error.message }));
  try {
    const { route, parts, query } = match(request, UPGRADES);
    await route({ request, socket, head, parts, query }, context);
  } catch (error) {
    const code = error instanceof HttpError ? error.code : 500;
    const text = `${errorMessage(error)}\n`;
    socket.end(
      `HTTP/1.1 ${code} ${code === 404 ? 'Not Found' : 'Error'}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    );
  }
}

function match<R>(request: IncomingMessage, routes: ReadonlyMap<string, R>): { route: R; parts: string[]; query: URLSearchParams } {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://kubelet');
  if (pathname !== '/healthz') {
    const refused = refusal(request.socket as TLSSocket, verbOf(request.method));
    if (refused) throw new HttpError(refused.code, refused.message);
  }
  const segments = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  for (let length = segments.length; length > 0; length--) {
    const route = routes.get(`/${segments.slice(0, length).join('/')}`);
    if (route) return { route, parts: segments.slice(length), query: searchParams };
  }
  throw new HttpError(404, '404 page not found');
}

const verbOf = (method = 'GET'): string => ({ POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' })[method] ?? 'get';
