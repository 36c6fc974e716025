import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import { type ContainerRuntime, type ContainerStats, RuntimeError, type StreamTarget } from '../runtime.ts';
import { connectUnix, type Connection } from './connection.ts';
import {
  containerConfigMessage,
  containerStatus,
  imageInfo,
  listedContainer,
  podSandbox,
  podSandboxWithAddresses,
  resourcesMessage,
  sandboxConfigMessage,
} from './convert.ts';
import { containerEvents } from './events.ts';
import { CRI } from './messages.ts';

export interface CriOptions {
  /** The runtime's unix socket: `/run/containerd/containerd.sock`. */
  socketPath: string;
  clock: Clock;
  log: Logger;
}

/** Sandboxes pull in a CNI plugin and may wait for other pods' teardown; upstream's kubelet allows two minutes, four for this. */
const SANDBOX_DEADLINE_MS = 240_000;
const PULL_DEADLINE_MS = 30 * 60_000;
/** Given on top of what the caller allows, for the runtime to answer. */
const ANSWER_MS = 10_000;

/** The container runtime behind a CRI v1 socket. Nothing is connected until the first call. */
export function createCriRuntime({ socketPath, clock, log }: CriOptions): ContainerRuntime {
  const connection = connectUnix(socketPath);
  return {
    ...runtimeInfo(connection),
    ...sandboxCalls(connection),
    ...containerCalls(connection),
    ...imageCalls(connection),
    ...streamCalls(connection),
    events: (signal) => containerEvents(connection, { clock, log, signal }),
    close: () => Promise.resolve(connection.close()),
  };
}

type Calls<K extends keyof ContainerRuntime> = Pick<ContainerRuntime, K>;

function runtimeInfo(connection: Connection): Calls<'version' | 'status' | 'stats'> {
  return {
    version: (signal) => connection.call(CRI.version, { version: 'v1' }, { signal, deadlineMs: ANSWER_MS }),
    async status(signal) {
      const { status } = await connection.call(CRI.status, {}, { signal, deadlineMs: ANSWER_MS });
      const condition = (type: string) => status?.conditions.find((one) => one.type === type);
      const bad = status?.conditions.filter((one) => !one.status && (one.type === 'RuntimeReady' || one.type === 'NetworkReady')) ?? [];
      return {
        runtimeReady: condition('RuntimeReady')?.status ?? false,
        networkReady: condition('NetworkReady')?.status ?? false,
        message: bad.map((one) => `${one.reason}: ${one.message}`).join('; '),
      };
    },
    async stats() {
      const { stats } = await connection.call(CRI.listContainerStats, {});
      return stats.map((one): ContainerStats => ({
        containerId: one.attributes?.id ?? '',
        name: one.attributes?.metadata?.name ?? '',
        podUid: one.attributes?.labels['io.kubernetes.pod.uid'] ?? '',
        cpuNanoseconds: one.cpu?.usageCoreNanoSeconds?.value ?? 0,
        memoryWorkingSetBytes: one.memory?.workingSetBytes?.value ?? 0,
        memoryRssBytes: one.memory?.rssBytes?.value ?? 0,
        at: Math.floor((one.cpu?.timestamp ?? 0) / 1e6),
      }));
    },
  };
}

function sandboxCalls(
  connection: Connection,
): Calls<'runPodSandbox' | 'stopPodSandbox' | 'removePodSandbox' | 'listPodSandboxes' | 'podSandboxStatus'> {
  return {
    async runPodSandbox(config, signal) {
      const { id } = await connection.call(
        CRI.runPodSandbox,
        { config: sandboxConfigMessage(config) },
        { signal, deadlineMs: SANDBOX_DEADLINE_MS },
      );
      return id;
    },
    stopPodSandbox: (id, signal) => absentIsDone(connection.call(CRI.stopPodSandbox, { id }, { signal })),
    removePodSandbox: (id, signal) => absentIsDone(connection.call(CRI.removePodSandbox, { id }, { signal })),
    async listPodSandboxes() {
      const { items } = await connection.call(CRI.listPodSandbox, {});
      return items.map(podSandbox);
    },
    async podSandboxStatus(id) {
      const answer = await absentIsUndefined(connection.call(CRI.podSandboxStatus, { id }));
      return answer?.status && podSandboxWithAddresses(answer.status);
    },
  };
}

