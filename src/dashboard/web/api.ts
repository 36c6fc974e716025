import type { WatchEvent } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { Status } from '../../api/types.gen.ts';
import { lineBatches } from './chunks.ts';
import { type Store, createStore } from './store.ts';
import { StreamSocket } from './stream-socket.ts';

export type Connection = 'connecting' | 'online' | 'offline';

export interface Api {
  /** Throws StatusError for an answer of 400 and more, an Error when there was none. */
  request(request: ApiRequest): Promise<ApiResponse>;
  /** One object as YAML, as the API server writes it. */
  yaml(path: string): Promise<string>;
  /** Replaces an object by this YAML. */
  putYaml(path: string, text: string): Promise<void>;
  /** Lines of a log as they come. */
  lines(path: string, signal: AbortSignal): Promise<AsyncIterable<string[]>>;
  connection: Store<Connection>;
  close(): void;
}

interface CallInit {
  method?: string;
  headers: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/** The cluster, as who holds the token sees it. */
export function createApi(token: string, onUnauthorized: () => void): Api {
  const connection = createStore<Connection>('connecting');
  const socket = new StreamSocket({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/streams`,
    onState: (open) => connection.set(open ? 'online' : 'offline'),
  });

  const call = async (path: string, init: CallInit): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` }, cache: 'no-store' });
    } catch (error) {
      if (!init.signal?.aborted) connection.set('offline');
      throw error;
    }
    connection.set('online');
    if (response.ok) return response;
    if (response.status === 401) onUnauthorized();
    throw toError(response.status, await response.text());
  };

  const stream = async (path: string, signal?: AbortSignal): Promise<AsyncIterable<string>> => {
    const { status, chunks } = await socket.open(path, token, signal);
    connection.set('online');
    if (status < 400) return chunks;
    if (status === 401) onUnauthorized();
    let text = '';
    for await (const chunk of chunks) text += chunk;
    throw toError(status, text);
  };

  const request: Api['request'] = async ({ method, path, headers, body, signal }) => {
    if (isWatch(path)) return { status: 200, headers: {}, events: watchEvents(await stream(path, signal)) };
    const response = await call(path, {
      method,
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    return { status: response.status, headers: {}, body: await response.json() };
  };

  return {
    request,
    connection,
    yaml: async (path) => (await call(path, { headers: { accept: 'application/yaml' } })).text(),
    putYaml: async (path, text) => {
      await call(path, { method: 'PUT', headers: { 'content-type': 'application/yaml', accept: 'application/json' }, body: text });
    },
    lines: async (path, signal) => lineBatches(await stream(path, signal)),
    close: () => socket.close(),
  };
}

async function* watchEvents(chunks: AsyncIterable<string>): AsyncGenerator<readonly WatchEvent[]> {
  for await (const lines of lineBatches(chunks)) yield lines.map((line) => JSON.parse(line) as WatchEvent);
}

function isWatch(path: string): boolean {
  return /[?&]watch=true(?:&|$)/.test(path);
}

function toError(code: number, text: string): StatusError {
  const status = parseStatus(text) ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'InternalError', message: text };
  return new StatusError({ ...status, code });
}

function parseStatus(text: string): Status | undefined {
  try {
    const value = JSON.parse(text) as Status | null;
    return value?.kind === 'Status' ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
