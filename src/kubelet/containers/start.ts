import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container, EphemeralContainer, Pod } from '../../api/types.gen.ts';
import { CONFIG_MAPS, SECRETS } from '../../client/resources.ts';
import { errorMessage } from '../../lib/errors.ts';
import { currentContainer, type PodRuntime } from '../pods/pod-runtime.ts';
import { podLogDirectory } from '../pods/sandbox-config.ts';
import type { PodServices } from '../pods/services.ts';
import { restartCount } from '../pods/status.ts';
import { podText } from '../pods/pod-text.ts';
import type { ContainerConfig, ImageInfo, PodSandboxConfig } from '../runtime/runtime.ts';
import type { MountedVolume } from '../volumes/manager.ts';
import { containerConfig } from './config.ts';
import { ContainerConfigError, type EnvSources } from './env.ts';
import { containerEvent, type EventType } from './events.ts';
import type { NodeFacts } from './field-path.ts';
import { runHook } from './hooks.ts';
import { StartError } from './start-error.ts';

export interface StartRequest {
  runtime: PodRuntime;
  sandboxId: string;
  sandbox: PodSandboxConfig;
  podIps: readonly string[];
  volumes: ReadonlyMap<string, MountedVolume>;
  hostsFile: string;
  /** The sandbox is new: what ended with the old one did not fail by itself. */
  newSandbox: boolean;
  signal: AbortSignal;
}

/** Pulls, creates and starts one container and runs its postStart hook. Throws StartError, whose words become its waiting state. */
export async function startContainer(pod: Pod, container: Container, request: StartRequest, services: PodServices): Promise<void> {
  checkBackoff(pod, container, request, services);
  const image = await ensureImage(pod, container, request.signal, services);
  const last = currentContainer(request.runtime, container.name);
  const count = last ? restartCount(last) + 1 : restartsInStatus(pod, container);
  const config = await configure(pod, container, { ...request, image, count }, services);
  const tell = (type: EventType, reason: string, message: string): void =>
    containerEvent(services.events, pod, container.name, { type, reason, message });
  const id = await attempt('CreateContainerError', tell, () =>
    services.runtime.createContainer(request.sandboxId, config, request.sandbox),
  );
  tell('Normal', 'Created', 'Container created');
  request.signal.throwIfAborted();
  await attempt('RunContainerError', tell, () => services.runtime.startContainer(id));
  tell('Normal', 'Started', 'Container started');
  request.signal.throwIfAborted();
  await postStart(pod, container, { id, request, tell }, services);
  await removeOlder(request.runtime, container.name, services);
}

async function ensureImage(pod: Pod, container: Container, signal: AbortSignal, { images, events }: PodServices): Promise<ImageInfo> {
  try {
    return await images.ensure(pod, container, signal);
  } catch (error) {
    if (error instanceof StartError)
      containerEvent(events, pod, container.name, { type: 'Warning', reason: 'Failed', message: `Error: ${error.reason}` });
    throw error;
  }
}

type Tell = (type: EventType, reason: string, message: string) => void;

function checkBackoff(pod: Pod, container: Container, { runtime, newSandbox }: StartRequest, { restarts, events }: PodServices): void {
  const last = currentContainer(runtime, container.name);
  if (!last || newSandbox || (last.state !== 'EXITED' && last.state !== 'CREATED')) return;
  const key = `${pod.metadata.uid}_${container.name}`;
  const wait = restarts.remaining(key, last.finishedAt || last.createdAt);
  if (wait > 0) {
    const message = `Back-off restarting failed container ${container.name} in pod ${podText(pod)}`;
    containerEvent(events, pod, container.name, { type: 'Warning', reason: 'BackOff', message });
    const text = `back-off ${restarts.delayText(key)} restarting failed container=${container.name} pod=${podText(pod)}`;
    throw new StartError('CrashLoopBackOff', text, { retryAfterMs: wait });
  }
  restarts.next(key);
}

/** The runtime's record may be gone while the API still knows how often it was restarted. */
function restartsInStatus(pod: Pod, container: Container): number {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const known = statuses.find((status) => status.name === container.name);
  return known?.containerID ? known.restartCount + 1 : 0;
}

