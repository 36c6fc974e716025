import type { ResourceInfo } from '../api/schema/schema.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import type { Storage } from '../storage/storage.ts';
import type { AuditOptions } from './audit/audit.ts';
import type { ComponentCheck } from './registry/component-statuses.ts';
import type { KubeletDialer } from './streaming/kubelet.ts';
import type { PodAddressResolver } from './streaming/proxy-location.ts';
import type { TlsClient } from './streaming/target.ts';
import type { ValueTransformer } from './watch/watch-cache.ts';

export interface ApiServerOptions {
  storage: Storage;
  clock: Clock;
  rng: Rng;
  log: Logger;
  /** PEM texts. */
  tls: { cert: string; key: string; clientCa: string; frontProxyCa?: string };
  /** PEM of the private key that signs service account tokens. */
  serviceAccountKey: string;
  /** PEM of further keys whose tokens are accepted. */
  serviceAccountPublicKeys?: readonly string[];
  /** `https://kubernetes.default.svc.cluster.local` unless given. */
  issuer?: string;
  /** `10.96.0.0/12`; for dual stack one of each family, `10.96.0.0/12,fd00::/108`. */
  serviceCidr: string;
  /** `30000-32767` unless given. */
  nodePortRange?: string;
  /** Where nodes and pods reach the server: the endpoint of the Service `kubernetes`. */
  advertiseAddress: string;
  advertisePort: number;
  /** As clients outside write it: `https://127.0.0.1:6443`. */
  externalUrl: string;
  /** What is served; every built-in resource that is not off by default unless given. */
  resources?: readonly ResourceInfo[];
  /** How values are kept in the store: encryption at rest. */
  transformer?: ValueTransformer;
  /** What is written down of requests, and where to; the server closes the sink when it stops. Nothing unless given. */
  audit?: AuditOptions;
  /** How kubelets are reached for logs, exec, attach, port-forward and proxy. Without it these paths are not served. */
  kubelet?: {
    /** PEM: the server's client certificate, and the CA that signed the kubelets'. */
    tls: TlsClient;
    /** Kubelets of this process. */
    dial?: KubeletDialer;
    /** Pods may be on loopback addresses (the simulated runtime). */
    allowLoopback?: boolean;
    /** Where a simulated pod's address really listens. */
    resolve?: PodAddressResolver;
  };
  /** PEM: the certificate that other API servers know the front proxy by, who vouches for our users. Without it they are asked as nobody. */
  frontProxyClient?: { cert: string; key: string };
  /** How the components beside the store are, for `componentstatuses`: `scheduler`, `controller-manager`. */
  components?: ReadonlyMap<string, ComponentCheck>;
  /**
   * Reading requests that may be in progress, watches and streams not counted (--max-requests-inflight); 1000 unless given. Upstream has 400,
   * but queues what is more.
   */
  maxInFlight?: number;
  /** The same of requests that change something (--max-mutating-requests-inflight); 500 unless given, upstream 200. */
  maxMutatingInFlight?: number;
}

/** What the server tells the parts that it is wired of. */
export interface WiringState {
  clock: Clock;
  rng: Rng;
  log: Logger;
  /** Throws while the server is not ready to serve. */
  checkReady(): void;
  kubernetesServiceIp: string;
}
