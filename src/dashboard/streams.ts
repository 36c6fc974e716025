import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import type { WebSocket } from 'ws';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiPassage } from './passage.ts';
import type { BackendFrame, OpenFrame, PageFrame } from './stream-frames.ts';

export interface StreamServer {
  accept(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Ends every socket and every stream. */
  close(): void;
}

const MAX_FRAME_BYTES = 64 * 1024;
/** Of one page. It needs a dozen at most; more is a page that has gone wrong. */
const MAX_STREAMS = 100;
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;
const STREAM_PATHS = /^\/(?:api|apis)\//;

/** Watches and logs of pages, each page's over its one WebSocket (stream-frames.ts). */
export async function createStreamServer(passage: ApiPassage, log: Logger): Promise<StreamServer> {
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  return {
    accept: (request, socket, head) => server.handleUpgrade(request, socket, head, (page) => serve(page, passage, log)),
    close: () => {
      for (const page of server.clients) page.close(GOING_AWAY);
      for (const page of server.clients) page.terminate();
      server.close();
    },
  };
}

function serve(page: WebSocket, passage: ApiPassage, log: Logger): void {
  const open = new Map<number, AbortController>();
  page.on('message', (data: Buffer) => {
    const frame = parseFrame(data.toString('utf8'));
    if (!frame || open.size > MAX_STREAMS) return page.close(POLICY_VIOLATION);
    if ('close' in frame) return open.get(frame.close)?.abort();
    const abort = new AbortController();
    open.set(frame.open, abort);
    relay(page, frame, passage, abort.signal)
      .catch((error: unknown) => log.debug('a stream of the dashboard ended', { error: errorMessage(error) }))
      .finally(() => open.delete(frame.open));
  });
  page.on('error', (error) => log.debug('a page of the dashboard was cut off', { error: errorMessage(error) }));
  page.on('close', () => {
    for (const abort of open.values()) abort.abort();
  });
}

/** Rejects only when the page is gone. */
async function relay(page: WebSocket, { open: id, path, token }: OpenFrame, passage: ApiPassage, signal: AbortSignal): Promise<void> {
  let error: unknown;
  try {
    const answer = await passage.open(path, `Bearer ${token}`, signal);
    await send(page, { id, answer: answer.statusCode, type: String(answer.headers['content-type'] ?? '') });
    await relayBody(page, id, answer.body);
  } catch (reason) {
    error = reason;
  }
  if (signal.aborted) return;
  await send(page, { id, end: true, ...(error === undefined ? {} : { error: errorMessage(error) }) });
}

/** Takes the next chunk when the last has left: a page that reads slowly slows the API server down, and fills no memory. */
async function relayBody(page: WebSocket, id: number, body: Dispatcher.ResponseData['body']): Promise<void> {
  // A chunk may end within a character. undici's own setEncoding leaves the chunks as they are.
  const decoder = new TextDecoder();
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const data = decoder.decode(chunk, { stream: true });
    if (data) await send(page, { id, data });
  }
}

function send(page: WebSocket, frame: BackendFrame): Promise<void> {
  return new Promise((resolve, reject) => page.send(JSON.stringify(frame), (error) => (error ? reject(error) : resolve())));
}

function parseFrame(text: string): PageFrame | undefined {
  try {
    const frame = JSON.parse(text) as Partial<Record<string, unknown>> | null;
    if (typeof frame?.['close'] === 'number') return { close: frame['close'] };
    const { open, path, token } = frame ?? {};
    if (typeof open !== 'number' || typeof path !== 'string' || typeof token !== 'string' || !STREAM_PATHS.test(path)) return undefined;
    return { open, path, token };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
