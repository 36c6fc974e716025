import { X509Certificate } from 'node:crypto';
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

/** Reads a connection's client certificate once; the answer is kept for its later requests. */
export function peerReader(authorities: ClientAuthorities): (socket: TLSSocket) => Peer {
  const known = new WeakMap<TLSSocket, { peer: Peer }>();
  return (socket) => {
    let found = known.get(socket);
    if (!found) {
      found = { peer: readPeer(socket, authorities) };
      known.set(socket, found);
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
  const names = { commonName: firstOf(subject.CN), organizations: organizations === undefined ? [] : [organizations].flat() };
  if (frontProxy && certificate.verify(frontProxy.publicKey)) return { ...names, issuer: 'front-proxy' };
  return certificate.verify(client.publicKey) ? { ...names, issuer: 'client' } : 'invalid';
}

function firstOf(value: string | string[] | undefined): string {
  return [value].flat()[0] ?? '';
}
