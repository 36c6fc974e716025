/** What the modelled HTTP servers have in common. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorMessage } from '../../../../lib/errors.ts';
import type { SimProcess } from '../process.ts';

/** What answering takes beside what the handler itself says: a plausible constant. */
const REQUEST_CPU_MS = 0.5;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Listens on a port of the pod and answers; closed with the process. A handler that fails is a 500 and a line on stderr. */
export async function serveHttp(process: SimProcess, port: number, handler: Handler): Promise<Server> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    process.world.cpu.charge(REQUEST_CPU_MS);
    try {
      await handler(request, response);
    } catch (error) {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('Internal Server Error\n');
      if (!process.killed.aborted) await process.stderr.write(`${errorMessage(error)}\n`);
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  const { release } = await process.world.network.listen(server, port);
  process.onExit(() => {
    release();
    server.close();
    server.closeAllConnections();
  });
  return server;
}

export function clientOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '-').replace('::ffff:', '');
}

export function sendText(response: ServerResponse, text: string, { status = 200, type = 'text/plain; charset=utf-8' } = {}): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `20/Nov/2026:11:22:09 +0000`: the time of NCSA's log formats. */
export function logTime(ms: number): string {
  const at = new Date(ms);
  return `${String(at.getUTCDate()).padStart(2, '0')}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}:${at.toISOString().slice(11, 19)} +0000`;
}
