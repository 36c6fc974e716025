/** The messages of CRI v1 (k8s.io/cri-api runtime/v1/api.proto) that the kubelet uses, with upstream's field numbers. */
import { bool, bytes, int, list, map, message, string, sub } from './wire.ts';

const Int64Value = message({ value: int(1) });
const PodSandboxMetadata = message({ name: string(1), uid: string(2), namespace: string(3), attempt: int(4) });
const ContainerMetadata = message({ name: string(1), attempt: int(2) });
export const SecurityProfile = message({ profileType: int(1), localhostRef: string(2) });
const NamespaceOption = message({ network: int(1), pid: int(2), ipc: int(3), targetId: string(4) });
const ImageSpec = message({ image: string(1), annotations: map(2), userSpecifiedImage: string(18), runtimeHandler: string(19) });

const LinuxSandboxSecurityContext = message({
  namespaceOptions: sub(1, NamespaceOption),
  runAsUser: sub(3, Int64Value),
  runAsGroup: sub(8, Int64Value),
  readonlyRootfs: bool(4),
  supplementalGroups: list(int(5)),
  privileged: bool(6),
  seccomp: sub(9, SecurityProfile),
});

export const LinuxContainerResources = message({
  cpuPeriod: int(1),
  cpuQuota: int(2),
  cpuShares: int(3),
  memoryLimitInBytes: int(4),
  oomScoreAdj: int(5),
});

export const PodSandboxConfig = message({
  metadata: sub(1, PodSandboxMetadata),
  hostname: string(2),
  logDirectory: string(3),
  dnsConfig: sub(4, message({ servers: list(string(1)), searches: list(string(2)), options: list(string(3)) })),
  portMappings: list(sub(5, message({ protocol: int(1), containerPort: int(2), hostPort: int(3), hostIp: string(4) }))),
  labels: map(6),
  annotations: map(7),
  linux: sub(8, message({ cgroupParent: string(1), securityContext: sub(2, LinuxSandboxSecurityContext), sysctls: map(3) })),
});

const LinuxContainerSecurityContext = message({
  capabilities: sub(1, message({ addCapabilities: list(string(1)), dropCapabilities: list(string(2)) })),
  privileged: bool(2),
  namespaceOptions: sub(3, NamespaceOption),
  runAsUser: sub(5, Int64Value),
  runAsGroup: sub(12, Int64Value),
  runAsUsername: string(6),
  readonlyRootfs: bool(7),
  supplementalGroups: list(int(8)),
  noNewPrivs: bool(11),
  maskedPaths: list(string(13)),
  readonlyPaths: list(string(14)),
  seccomp: sub(15, SecurityProfile),
});

export const ContainerConfig = message({
  metadata: sub(1, ContainerMetadata),
  image: sub(2, ImageSpec),
  command: list(string(3)),
  args: list(string(4)),
  workingDir: string(5),
  envs: list(sub(6, message({ key: string(1), value: string(2) }))),
  mounts: list(sub(7, message({ containerPath: string(1), hostPath: string(2), readonly: bool(3), propagation: int(5) }))),
  devices: list(sub(8, message({ containerPath: string(1), hostPath: string(2), permissions: string(3) }))),
  labels: map(9),
  annotations: map(10),
  logPath: string(11),
  stdin: bool(12),
  stdinOnce: bool(13),
  tty: bool(14),
  linux: sub(15, message({ resources: sub(1, LinuxContainerResources), securityContext: sub(2, LinuxContainerSecurityContext) })),
  cdiDevices: list(sub(17, message({ name: string(1) }))),
});

export const PodSandbox = message({
  id: string(1),
  metadata: sub(2, PodSandboxMetadata),
  state: int(3),
  createdAt: int(4),
  labels: map(5),
  annotations: map(6),
});

export const PodSandboxStatus = message({
  id: string(1),
  metadata: sub(2, PodSandboxMetadata),
  state: int(3),
  createdAt: int(4),
  network: sub(5, message({ ip: string(1), additionalIps: list(sub(2, message({ ip: string(1) }))) })),
  labels: map(7),
  annotations: map(8),
});

export const Container = message({
  id: string(1),
  podSandboxId: string(2),
  metadata: sub(3, ContainerMetadata),
  image: sub(4, ImageSpec),
  imageRef: string(5),
  state: int(6),
  createdAt: int(7),
  labels: map(8),
  annotations: map(9),
});

export const ContainerStatus = message({
  id: string(1),
  metadata: sub(2, ContainerMetadata),
  state: int(3),
  createdAt: int(4),
  startedAt: int(5),
  finishedAt: int(6),
  exitCode: int(7),
  image: sub(8, ImageSpec),
  imageRef: string(9),
  reason: string(10),
  message: string(11),
  labels: map(12),
  annotations: map(13),
  logPath: string(15),
});

export const Image = message({
  id: string(1),
  repoTags: list(string(2)),
  repoDigests: list(string(3)),
  size: int(4),
  uid: sub(5, Int64Value),
  username: string(6),
  pinned: bool(8),
});

