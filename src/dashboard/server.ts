/**
 * The dashboard's backend: serves the page, and passes its requests on to the API server with the token of who is signed in. It has no
 * identity of its own and keeps nothing between requests, so the cluster's RBAC alone decides what a person sees.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type Assets, loadAssets } from './assets.ts';
import { PAGE_HEADERS } from './headers.ts';
import { type ApiPassage, createPassage } from './passage.ts';
import { type SignIn, createSignIn } from './sign-in.ts';
import { type StreamServer, createStreamServer } from './streams.ts';

export interface DashboardOptions {
  /** The API server: `https://127.0.0.1:6443`. */
  server: string;
  /** PEM of the CA that signed its certificate; the system's roots unless given. */
  ca?: string;
  /** What `npm run build` leaves in dist/dashboard. */
  assetsDir: string;
  /** Port 0 takes a free one; `port()` tells which. */
  listen: { host: string; port: number };
  /** The system's unless a test gives one. */
  clock?: Clock;
  log: Logger;
}

export interface Dashboard extends Component {
  /** The port that it listens on. Throws before `start` has resolved. */
  port(): number;
}

/** Where the page opens its one WebSocket for watches and logs. */
const STREAMS_PATH = '/streams';
const SIGN_IN_PATHS = /^\/sign-in(?:\/|$)/;
const API_PATHS = /^\/(?:api|apis|version)(?:[/?]|$)/;
/** Longer than the API server gives a request. */
const REQUEST_TIMEOUT_MS = 70_000;

export function createDashboard({
  server: apiServer,
  ca,
  assetsDir,
  listen,
  log,
  clock = systemClock({ unref: true }),
}: DashboardOptions): Dashboard {
  const signIn = createSignIn({ clock, log });
  let running: { server: Server; passage: ApiPassage; streams: StreamServer } | undefined;
  return {
    name: 'dashboard',
    start: async () => {
      const [assets, passage] = await Promise.all([loadAssets(assetsDir), createPassage({ server: apiServer, ca, log })]);
      const streams = await createStreamServer(passage, log);
      const server = createServer((request, response) => answer(request, response, { assets, passage, signIn }));
      server.requestTimeout = REQUEST_TIMEOUT_MS;
      server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => upgrade(request, socket, head, streams));
      running = { server, passage, streams };
      await listening(server, listen);
    },
    stop: async () => {
      const { server, passage, streams } = running ?? {};
      running = undefined;
      streams?.close();
      await Promise.all([server && closed(server), passage?.close()]);
    },
    port: () => {
      const address = running?.server.address() as AddressInfo | null | undefined;
      if (!address) throw new Error('the dashboard does not listen');
      return address.port;
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { assets, passage, signIn }: { assets: Assets; passage: ApiPassage; signIn: SignIn },
): void {
  const path = request.url ?? '/';
  if (API_PATHS.test(path)) {
    passage.pass(request, response);
    return;
  }
  if (SIGN_IN_PATHS.test(path)) {
    signIn.answer(request, response);
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...PAGE_HEADERS, allow: 'GET, HEAD' }).end();
    return;
  }
  assets.serve(request, response);
}

function upgrade(request: IncomingMessage, socket: Socket, head: Buffer, streams: StreamServer): void {
  if (request.url === STREAMS_PATH && isOwnPage(request)) streams.accept(request, socket, head);
  else socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

/** Browsers let any page open a WebSocket to anywhere: only ours may. */
function isOwnPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  return origin !== undefined && host !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}

function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(new Error(`cannot listen on ${host}:${port}: ${errorMessage(error)}`, { cause: error }));
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
