import { readFile } from 'node:fs/promises';
import type { Dispatcher, Pool } from 'undici';
import type { ApiRequest, ApiResponse, Transport } from '../../api/transport.ts';
import type { Clock } from '../../lib/clock.ts';
import { watchEvents } from './watch-stream.ts';

/** How to reach an API server and as whom. Certificates and keys are PEM. */
export interface HttpsOptions {
  /** `https://127.0.0.1:6443`; `http://` serves tests and `kubectl proxy`. */
  server: string;
  /** The system's roots unless given. */
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  token?: string;
  /** Read again every minute: kubelets renew the tokens of pods in place. */
  tokenFile?: string;
  basicAuth?: { username: string; password: string };
  /** The name to expect in the server's certificate, when it is not the one in `server`. */
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  userAgent?: string;
  clock: Clock;
}

export interface HttpsTransport {
  transport: Transport;
  /** Closes every connection; what is under way fails. */
  close(): Promise<void>;
}

/** Connections for calls; more wait their turn. Watches have connections of their own, one each, as HTTP/1.1 needs. */
const CALL_CONNECTIONS = 16;
/** kube-apiserver gives a call 60 s; an answer that takes longer is not coming. */
const ANSWER_TIMEOUT_MS = 65_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Below the server's own limit on idle connections, so that we are the one to close. */
const KEEP_ALIVE_MS = 60_000;
const TOKEN_MAX_AGE_MS = 60_000;

/** The `Transport` contract over the wire. Connects at the first request, not before. */
export function httpsTransport(options: HttpsOptions): HttpsTransport {
  const { origin, pathname } = new URL(options.server);
  const prefix = pathname.replace(/\/$/, '');
  const authorization = authorizationHeader(options);
  let pools: Promise<Pools> | undefined;

  const transport: Transport = async (request) => {
    const watching = isWatch(request.path);
    pools ??= openPools(origin, options);
    const { calls, watches } = await pools;
    const answer = await (watching ? watches : calls).request({
      method: request.method,
      path: prefix + request.path,
      headers: await headersOf(request, authorization, options.userAgent),
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal: request.signal ?? null,
    });
    return watching && answer.statusCode < 300 ? toWatch(answer, request.signal) : toAnswer(answer);
  };

  return {
    transport,
    async close() {
      const opened = await pools;
      await Promise.all([opened?.calls.destroy(), opened?.watches.destroy()]);
    },
  };
}

interface Pools {
  calls: Pool;
  watches: Pool;
}

/** undici is loaded at the first request: a process whose components all use loopback never pays for it. */
async function openPools(origin: string, options: HttpsOptions): Promise<Pools> {
  // undici is CommonJS: only its default export survives bundling.
  const { Pool } = (await import('undici')).default;
  const { ca, cert, key, serverName, insecureSkipTlsVerify } = options;
  const connect = {
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(serverName ? { servername: serverName } : {}),
    ...(insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
  };
  const common = { connect, headersTimeout: ANSWER_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS };
  return {
    calls: new Pool(origin, { ...common, connections: CALL_CONNECTIONS, bodyTimeout: ANSWER_TIMEOUT_MS }),
    watches: new Pool(origin, { ...common, bodyTimeout: 0 }),
  };
}

async function headersOf(
  { headers, body }: ApiRequest,
  authorization: () => Promise<string | undefined>,
  userAgent = 'rockpool',
): Promise<Record<string, string>> {
  const all: Record<string, string> = { accept: 'application/json', 'user-agent': userAgent };
  if (body !== undefined) all['content-type'] = 'application/json';
  const credentials = await authorization();
  if (credentials) all['authorization'] = credentials;
  return Object.assign(all, headers);
}

function authorizationHeader({ token, tokenFile, basicAuth, clock }: HttpsOptions): () => Promise<string | undefined> {
  let read = { at: -Infinity, token: '' };
  return async () => {
    if (tokenFile) {
      if (clock.monotonic() - read.at > TOKEN_MAX_AGE_MS)
        read = { at: clock.monotonic(), token: (await readFile(tokenFile, 'utf8')).trim() };
      return `Bearer ${read.token}`;
    }
    if (token) return `Bearer ${token}`;
    if (!basicAuth) return undefined;
    return `Basic ${Buffer.from(`${basicAuth.username}:${basicAuth.password}`).toString('base64')}`;
  };
}

function isWatch(path: string): boolean {
  return /[?&]watch=(?:true|1)(?:&|$)/.test(path);
}

function toWatch({ statusCode, headers, body }: Dispatcher.ResponseData, signal: AbortSignal | undefined): ApiResponse {
  return { status: statusCode, headers: plainHeaders(headers), events: watchEvents(body, signal) };
}

async function toAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<ApiResponse> {
  const text = await body.text();
  const answer = { status: statusCode, headers: plainHeaders(headers) };
  const json = answer.headers['content-type']?.includes('json') ?? false;
  return json && text ? { ...answer, body: JSON.parse(text) as unknown } : { ...answer, text };
}

function plainHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(', ') : value;
  return plain;
}
