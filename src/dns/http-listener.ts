import type { Server } from 'node:http';
import { once } from 'node:events';

export interface HttpListenerOptions {
  /** `:8080`, `8080` or `127.0.0.1:8080`. */
  address: string;
  /** Where a bare port listens. */
  host: string;
  /** The text for a path, with its status; undefined for a path that there is not. */
  answer(path: string): { status: number; text: string } | undefined;
}

/** The small HTTP servers of health, ready and prometheus. */
export function httpListener({ address, host, answer }: HttpListenerOptions): { start(): Promise<void>; stop(): Promise<void> } {
  let server: Server | undefined;
  return {
    async start() {
      const { createServer } = await import('node:http');
      server = createServer((request, response) => {
        const found = answer(request.url?.split('?')[0] ?? '/') ?? { status: 404, text: 'not found\n' };
        response.writeHead(found.status, { 'content-type': 'text/plain; charset=utf-8' }).end(found.text);
      });
      const colon = address.lastIndexOf(':');
      server.listen(Number(address.slice(colon + 1)), address.slice(0, Math.max(colon, 0)) || host);
      await once(server, 'listening');
      server.unref();
    },
    async stop() {
      const closing = server;
      server = undefined;
      if (!closing) return;
      closing.closeAllConnections();
      await new Promise((resolve) => closing.close(resolve));
    },
  };
}
