/**
 * Where modelled servers really listen. A pod's address is a real loopback address (127.244.x.y): where the system can bind it, a
 * server of the pod listens on podIP:port itself. Where it cannot (systems with 127.0.0.1 only, ports below 1024 without the right to
 * them, an address that another program holds) it listens on a free port of 127.0.0.1, and `resolve` tells.
 */
import type { AddressInfo } from 'node:net';
import { errorCode } from '../../../lib/errors.ts';

export interface Address {
  host: string;
  port: number;
}

export type Protocol = 'TCP' | 'UDP';

export interface SimNetwork {
  /** Where to connect to for `ip:port`; the same address unless a server that is registered for it listens elsewhere. */
  resolve(ip: string, port: number, protocol?: Protocol): Address;
  /**
   * Makes a server listen for `ip:port` and registers where. Rejects with EADDRINUSE when one of ours listens there already.
   * With `exact` it listens there or rejects with the system's error. `release` forgets the registration; closing the server is the
   * caller's.
   */
  listen(server: Listener, at: Address & { protocol?: Protocol; exact?: boolean }): Promise<{ address: Address; release(): void }>;
}

/** What net.Server, http.Server and dgram.Socket (by `listenerOf`) have in common. */
export interface Listener {
  listen(options: { host: string; port: number }): unknown;
  address(): AddressInfo | string | null;
  once(event: 'listening', callback: () => void): unknown;
  once(event: 'error', callback: (error: Error) => void): unknown;
  on(event: 'error', callback: (error: Error) => void): unknown;
  off(event: string, callback: (error: Error) => void): unknown;
}

export class AddressInUse extends Error {
  readonly code = 'EADDRINUSE';

  constructor({ host, port }: Address) {
    super(`listen EADDRINUSE: address already in use ${host}:${port}`);
    this.name = 'AddressInUse';
  }
}

/** Binding to these may fail for reasons of this machine, not of the pod. */
const ELSEWHERE = new Set(['EACCES', 'EPERM', 'EADDRNOTAVAIL', 'EADDRINUSE', 'EINVAL']);
const FALLBACK_HOST = '127.0.0.1';

export function createSimNetwork(): SimNetwork {
  /** By `TCP 127.244.0.5:80`. */
  const registered = new Map<string, Address>();
  const keyOf = (ip: string, port: number, protocol: Protocol): string => `${protocol} ${ip}:${port}`;
  return {
    resolve: (ip, port, protocol = 'TCP') => registered.get(keyOf(ip, port, protocol)) ?? { host: ip, port },
    async listen(server, { host, port, protocol = 'TCP', exact = false }) {
      const key = keyOf(host, port, protocol);
      if (port !== 0 && registered.has(key)) throw new AddressInUse({ host, port });
      // Taken before the first await, so that two who ask at once do not both get it.
      registered.set(key, { host, port });
      try {
        const address = await (exact ? listening : bind)(server, { host, port });
        // A connection that could not be accepted (no descriptors left) is the client's loss, not the end of the node.
        server.on('error', () => undefined);
        registered.set(key, address);
        return { address, release: () => void registered.delete(key) };
      } catch (error) {
        registered.delete(key);
        throw error;
      }
    },
  };
}

async function bind(server: Listener, { host, port }: Address): Promise<Address> {
  try {
    return await listening(server, { host, port });
  } catch (error) {
    if (!ELSEWHERE.has(errorCode(error) ?? '')) throw error;
    return listening(server, { host: FALLBACK_HOST, port: 0 });
  }
}

function listening(server: Listener, { host, port }: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      const address = server.address() as AddressInfo;
      resolve({ host: address.address, port: address.port });
    });
    server.listen({ host, port });
  });
}
