/**
 * What the lifecycle manager (cluster/) writes for the node process, and how the node answers: the whole of what the two know of each other.
 * The file is JSON; its path is the node's one argument. Paths are absolute and as the node sees them.
 */
export interface NodeConfig {
  /** The profile's name: kubeconfig context, container, volume and network carry it too. */
  clusterName: string;
  nodeName: string;
  runtime: 'containerd' | 'sim';
  storage: 'etcd' | 'embedded';
  /** etcd of the user's own; ours is not started then. */
  etcdServers?: string[];
  /** Everything that must outlive the process: store, kubelet state, PVs, logs. */
  dataDir: string;
  /** Sockets and what may vanish at a restart. */
  runDir: string;
  pki: PkiPaths;
  apiserver: {
    /** Address and port to listen on; the service IP (first of serviceCidr) always leads here as well. */
    bindAddress: string;
    port: number;
    /** The address that node and pods reach it by. */
    advertiseAddress: string;
    /** The URL written into kubeconfigs and OIDC issuer: `https://127.0.0.1:PORT` as the laptop sees it. */
    externalUrl: string;
    /** Text of an audit policy (audit.k8s.io/v1). Events go to `<dataDir>/audit/audit.log`; without it nothing is audited. */
    auditPolicy?: string;
  };
  /** `10.244.0.0/16`, `10.96.0.0/12`, `10.96.0.10`, `cluster.local` unless asked otherwise. */
  podCidr: string;
  serviceCidr: string;
  clusterDnsIp: string;
  clusterDomain: string;
  /** NodePorts are taken from here; `30000-32767`. */
  nodePortRange: string;
  /** Manifests applied at every start, a folder an addon that is enabled: `kubectl apply` of all yaml files in it, with pruning of what was dropped. */
  addonsDir: string;
  /** Image archives (docker or OCI tar) imported at start when their names are missing. Empty on sim. */
  imagesDir?: string;
  /** sim: how many simulated nodes there are besides the first. */
  simNodes?: number;
  /** sim: users' modelled images, a folder of yaml files. */
  catalogueDir?: string;
  /** `start --trace-startup`: the node writes a time line to `<runDir>/startup.json`. */
  traceStartup?: boolean;
  /** All in one process unless set: then scheduler, controllers and kubelet run as processes of their own over https. */
  splitProcesses?: boolean;
  /** KubeSchedulerConfiguration (YAML), as the user gave it. */
  schedulerConfiguration?: string;
  /** How often the store forgets what is older than this, in milliseconds; 5 minutes unless given. */
  compactionIntervalMs?: number;
  logLevel?: 'debug' | 'info' | 'warn' | 'error';
}

/** PEM files. Names follow kubeadm's /etc/kubernetes/pki where it has one. */
export interface PkiPaths {
  caCert: string;
  caKey: string;
  apiserverCert: string;
  apiserverKey: string;
  /** The API server as a client of kubelets. */
  apiserverKubeletClientCert: string;
  apiserverKubeletClientKey: string;
  frontProxyCaCert: string;
  frontProxyClientCert: string;
  frontProxyClientKey: string;
  serviceAccountKey: string;
  serviceAccountPub: string;
  kubeletServerCert: string;
  kubeletServerKey: string;
  /** The node's own identity, system:node:<name>. */
  kubeletClientCert: string;
  kubeletClientKey: string;
  /** Identities of components when they run as processes of their own: folder with scheduler.{crt,key}, controller-manager.{crt,key}, kube-proxy.{crt,key}, admin.{crt,key}. */
  componentsDir: string;
  /** EncryptionConfiguration (YAML): how values are encrypted in the store. Without it they are kept in the clear. */
  encryptionConfig?: string;
  /** For --storage etcd: CA and client pair; ours listens on a unix socket and needs none. */
  etcdCaCert?: string;
  etcdClientCert?: string;
  etcdClientKey?: string;
}

/**
 * The node prints exactly one line of JSON on stdout when it is ready or cannot be, then goes on; everything else goes to stderr.
 * `phases` are milliseconds since the process began.
 */
export type NodeReport =
  | { ready: true; phases: Record<string, number>; apiserverPort: number }
  | { ready: false; code: string; message: string };

/**
 * The node program's other two forms, called by the lifecycle manager in a node container:
 * `node.mjs --warm-up` loads every module that a start loads and exits with 0 (the image then holds V8's compile cache for them);
 * `node.mjs image import -` reads a docker or OCI archive from stdin into containerd, prints the names of its images, one a line, and
 * exits with 0, or with 1 and a message on stderr.
 */
export type NodeCommand = readonly ['--warm-up'] | readonly ['image', 'import', '-'];

/**
 * How the node process is run by V8: its young generation is 2 MiB in place of 16. Measured on sim (two cores, medians): 55 MiB at rest with 2, 62
 * with 4, 66 with 8 and with 16; after 5,500 writes 144, 146, 170 and 162; CPU per write is the same with all (0.5 ms).
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=2'];

/**
 * The same where thousands of pods are to be expected. Of the objects of 1,000 pods that are being made much outlives 2 MiB: CPU per pod on 1,000 nodes
 * is 1.64 ms with 2 and with 4, 1.58 with 8 and 1.44 with 16, with less time in collections.
 */
const FLEET_FLAGS: readonly string[] = ['--max-semi-space-size=16'];
const FLEET = 100;

export function nodeFlags({ simNodes = 0 }: Pick<NodeConfig, 'simNodes'>): readonly string[] {
  return simNodes >= FLEET ? FLEET_FLAGS : NODE_FLAGS;
}
