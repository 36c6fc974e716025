/**
 * What the kubelet needs of a container runtime. `cri/` asks containerd over CRI v1; `sim/` models containers. The words are CRI's.
 * Calls throw `RuntimeError`. All are safe to repeat: stopping what is stopped and removing what is gone succeed.
 */
import type { Duplex } from 'node:stream';

export interface ContainerRuntime {
  /** For node status: `containerd` and `1.7.24`, or `sim` and our version. */
  version(signal?: AbortSignal): Promise<{ runtimeName: string; runtimeVersion: string }>;
  /** Whether containers and pod networking can be used now; the reasons show up in the node's Ready condition. */
  status(signal?: AbortSignal): Promise<{ runtimeReady: boolean; networkReady: boolean; message: string }>;

  runPodSandbox(config: PodSandboxConfig, signal?: AbortSignal): Promise<string>;
  stopPodSandbox(sandboxId: string, signal?: AbortSignal): Promise<void>;
  removePodSandbox(sandboxId: string, signal?: AbortSignal): Promise<void>;
  listPodSandboxes(): Promise<PodSandbox[]>;
  /** With the pod's addresses, first the primary one. */
  podSandboxStatus(sandboxId: string): Promise<PodSandbox | undefined>;

  createContainer(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig, signal?: AbortSignal): Promise<string>;
  startContainer(containerId: string, signal?: AbortSignal): Promise<void>;
  /** TERM (or the image's signal), then KILL after `timeoutSeconds`. Resolves when it has ended. */
  stopContainer(containerId: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void>;
  /** Gives a running container other resources without touching what runs in it. What is left out stays as it is. */
  updateContainerResources(containerId: string, resources: ContainerResources, signal?: AbortSignal): Promise<void>;
  removeContainer(containerId: string): Promise<void>;
  listContainers(): Promise<ContainerStatus[]>;
  containerStatus(containerId: string): Promise<ContainerStatus | undefined>;
  /** Tells the runtime that the log file was renamed and must be opened anew. */
  reopenContainerLog(containerId: string): Promise<void>;

  /** Runs a command to its end. A timeout throws RuntimeError code 'Timeout'. */
  execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<{ stdout: Buffer; stderr: Buffer; exitCode: number }>;
  /**
   * Where a streaming request (SPDY or WebSocket upgrade) is to be sent on, byte by byte, or a handler that answers the upgrade itself
   * where there is no server behind (sim).
   */
  exec(containerId: string, options: StreamOptions & { command: readonly string[] }): Promise<StreamTarget>;
  attach(containerId: string, options: StreamOptions): Promise<StreamTarget>;
  portForward(sandboxId: string, ports: readonly number[]): Promise<StreamTarget>;

  /** Where probes and hooks connect to for a pod's address, where that is not the address itself (sim). */
  addressOf?(ip: string, port: number): { host: string; port: number };

  /** Something about these sandboxes or containers changed: look again. Yields pod UIDs. A runtime without events never yields; the kubelet relists as well. */
  events(signal: AbortSignal): AsyncIterable<{ podUid: string }>;
  /** Of running containers. `annotationsOf` gives those of a pod (by uid) as they are now: the sim's users say by them what its pods use. */
  stats(annotationsOf?: AnnotationsOf): Promise<ContainerStats[]>;
  /** What the whole node uses, where that is not what the machine does (sim). */
  nodeStats?(annotationsOf?: AnnotationsOf): Promise<{ cpuNanoseconds: number; memoryWorkingSetBytes: number }>;

  pullImage(image: string, options: { auth?: RegistryAuth; signal?: AbortSignal }): Promise<{ imageRef: string }>;
  /** undefined when it is not there. */
  imageStatus(image: string): Promise<ImageInfo | undefined>;
  listImages(): Promise<ImageInfo[]>;
  removeImage(image: string): Promise<void>;
  close(): Promise<void>;
}

export type AnnotationsOf = (podUid: string) => Readonly<Record<string, string>> | undefined;

export type StreamTarget = { kind: 'redirect'; url: string } | { kind: 'serve'; serve: (socket: StreamSession) => Promise<void> };

/** A session that the kubelet's own streaming server (SPDY and WebSocket) has accepted; used by runtimes that answer themselves. */
export interface StreamSession {
  stdin?: NodeJS.ReadableStream;
  stdout?: NodeJS.WritableStream;
  stderr?: NodeJS.WritableStream;
  /** Terminal sizes as they change. */
  resize?: AsyncIterable<{ width: number; height: number }>;
  /** For port-forward: one call for each connection that the client opens. */
  onConnection?: (handler: (port: number, stream: Duplex) => void) => void;
  /** How the command ended; written as a metav1.Status on the error stream. */
  exit(result: { exitCode: number } | { error: string }): void;
  readonly closed: AbortSignal;
}

export interface StreamOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export interface RegistryAuth {
  username?: string;
  password?: string;
  auth?: string;
  identityToken?: string;
}

export interface PodSandboxConfig {
  name: string;
  namespace: string;
  uid: string;
  attempt: number;
  /** Must be '' for pods on the host's network. */
  hostname: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  logDirectory: string;
  dns: { servers: string[]; searches: string[]; options: string[] };
  portMappings: { protocol: 'TCP' | 'UDP' | 'SCTP'; containerPort: number; hostPort: number; hostIp: string }[];
  cgroupParent: string;
  sysctls: Record<string, string>;
  hostNetwork: boolean;
  hostPid: boolean;
  hostIpc: boolean;
  shareProcessNamespace: boolean;
  privileged: boolean;
  runAsUser?: number;
  runAsGroup?: number;
  supplementalGroups: number[];
  seccomp?: SeccompProfile;
}

export interface SeccompProfile {
  type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhostRef?: string;
}

export interface ContainerConfig {
  name: string;
  attempt: number;
  /** What imageStatus or pullImage gave as reference, and what the user wrote. */
  image: string;
  userImage: string;
  command: string[];
  args: string[];
  workingDir: string;
  env: { name: string; value: string }[];
  mounts: ContainerMount[];
  devices: { containerPath: string; hostPath: string; permissions: string }[];
  /** Fully qualified CDI names (`vendor.com/gpu=gpu0`), which the runtime looks up in the node's CDI specifications. */
  cdiDevices?: readonly string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Relative to the sandbox's logDirectory. */
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  resources: ContainerResources;
  security: ContainerSecurity;
  /** The container whose processes it sees as its own, unless the whole pod shares them (for debugging). */
  targetContainerId?: string;
}

export interface ContainerMount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  propagation: 'None' | 'HostToContainer' | 'Bidirectional';
}

