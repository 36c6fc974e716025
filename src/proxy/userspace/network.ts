/** What the proxy needs of the simulated network: the addresses of Services and pods may be somewhere else than their numbers say. */
import type { AddressInfo } from 'node:net';

export type SocketProtocol = 'TCP' | 'UDP';

export interface ProxyNetwork {
  /** Where to connect to for `ip:port`. */
  resolve(ip: string, port: number, protocol?: SocketProtocol): { host: string; port: number };
  /**
   * Makes a server listen for `host:port`, elsewhere where the system does not allow it unless `exact`, and registers where. Rejects
   * with the system's error.
   */
  listen(server: Listening, at: { host: string; port: number; protocol?: SocketProtocol; exact?: boolean }): Promise<{ release(): void }>;
}

/** What net.Server has and a UDP socket is made to have. */
export interface Listening {
  listen(options: { host: string; port: number }): unknown;
  address(): AddressInfo | string | null;
  once(event: 'listening', callback: () => void): unknown;
  once(event: 'error', callback: (error: Error) => void): unknown;
  on(event: 'error', callback: (error: Error) => void): unknown;
  off(event: string, callback: (error: Error) => void): unknown;
}

export interface Target {
  ip: string;
  port: number;
}
