import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import { statusError } from '../api/status.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { API_HEADERS } from './headers.ts';

export interface ApiPassage {
  /** Passes one request of the page on to the API server, and its answer back. */
  pass(request: IncomingMessage, response: ServerResponse): void;
  /** A GET whose answer may go on for ever: a watch, a log that is followed. Rejects when the API server cannot be reached. */
  open(path: string, authorization: string, signal: AbortSignal): Promise<Dispatcher.ResponseData>;
  /** Closes all connections; what is under way fails. */
  close(): Promise<void>;
}

export interface PassageOptions {
  server: string;
  ca: string | undefined;
  log: Logger;
}

/** Nothing else is passed on: no cookies, and none of the headers by which a front proxy speaks for others. */
const REQUEST_HEADERS = ['authorization', 'accept', 'content-type', 'content-length'] as const;
const RESPONSE_HEADERS = ['content-type', 'content-length', 'warning', 'retry-after'] as const;
const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const CONNECT_TIMEOUT_MS = 10_000;
/** Above the 60 s that the API server gives a request. */
const ANSWER_TIMEOUT_MS = 65_000;

export async function createPassage({ server, ca, log }: PassageOptions): Promise<ApiPassage> {
  // undici is CommonJS: only its default export survives bundling.
  const { Pool } = (await import('undici')).default;
  const { origin } = new URL(server);
  const connect = { timeout: CONNECT_TIMEOUT_MS, keepAlive: true, ...(ca ? { ca } : {}) };
  const calls = new Pool(origin, { connect, headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: ANSWER_TIMEOUT_MS, connections: 16 });
  const streams = new Pool(origin, { connect, headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: 0 });
  return {
    pass: (request, response) => {
      passOn(calls, request, response).catch((error: unknown) => {
        // A browser that went away ends its request; there is nobody to tell.
        if (response.destroyed) return;
        log.warn('the API server did not answer', { error: errorMessage(error) });
        if (response.headersSent) response.destroy();
        else refuse(response, 'ServiceUnavailable', `the API server cannot be reached: ${errorMessage(error)}`);
      });
    },
    open: (path, authorization, signal) =>
      streams.request({ method: 'GET', path, headers: { authorization, accept: 'application/json, */*' }, signal }),
    close: async () => {
      await Promise.all([calls.destroy(), streams.destroy()]);
    },
  };
}

async function passOn(calls: Dispatcher, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? 'GET';
  if (!METHODS.has(method)) return refuse(response, 'MethodNotAllowed', `the dashboard does not pass on ${method}`);
  // Without one the API server would answer as to anybody; and a browser's plain navigation never carries one.
  if (!request.headers.authorization?.startsWith('Bearer ')) return refuse(response, 'Unauthorized', 'Unauthorized');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { statusCode, headers, body } = await calls.request({
    method,
    path: request.url!,
    headers: pick(request.headers, REQUEST_HEADERS),
    body: method === 'GET' ? null : request,
    signal: gone.signal,
  });
  response.writeHead(statusCode, { ...API_HEADERS, ...pick(headers, RESPONSE_HEADERS) });
  await pipeline(body, response);
}

function refuse(response: ServerResponse, reason: 'ServiceUnavailable' | 'Unauthorized' | 'MethodNotAllowed', message: string): void {
  const { status } = statusError(reason, message);
  response.writeHead(status.code!, { ...API_HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(status));
}

function pick(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  names: readonly string[],
): Record<string, string | string[]> {
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}