const UInt64Value = Int64Value;
const ContainerStats = message({
  attributes: sub(1, message({ id: string(1), metadata: sub(2, ContainerMetadata), labels: map(3), annotations: map(4) })),
  cpu: sub(2, message({ timestamp: int(1), usageCoreNanoSeconds: sub(2, UInt64Value) })),
  memory: sub(
    3,
    message({ timestamp: int(1), workingSetBytes: sub(2, UInt64Value), usageBytes: sub(4, UInt64Value), rssBytes: sub(5, UInt64Value) }),
  ),
});

const Empty = message({});
const ById = message({ id: string(1) });
const StreamUrl = message({ url: string(1) });

const runtimeService = <Q, S>(name: string, request: Q, response: S): { path: string; request: Q; response: S } => ({
  path: `/runtime.v1.RuntimeService/${name}`,
  request,
  response,
});
const imageService = <Q, S>(name: string, request: Q, response: S): { path: string; request: Q; response: S } => ({
  path: `/runtime.v1.ImageService/${name}`,
  request,
  response,
});

/** Every call that we make: its gRPC path, what is sent and what comes back. */
export const CRI = {
  version: runtimeService(
    'Version',
    message({ version: string(1) }),
    message({ runtimeName: string(2), runtimeVersion: string(3), runtimeApiVersion: string(4) }),
  ),
  status: runtimeService(
    'Status',
    message({ verbose: bool(1) }),
    message({
      status: sub(
        1,
        message({ conditions: list(sub(1, message({ type: string(1), status: bool(2), reason: string(3), message: string(4) }))) }),
      ),
    }),
  ),
  runPodSandbox: runtimeService('RunPodSandbox', message({ config: sub(1, PodSandboxConfig), runtimeHandler: string(2) }), ById),
  stopPodSandbox: runtimeService('StopPodSandbox', ById, Empty),
  removePodSandbox: runtimeService('RemovePodSandbox', ById, Empty),
  podSandboxStatus: runtimeService('PodSandboxStatus', ById, message({ status: sub(1, PodSandboxStatus) })),
  listPodSandbox: runtimeService('ListPodSandbox', Empty, message({ items: list(sub(1, PodSandbox)) })),
  createContainer: runtimeService(
    'CreateContainer',
    message({ podSandboxId: string(1), config: sub(2, ContainerConfig), sandboxConfig: sub(3, PodSandboxConfig) }),
    ById,
  ),
  startContainer: runtimeService('StartContainer', ById, Empty),
  stopContainer: runtimeService('StopContainer', message({ containerId: string(1), timeout: int(2) }), Empty),
  updateContainerResources: runtimeService(
    'UpdateContainerResources',
    message({ containerId: string(1), linux: sub(2, LinuxContainerResources) }),
    Empty,
  ),
  removeContainer: runtimeService('RemoveContainer', ById, Empty),
  listContainers: runtimeService('ListContainers', Empty, message({ containers: list(sub(1, Container)) })),
  containerStatus: runtimeService('ContainerStatus', ById, message({ status: sub(1, ContainerStatus) })),
  reopenContainerLog: runtimeService('ReopenContainerLog', ById, Empty),
  execSync: runtimeService(
    'ExecSync',
    message({ containerId: string(1), cmd: list(string(2)), timeout: int(3) }),
    message({ stdout: bytes(1), stderr: bytes(2), exitCode: int(3) }),
  ),
  exec: runtimeService(
    'Exec',
    message({ containerId: string(1), cmd: list(string(2)), tty: bool(3), stdin: bool(4), stdout: bool(5), stderr: bool(6) }),
    StreamUrl,
  ),
  attach: runtimeService(
    'Attach',
    message({ containerId: string(1), stdin: bool(2), tty: bool(3), stdout: bool(4), stderr: bool(5) }),
    StreamUrl,
  ),
  portForward: runtimeService('PortForward', message({ podSandboxId: string(1), port: list(int(2)) }), StreamUrl),
  listContainerStats: runtimeService('ListContainerStats', Empty, message({ stats: list(sub(1, ContainerStats)) })),
  listImages: imageService('ListImages', Empty, message({ images: list(sub(1, Image)) })),
  imageStatus: imageService('ImageStatus', message({ image: sub(1, ImageSpec) }), message({ image: sub(1, Image) })),
  pullImage: imageService(
    'PullImage',
    message({
      image: sub(1, ImageSpec),
      auth: sub(
        2,
        message({ username: string(1), password: string(2), auth: string(3), serverAddress: string(4), identityToken: string(5) }),
      ),
    }),
    message({ imageRef: string(1) }),
  ),
  removeImage: imageService('RemoveImage', message({ image: sub(1, ImageSpec) }), Empty),
};

/** The one stream: container events, with the sandbox that each belongs to. */
export const CONTAINER_EVENTS = runtimeService(
  'GetContainerEvents',
  Empty,
  message({ containerId: string(1), containerEventType: int(2), createdAt: int(3), podSandboxStatus: sub(4, PodSandboxStatus) }),
);