export interface ContainerResources {
  cpuPeriod?: number;
  cpuQuota?: number;
  cpuShares?: number;
  memoryLimitBytes?: number;
  oomScoreAdj?: number;
}

export interface ContainerSecurity {
  privileged: boolean;
  capabilitiesAdd: string[];
  capabilitiesDrop: string[];
  runAsUser?: number;
  runAsGroup?: number;
  runAsUsername?: string;
  readonlyRootfs: boolean;
  noNewPrivs: boolean;
  seccomp?: SeccompProfile;
  maskedPaths: string[];
  readonlyPaths: string[];
  supplementalGroups: number[];
}

export interface PodSandbox {
  id: string;
  name: string;
  namespace: string;
  uid: string;
  attempt: number;
  state: 'READY' | 'NOTREADY';
  /** Milliseconds since the epoch. */
  createdAt: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Filled by podSandboxStatus. */
  ips: string[];
}

export interface ContainerStatus {
  id: string;
  sandboxId: string;
  name: string;
  attempt: number;
  state: 'CREATED' | 'RUNNING' | 'EXITED' | 'UNKNOWN';
  image: string;
  imageRef: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Milliseconds since the epoch; 0 when it has not come to that. `listContainers` may leave the last two out (0). */
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  /** `Completed`, `Error`, `OOMKilled` … */
  reason: string;
  message: string;
  logPath: string;
}

export interface ContainerStats {
  containerId: string;
  name: string;
  podUid: string;
  cpuNanoseconds: number;
  memoryWorkingSetBytes: number;
  memoryRssBytes: number;
  at: number;
}

export interface ImageInfo {
  id: string;
  tags: string[];
  digests: string[];
  sizeBytes: number;
  pinned: boolean;
  /** The user that the image's config names: a uid or a name. */
  uid?: number;
  username?: string;
}

export class RuntimeError extends Error {
  readonly code: 'NotFound' | 'AlreadyExists' | 'InvalidArgument' | 'Timeout' | 'Unavailable' | 'Unauthenticated' | 'Unknown';

  constructor(code: RuntimeError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RuntimeError';
    this.code = code;
  }
}
