import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from './contract.ts';

/** Who may sign client certificates. */
export interface ClientAuthorities {
  client: X509Certificate;
  frontProxy?: X509Certificate;
}

/** The certificates that a PEM bundle begins with. */
export function clientAuthorities(clientCaPem: string, frontProxyCaPem?: string): ClientAuthorities {
  return { client: new X509Certificate(clientCaPem), ...(frontProxyCaPem ? { frontProxy: new X509Certificate(frontProxyCaPem) } : {}) };
}

/** A certificate was shown, and it is not good: the request is refused, not taken for an anonymous one. */
export type Peer = PeerCertificate | 'invalid' | undefined;

/**
 * Who is at the other end of a request's connection. The certificate is read and checked once for each connection: HTTP/2 requests give a
 * new stand-in for their socket every time, so that there the session stands for the connection.
 */
export function peerReader(authorities: ClientAuthorities): (request: IncomingMessage) => Peer {
  const known = new WeakMap<object, { peer: Peer }>();
  return (request) => {
    const connection = (request as unknown as Partial<Http2ServerRequest>).stream?.session ?? request.socket;
    let found = known.get(connection);
    if (!found) {
      found = { peer: readPeer(request.socket as TLSSocket, authorities) };
      known.set(connection, found);
    }
    return found.peer;
  };
}

function readPeer(socket: TLSSocket, { client, frontProxy }: ClientAuthorities): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  if (!socket.authorized) return 'invalid';
  const { subject } = certificate.toLegacyObject();
  const organizations = subject.O;
  const names = {
    commonName: firstOf(subject.CN),
    organizations: organizations === undefined ? [] : [organizations].flat(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
  if (frontProxy && certificate.verify(frontProxy.publicKey)) return { ...names, issuer: 'front-proxy' };
  return certificate.verify(client.publicKey) ? { ...names, issuer: 'client' } : 'invalid';
}

function firstOf(value: string | string[] | undefined): string {
  return [value].flat()[0] ?? '';
}
