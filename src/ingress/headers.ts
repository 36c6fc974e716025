import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** They are about one connection, not the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** The headers without those of the connection and HTTP/2's pseudo headers. */
export function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(':') && !HOP_BY_HOP.has(name) && !named.includes(name));
  return Object.fromEntries(kept);
}

export interface ForwardedRequest {
  headers: IncomingHttpHeaders;
  /** As the client wrote it, with its port if it did. */
  host: string;
  clientAddress: string;
  scheme: 'http' | 'https';
  port: number;
  requestId: string;
}

/** What a backend is told of the client, as ingress-nginx does by default: what the client itself claims is not believed. */
export function forwardedHeaders({ headers, host, clientAddress, scheme, port, requestId }: ForwardedRequest): OutgoingHttpHeaders {
  return {
    ...endToEnd(headers),
    host,
    'x-request-id': headers['x-request-id'] ?? requestId,
    'x-real-ip': clientAddress,
    'x-forwarded-for': clientAddress,
    'x-forwarded-host': host,
    'x-forwarded-port': `${port}`,
    'x-forwarded-proto': scheme,
    'x-forwarded-scheme': scheme,
    'x-scheme': scheme,
  };
}
