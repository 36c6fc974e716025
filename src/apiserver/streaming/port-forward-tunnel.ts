/**
 * kubectl since 1.31 forwards ports over a WebSocket whose messages carry the bytes of a SPDY connection, so that it passes HTTP proxies
 * (KEP-4006). Kubelets know plain SPDY only: the API server takes the messages off and puts them on.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { StreamReply } from '../contract.ts';
import type { RelayRequest } from './relay.ts';
import { answerOnSocket, exchange, join } from './relay.ts';
import type { Target } from './target.ts';

const PREFIX = 'SPDY/3.1+';

/** Whether the client offers SPDY within a WebSocket. */
export function isTunnel(headers: Readonly<IncomingHttpHeaders>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && tunnelled(headers).length > 0;
}

function tunnelled(headers: Readonly<IncomingHttpHeaders>): string[] {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim());
  return offered.filter((protocol) => protocol.startsWith(PREFIX));
}

/** Resolves when the forwarding has ended. */
export async function tunnel(
  target: Target,
  request: RelayRequest,
  incoming: IncomingMessage,
  { socket, head }: Extract<StreamReply, { kind: 'upgrade' }>,
): Promise<void> {
  const protocol = tunnelled(incoming.headers)[0]!;
  const headers = {
    host: target.authority,
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': protocol.slice(PREFIX.length),
    'content-length': 0,
  };
  const answer = await exchange(target, { ...request, method: 'POST', headers });
  if (answer.kind === 'message') {
    await new Promise<void>((resolve) => answerOnSocket(answer.message, socket, resolve));
    return;
  }
  const { WebSocketServer, createWebSocketStream } = await import('ws');
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('headers', (lines) => lines.push(`Sec-WebSocket-Protocol: ${protocol}`));
  await new Promise<void>((resolve) => {
    // The handshake can still fail; ws has answered then.
    socket.once('close', () => {
      answer.socket.destroy();
      resolve();
    });
    server.handleUpgrade(withoutProtocols(incoming), socket, head, (webSocket) => {
      const client = createWebSocketStream(webSocket);
      if (answer.head.length > 0) client.write(answer.head);
      join(client, answer.socket, resolve);
    });
  });
}

/** The protocol's name has a slash, which RFC 6455 does not allow and ws does not take: it is negotiated here. */
function withoutProtocols(incoming: IncomingMessage): IncomingMessage {
  const headers = { ...incoming.headers };
  delete headers['sec-websocket-protocol'];
  return Object.create(incoming, { headers: { value: headers } }) as IncomingMessage;
}
