import type { Target } from './network.ts';

export interface SocketPlace {
  host: string;
  port: number;
  /** Nowhere else: node ports, which people type. */
  exact: boolean;
}

/** One address of a Service that is listened on. */
export interface ServiceSocket {
  /** Ends the connections to targets that are no more. */
  cut(targets: readonly Target[]): void;
  /** Resolves when nobody listens any more and every connection is ended. */
  close(): Promise<void>;
}