async function configure(
  pod: Pod,
  container: Container,
  request: StartRequest & { image: ImageInfo; count: number },
  services: PodServices,
): Promise<ContainerConfig> {
  try {
    const terminationLog = await makeTerminationLog(services.volumes.podDir(pod.metadata.uid!), container.name);
    await mkdir(path.join(podLogDirectory(pod, services.node.podLogsDir), container.name), { recursive: true });
    return await containerConfig(pod, container, {
      restartCount: request.count,
      image: request.image,
      volumes: request.volumes,
      env: envSources(pod, request.podIps, services),
      hostsFile: request.hostsFile,
      terminationLog,
      memoryCapacity: services.node.memoryCapacity,
      seccompDir: services.node.seccompDir,
      cdiDevices: services.devices.cdiDevices(pod, container),
      targetContainerId: targetOf(container, request.runtime),
    });
  } catch (error) {
    if (!(error instanceof ContainerConfigError)) throw error;
    containerEvent(services.events, pod, container.name, { type: 'Warning', reason: 'Failed', message: `Error: ${error.message}` });
    throw new StartError('CreateContainerConfigError', error.message, { cause: error });
  }
}

/** Throws ContainerConfigError when there is no such container (yet). */
function targetOf({ targetContainerName }: Partial<EphemeralContainer>, runtime: PodRuntime): string | undefined {
  if (!targetContainerName) return undefined;
  const target = currentContainer(runtime, targetContainerName);
  if (!target) throw new ContainerConfigError(`unable to find target container "${targetContainerName}"`);
  return target.id;
}

function envSources(pod: Pod, podIps: readonly string[], services: PodServices): EnvSources {
  const namespace = pod.metadata.namespace!;
  return {
    configMap: (name) => services.objects.fresh({ type: CONFIG_MAPS, namespace, name }),
    secret: (name) => services.objects.fresh({ type: SECRETS, namespace, name }),
    services: services.services(namespace),
    node: nodeFacts(services, podIps),
  };
}

export function nodeFacts({ node }: Pick<PodServices, 'node'>, podIps: readonly string[]): NodeFacts {
  return { nodeName: node.name, hostIps: node.ips, podIps, allocatable: node.allocatable };
}

async function makeTerminationLog(podDir: string, container: string): Promise<string> {
  const folder = path.join(podDir, 'containers', container);
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, randomBytes(4).toString('hex'));
  await writeFile(file, '');
  // any user in the container may write it
  await chmod(file, 0o666);
  return file;
}

async function attempt<T>(reason: string, tell: Tell, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell('Warning', 'Failed', `Error: ${message}`);
    throw new StartError(reason, message, { cause: error });
  }
}

async function postStart(
  pod: Pod,
  container: Container,
  { id, request, tell }: { id: string; request: StartRequest; tell: Tell },
  services: PodServices,
): Promise<void> {
  const handler = container.lifecycle?.postStart;
  if (!handler) return;
  try {
    const target = { container, containerId: id, podIp: request.podIps[0] ?? '' };
    await runHook(handler, target, { runtime: services.runtime, clock: services.clock, signal: request.signal });
  } catch (error) {
    tell('Warning', 'FailedPostStartHook', `PostStartHook failed: ${errorMessage(error)}`);
    tell('Normal', 'Killing', 'FailedPostStartHook');
    await services.runtime.stopContainer(id, pod.spec?.terminationGracePeriodSeconds ?? 30, request.signal);
    throw new StartError('PostStartHookError', errorMessage(error), { cause: error });
  }
}

/** One ended container of a name is kept, for lastState and `logs --previous`. */
async function removeOlder(runtime: PodRuntime, name: string, services: PodServices): Promise<void> {
  const older = runtime.containers.filter((container) => container.name === name && container.state !== 'RUNNING').slice(1);
  for (const container of older) {
    await services.runtime.removeContainer(container.id);
    if (container.logPath) await rm(container.logPath, { force: true });
  }
}
