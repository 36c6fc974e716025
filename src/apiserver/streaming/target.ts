import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorCode, errorMessage } from '../../lib/errors.ts';

/** Where bytes are passed on to: a kubelet, a pod, the endpoint of a Service. */
export interface Target {
  /** `10.244.0.5:8080`; for Host headers and error messages. */
  authority: string;
  scheme: 'http' | 'https';
  /** A fresh connection, TLS done. Rejects when there is none to be had or the signal aborts. */
  connect(signal: AbortSignal): Promise<Duplex>;
}

export interface TlsClient {
  /** PEM. */
  cert?: string;
  key?: string;
  /** PEM; what the other side presents is not checked unless given. */
  ca?: string;
  /** A common name that is as good as the address (system:node:NAME). */
  acceptedName?: string;
  /** The name that the other side's certificate must be for, where it is not the address. */
  servername?: string;
  /** Checked against the well-known authorities when there is no `ca`. */
  verify?: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;

export function authorityOf(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

export function tcpTarget(host: string, port: number): Target {
  return {
    authority: authorityOf(host, port),
    scheme: 'http',
    connect: async (signal) => {
      const { connect } = await import('node:net');
      return opened(connect({ host, port, noDelay: true }), 'connect', signal);
    },
  };
}

export function tlsTarget(host: string, port: number, { cert, key, ca, acceptedName, servername, verify }: TlsClient = {}): Target {
  return {
    authority: authorityOf(host, port),
    scheme: 'https',
    connect: async (signal) => {
      const { checkServerIdentity, connect } = await import('node:tls');
      const socket = connect({
        host,
        port,
        cert,
        key,
        ca,
        rejectUnauthorized: verify || ca !== undefined,
        ...(servername ? { servername } : isIP(host) ? {} : { servername: host }),
        checkServerIdentity: (name, certificate) =>
          acceptedName && certificate.subject.CN === acceptedName ? undefined : checkServerIdentity(name, certificate),
      });
      socket.setNoDelay(true);
      return opened(socket, 'secureConnect', signal);
    },
  };
}

const DIAL_FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ECONNRESET: 'read: connection reset by peer',
  ETIMEDOUT: 'i/o timeout',
};

/** Why there is no connection, as Go's net package says it: users search for these words. */
export function dialText(authority: string, error: unknown): string {
  const code = errorCode(error) ?? '';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'tls: first record does not look like a TLS handshake';
  return `dial tcp ${authority}: ${DIAL_FAILURES[code] ?? errorMessage(error)}`;
}

type Socket = Duplex & { setTimeout(ms: number, callback?: () => void): unknown };

function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      finish();
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason as Error);
    const finish = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.setTimeout(0);
      socket.removeListener('error', fail);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(new Error('i/o timeout')));
    socket.once('error', fail);
    socket.once(event, () => {
      finish();
      resolve(socket);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
