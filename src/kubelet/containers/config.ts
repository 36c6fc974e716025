import path from 'node:path';
import type { Container, Pod, VolumeMount } from '../../api/types.gen.ts';
import { containerLimits, CPU_PERIOD, oomScoreAdjust } from '../pods/qos.ts';
import type { ContainerConfig, ContainerMount, ContainerResources, ImageInfo } from '../runtime/runtime.ts';
import type { MountedVolume } from '../volumes/manager.ts';
import { VolumeError } from '../volumes/payload.ts';
import { resolveSubPath } from '../volumes/sub-path.ts';
import { ContainerConfigError, type EnvSources, containerEnv } from './env.ts';
import { expandVariables } from './expand.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { containerSecurity } from './security.ts';

export interface ContainerSettings {
  restartCount: number;
  image: ImageInfo;
  volumes: ReadonlyMap<string, MountedVolume>;
  env: EnvSources;
  /** Files on the node: the pod's /etc/hosts (none to leave the image's) and this container's termination log. */
  hostsFile?: string;
  terminationLog: string;
  memoryCapacity: number;
  seccompDir: string;
  /** The running container that an ephemeral one looks at. */
  targetContainerId?: string;
  /** Names of devices that drivers have made ready (CDI). */
  cdiDevices?: readonly string[];
}

const PROPAGATION = { None: 'None', HostToContainer: 'HostToContainer', Bidirectional: 'Bidirectional' } as const;

/** Throws ContainerConfigError for what the pod or the objects that it names do not allow. */
export async function containerConfig(pod: Pod, container: Container, settings: ContainerSettings): Promise<ContainerConfig> {
  const env = await containerEnv(pod, container, settings.env);
  const values = new Map(env.map(({ name, value }) => [name, value]));
  const expand = (text: string): string => expandVariables(text, (name) => values.get(name));
  return {
    name: container.name,
    attempt: settings.restartCount,
    image: settings.image.id,
    userImage: container.image ?? '',
    command: (container.command ?? []).map(expand),
    args: (container.args ?? []).map(expand),
    workingDir: container.workingDir ?? '',
    env,
    mounts: await containerMounts(pod, container, settings, expand),
    devices: devices(container, settings),
    ...(settings.cdiDevices?.length ? { cdiDevices: settings.cdiDevices } : {}),
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, { restartCount: settings.restartCount, logFile: settings.terminationLog }),
    logPath: path.join(container.name, `${settings.restartCount}.log`),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    resources: containerResources(pod, container, settings.memoryCapacity),
    security: containerSecurity(pod, container, settings),
    ...(settings.targetContainerId ? { targetContainerId: settings.targetContainerId } : {}),
  };
}

/** What the container's requests and limits mean to a runtime. */
export function containerResources(pod: Pod, container: Container, memoryCapacity: number): ContainerResources {
  const { cpuShares, cpuQuota, memoryLimitBytes } = containerLimits(container);
  return {
    cpuShares,
    ...(cpuQuota === undefined ? {} : { cpuQuota, cpuPeriod: CPU_PERIOD }),
    memoryLimitBytes,
    oomScoreAdj: oomScoreAdjust(pod, container, memoryCapacity),
  };
}

async function containerMounts(
  pod: Pod,
  container: Container,
  settings: ContainerSettings,
  expand: (text: string) => string,
): Promise<ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  for (const mount of container.volumeMounts ?? []) mounts.push(await volumeMount(mount, { settings, expand }));
  const taken = new Set(mounts.map((mount) => mount.containerPath));
  const own = (containerPath: string, hostPath: string): void => {
    if (!taken.has(containerPath)) mounts.push({ containerPath, hostPath, readonly: false, propagation: 'None' });
  };
  if (settings.hostsFile) own('/etc/hosts', settings.hostsFile);
  own(container.terminationMessagePath ?? '/dev/termination-log', settings.terminationLog);
  return mounts;
}

async function volumeMount(
  mount: VolumeMount,
  { settings, expand }: { settings: ContainerSettings; expand: (text: string) => string },
): Promise<ContainerMount> {
  const volume = settings.volumes.get(mount.name);
  if (!volume) throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container`);
  const subPath = mount.subPathExpr === undefined ? (mount.subPath ?? '') : strictly(mount.subPathExpr, expand);
  let hostPath = volume.path;
  try {
    if (subPath !== '') hostPath = await resolveSubPath(volume.path, subPath, { create: volume.writable });
  } catch (error) {
    if (error instanceof VolumeError) throw new ContainerConfigError(error.message, { cause: error });
    throw error;
  }
  const propagation = PROPAGATION[(mount.mountPropagation ?? 'None') as keyof typeof PROPAGATION] ?? 'None';
  return { containerPath: path.resolve('/', mount.mountPath), hostPath, readonly: mount.readOnly ?? false, propagation };
}

/** subPathExpr may only use what is defined. */
function strictly(text: string, expand: (text: string) => string): string {
  const expanded = expand(text);
  if (expanded.includes('$(')) throw new ContainerConfigError(`missing value for ${text}`);
  return expanded;
}

function devices(container: Container, { volumes }: ContainerSettings): ContainerConfig['devices'] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = volumes.get(name);
    if (!volume?.block) throw new ContainerConfigError(`volume "${name}" is not a block device`);
    return { containerPath: devicePath, hostPath: volume.path, permissions: 'mrw' };
  });
}
