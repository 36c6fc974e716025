import type { Rng } from '../../lib/random.ts';
import type { Authorizer, Handler, StreamingHandler } from '../contract.ts';
import type { AdmitConnection } from '../registry/connect.ts';
import type { StoredObjects } from '../stored.ts';
import type { KubeletDialer } from './kubelet.ts';
import { kubeletLocator } from './kubelet.ts';
import { podLogHandler } from './logs.ts';
import { podStreamsHandler } from './pod-streams.ts';
import { proxyHandler } from './proxy.ts';
import type { PodAddressResolver } from './proxy-location.ts';
import type { TlsClient } from './target.ts';

export interface StreamingOptions extends StoredObjects {
  /** The API server's client certificate for kubelets and the CA that signed theirs; PEM. */
  kubeletTls: TlsClient;
  /** Kubelets of this process. */
  dial?: KubeletDialer;
  /** Pods may be on loopback addresses (the simulated runtime). */
  allowLoopback?: boolean;
  resolve?: PodAddressResolver;
  authorizer: Pick<Authorizer, 'authorize'>;
  admit: AdmitConnection;
  rng: Rng;
}

export interface Streaming {
  /** Logs, which stream but do not take the connection: they work over the loopback transport too. */
  handlers: Handler[];
  /** exec, attach, port-forward and proxy. */
  takeovers: StreamingHandler[];
}

/** All that passes bytes between clients and kubelets, pods and services. */
export function createStreaming({
  kubeletTls,
  dial,
  allowLoopback,
  resolve,
  authorizer,
  admit,
  rng,
  ...objects
}: StreamingOptions): Streaming {
  const kubelet = kubeletLocator({ ...objects, tls: kubeletTls, ...(dial ? { dial } : {}) });
  return {
    handlers: [podLogHandler({ ...objects, kubelet })],
    takeovers: [
      podStreamsHandler({ ...objects, kubelet, authorizer, admit }),
      proxyHandler({ ...objects, kubelet, admit, rng, ...(allowLoopback ? { allowLoopback } : {}), ...(resolve ? { resolve } : {}) }),
    ],
  };
}
