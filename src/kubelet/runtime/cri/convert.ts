/** Between the words of the runtime contract and CRI's messages. */
import type {
  ContainerConfig,
  ContainerResources,
  ContainerStatus,
  ImageInfo,
  PodSandbox,
  PodSandboxConfig,
  SeccompProfile,
} from '../runtime.ts';
import type * as messages from './messages.ts';
import type { Decoded, Encodable } from './wire.ts';

const PROTOCOLS = { TCP: 0, UDP: 1, SCTP: 2 };
const PROPAGATION = { None: 0, HostToContainer: 1, Bidirectional: 2 };
const SECCOMP = { RuntimeDefault: 0, Unconfined: 1, Localhost: 2 };
const NAMESPACE = { pod: 0, container: 1, node: 2, target: 3 };
const CONTAINER_STATES = ['CREATED', 'RUNNING', 'EXITED', 'UNKNOWN'] as const;
const NANOSECONDS_PER_MS = 1e6;

const wrapped = (value: number | undefined): { value: number } | undefined => (value === undefined ? undefined : { value });
const seccompOf = (profile: SeccompProfile | undefined): Encodable<typeof messages.SecurityProfile> | undefined =>
  profile && { profileType: SECCOMP[profile.type], localhostRef: profile.localhostRef };
const millis = (nanoseconds: number): number => Math.floor(nanoseconds / NANOSECONDS_PER_MS);

function namespacesOf(sandbox: PodSandboxConfig): { network: number; pid: number; ipc: number } {
  return {
    network: sandbox.hostNetwork ? NAMESPACE.node : NAMESPACE.pod,
    pid: sandbox.hostPid ? NAMESPACE.node : sandbox.shareProcessNamespace ? NAMESPACE.pod : NAMESPACE.container,
    ipc: sandbox.hostIpc ? NAMESPACE.node : NAMESPACE.pod,
  };
}

function withTarget(namespaces: ReturnType<typeof namespacesOf>, targetId: string | undefined): object {
  return targetId !== undefined && namespaces.pid === NAMESPACE.container ? { ...namespaces, pid: NAMESPACE.target, targetId } : namespaces;
}

export function sandboxConfigMessage(config: PodSandboxConfig): Encodable<typeof messages.PodSandboxConfig> {
  return {
    metadata: { name: config.name, uid: config.uid, namespace: config.namespace, attempt: config.attempt },
    hostname: config.hostname,
    logDirectory: config.logDirectory,
    dnsConfig: config.dns,
    portMappings: config.portMappings.map((port) => ({ ...port, protocol: PROTOCOLS[port.protocol] })),
    labels: config.labels,
    annotations: config.annotations,
    linux: {
      cgroupParent: config.cgroupParent,
      sysctls: config.sysctls,
      securityContext: {
        namespaceOptions: namespacesOf(config),
        runAsUser: wrapped(config.runAsUser),
        runAsGroup: wrapped(config.runAsGroup),
        supplementalGroups: config.supplementalGroups,
        privileged: config.privileged,
        seccomp: seccompOf(config.seccomp),
      },
    },
  };
}

export function containerConfigMessage(config: ContainerConfig, sandbox: PodSandboxConfig): Encodable<typeof messages.ContainerConfig> {
  const { security } = config;
  return {
    metadata: { name: config.name, attempt: config.attempt },
    image: { image: config.image, userSpecifiedImage: config.userImage },
    command: config.command,
    args: config.args,
    workingDir: config.workingDir,
    envs: config.env.map(({ name, value }) => ({ key: name, value })),
    mounts: config.mounts.map((mount) => ({ ...mount, propagation: PROPAGATION[mount.propagation] })),
    devices: config.devices,
    cdiDevices: (config.cdiDevices ?? []).map((name) => ({ name })),
    labels: config.labels,
    annotations: config.annotations,
    logPath: config.logPath,
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    linux: {
      resources: resourcesMessage(config.resources),
      securityContext: {
        capabilities: { addCapabilities: security.capabilitiesAdd, dropCapabilities: security.capabilitiesDrop },
        privileged: security.privileged,
        namespaceOptions: withTarget(namespacesOf(sandbox), config.targetContainerId),
        runAsUser: wrapped(security.runAsUser),
        runAsGroup: wrapped(security.runAsGroup),
        runAsUsername: security.runAsUsername,
        readonlyRootfs: security.readonlyRootfs,
        noNewPrivs: security.noNewPrivs,
        seccomp: seccompOf(security.seccomp),
        maskedPaths: security.maskedPaths,
        readonlyPaths: security.readonlyPaths,
        supplementalGroups: security.supplementalGroups,
      },
    },
  };
}

export function resourcesMessage(resources: ContainerResources): Encodable<typeof messages.LinuxContainerResources> {
  const { memoryLimitBytes, ...others } = resources;
  return { ...others, memoryLimitInBytes: memoryLimitBytes };
}

export function podSandbox(value: Decoded<typeof messages.PodSandbox>): PodSandbox {
  return {
    id: value.id,
    name: value.metadata?.name ?? '',
    namespace: value.metadata?.namespace ?? '',
    uid: value.metadata?.uid ?? '',
    attempt: value.metadata?.attempt ?? 0,
    state: value.state === 0 ? 'READY' : 'NOTREADY',
    createdAt: millis(value.createdAt),
    labels: value.labels,
    annotations: value.annotations,
    ips: [],
  };
}

export function podSandboxWithAddresses(value: Decoded<typeof messages.PodSandboxStatus>): PodSandbox {
  const { ip = '', additionalIps = [] } = value.network ?? {};
  return { ...podSandbox(value), ips: [ip, ...additionalIps.map((other) => other.ip)].filter((address) => address !== '') };
}

export function listedContainer(value: Decoded<typeof messages.Container>): ContainerStatus {
  return {
    id: value.id,
    sandboxId: value.podSandboxId,
    name: value.metadata?.name ?? '',
    attempt: value.metadata?.attempt ?? 0,
    state: CONTAINER_STATES[value.state] ?? 'UNKNOWN',
    image: value.image?.image ?? '',
    imageRef: value.imageRef,
    labels: value.labels,
    annotations: value.annotations,
    createdAt: millis(value.createdAt),
    startedAt: 0,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    logPath: '',
  };
}

export function containerStatus(value: Decoded<typeof messages.ContainerStatus>): ContainerStatus {
  return {
    id: value.id,
    sandboxId: '',
    name: value.metadata?.name ?? '',
    attempt: value.metadata?.attempt ?? 0,
    state: CONTAINER_STATES[value.state] ?? 'UNKNOWN',
    image: value.image?.image ?? '',
    imageRef: value.imageRef,
    labels: value.labels,
    annotations: value.annotations,
    createdAt: millis(value.createdAt),
    startedAt: millis(value.startedAt),
    finishedAt: millis(value.finishedAt),
    exitCode: value.exitCode,
    reason: value.reason,
    message: value.message,
    logPath: value.logPath,
  };
}

export function imageInfo(value: Decoded<typeof messages.Image>): ImageInfo {
  return {
    id: value.id,
    tags: value.repoTags,
    digests: value.repoDigests,
    sizeBytes: value.size,
    pinned: value.pinned,
    uid: value.uid?.value,
    username: value.username || undefined,
  };
}
