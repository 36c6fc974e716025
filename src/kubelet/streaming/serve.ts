import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StreamSession } from '../runtime/runtime.ts';
import type { StreamKind } from './session.ts';
import { serveSpdy } from './spdy.ts';
import { serveWebSocket } from './websocket.ts';

export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/**
 * Answers a streaming upgrade ourselves, for runtimes that have no streaming server: SPDY/3.1 as older clients speak it, or the
 * WebSocket channel protocols. Resolves when the session has ended.
 */
export async function serveUpgrade(upgrade: Upgrade, kind: StreamKind, serve: (session: StreamSession) => Promise<void>): Promise<void> {
  const asked = (upgrade.request.headers.upgrade ?? '').toLowerCase();
  if (asked.startsWith('spdy/')) return serveSpdy(upgrade, kind, serve);
  if (asked === 'websocket') return serveWebSocket(upgrade, kind, serve);
  upgrade.socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 25\r\n\r\nUpgrade request required\n');
}