function containerCalls(
  connection: Connection,
): Calls<
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'updateContainerResources'
  | 'removeContainer'
  | 'listContainers'
  | 'containerStatus'
  | 'reopenContainerLog'
  | 'execSync'
> {
  return {
    async createContainer(podSandboxId, config, sandbox, signal) {
      const request = { podSandboxId, config: containerConfigMessage(config, sandbox), sandboxConfig: sandboxConfigMessage(sandbox) };
      return (await connection.call(CRI.createContainer, request, { signal })).id;
    },
    startContainer: async (id, signal) => void (await connection.call(CRI.startContainer, { id }, { signal })),
    stopContainer: (containerId, timeout, signal) =>
      absentIsDone(connection.call(CRI.stopContainer, { containerId, timeout }, { signal, deadlineMs: timeout * 1000 + ANSWER_MS * 3 })),
    updateContainerResources: async (containerId, resources, signal) =>
      void (await connection.call(CRI.updateContainerResources, { containerId, linux: resourcesMessage(resources) }, { signal })),
    removeContainer: (id) => absentIsDone(connection.call(CRI.removeContainer, { id })),
    async listContainers() {
      const { containers } = await connection.call(CRI.listContainers, {});
      return containers.map(listedContainer);
    },
    async containerStatus(id) {
      const answer = await absentIsUndefined(connection.call(CRI.containerStatus, { id }));
      return answer?.status && containerStatus(answer.status);
    },
    reopenContainerLog: async (id) => void (await connection.call(CRI.reopenContainerLog, { id })),
    async execSync(containerId, cmd, timeoutSeconds) {
      try {
        return await connection.call(
          CRI.execSync,
          { containerId, cmd, timeout: timeoutSeconds },
          { deadlineMs: timeoutSeconds * 1000 + ANSWER_MS * 2 },
        );
      } catch (error) {
        // containerd 1.6 and 1.7 answer a timeout with code Unknown
        if (error instanceof RuntimeError && /timeout .* exceeded/.test(error.message))
          throw new RuntimeError('Timeout', error.message, { cause: error });
        throw error;
      }
    },
  };
}

function imageCalls(connection: Connection): Calls<'pullImage' | 'imageStatus' | 'listImages' | 'removeImage'> {
  return {
    pullImage: (image, { auth, signal }) =>
      connection.call(CRI.pullImage, { image: { image }, auth }, { signal, deadlineMs: PULL_DEADLINE_MS }),
    async imageStatus(image) {
      const answer = await connection.call(CRI.imageStatus, { image: { image } });
      return answer.image && imageInfo(answer.image);
    },
    async listImages() {
      return (await connection.call(CRI.listImages, {})).images.map(imageInfo);
    },
    removeImage: (image) => absentIsDone(connection.call(CRI.removeImage, { image: { image } })),
  };
}

function streamCalls(connection: Connection): Calls<'exec' | 'attach' | 'portForward'> {
  const redirect = ({ url }: { url: string }): StreamTarget => ({ kind: 'redirect', url });
  return {
    exec: async (containerId, { command, ...streams }) =>
      redirect(await connection.call(CRI.exec, { containerId, cmd: command, ...streams })),
    attach: async (containerId, streams) => redirect(await connection.call(CRI.attach, { containerId, ...streams })),
    portForward: async (podSandboxId, port) => redirect(await connection.call(CRI.portForward, { podSandboxId, port })),
  };
}

async function absentIsDone(call: Promise<unknown>): Promise<void> {
  await absentIsUndefined(call);
}

async function absentIsUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'NotFound') return undefined;
    throw error;
  }
}
