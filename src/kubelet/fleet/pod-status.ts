/** The status of a pod on a simulated node. Pure. */
import { timestamp } from '../../api/time.ts';
import type { Container, ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/types.gen.ts';
import { qosClass } from '../pods/qos.ts';

/** What a container is at; `waiting` is between two tries. */
export interface ContainerProgress {
  state: 'running' | 'waiting' | 'ended';
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  restarts: number;
}

export interface PodProgress {
  startedAt: number;
  podIp: string;
  hostIp: string;
  /** By the container's name. */
  containers: ReadonlyMap<string, ContainerProgress>;
}

export function fleetPodStatus(pod: Pod, progress: PodProgress): PodStatus {
  const { startedAt, podIp, hostIp } = progress;
  const statuses = pod.spec!.containers.map((container) => containerStatus(pod, container, progress.containers.get(container.name)!));
  const phase = phaseOf([...progress.containers.values()]);
  return {
    phase,
    conditions: conditions(pod, statuses, {
      phase,
      now: Math.max(startedAt, ...[...progress.containers.values()].map(({ finishedAt }) => finishedAt)),
    }),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: podIp,
    podIPs: [{ ip: podIp }],
    startTime: timestamp(startedAt),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(pod.spec!.initContainers?.length
      ? { initContainerStatuses: pod.spec!.initContainers.map((container) => initStatus(pod, container, startedAt)) }
      : {}),
    containerStatuses: statuses,
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf(containers: readonly ContainerProgress[]): string {
  if (!containers.every(({ state }) => state === 'ended')) return 'Running';
  return containers.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed';
}

function containerStatus(pod: Pod, container: Container, progress: ContainerProgress): ContainerStatus {
  const { name, image = '' } = container;
  const running = progress.state === 'running';
  const containerID = idOf(pod, name, progress.restarts);
  const ended = progress.finishedAt > 0 ? terminated(pod, name, progress) : undefined;
  const states: Readonly<Record<ContainerProgress['state'], ContainerState>> = {
    running: { running: { startedAt: timestamp(progress.startedAt) } },
    waiting: {
      waiting: {
        reason: 'CrashLoopBackOff',
        message: `back-off restarting failed container=${name} pod=${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`,
      },
    },
    ended: ended ?? {},
  };
  return {
    name,
    image,
    imageID: `sim://${image}`,
    containerID,
    state: states[progress.state],
    lastState: progress.state === 'ended' ? {} : (ended ?? {}),
    ready: running,
    started: running,
    restartCount: progress.restarts,
    ...resourcesOf(container),
  };
}

/** What it wants it has: a modelled container is resized as soon as it is asked for. */
function resourcesOf({ resources = {} }: Container): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  return { ...(resources.requests ? { allocatedResources: resources.requests } : {}), resources };
}

function terminated(pod: Pod, name: string, { startedAt, finishedAt, exitCode, restarts, state }: ContainerProgress): ContainerState {
  // While it runs again, what ended was the one before.
  const of = state === 'running' ? restarts - 1 : restarts;
  return {
    terminated: {
      exitCode,
      reason: exitCode === 0 ? 'Completed' : 'Error',
      startedAt: timestamp(Math.min(startedAt, finishedAt)),
      finishedAt: timestamp(finishedAt),
      containerID: idOf(pod, name, of),
    },
  };
}

/** Init containers are done as the pod starts; sidecars among them run. */
function initStatus(pod: Pod, container: Container, startedAt: number): ContainerStatus {
  const { name, image = '', restartPolicy } = container;
  const at = timestamp(startedAt);
  const sidecar = restartPolicy === 'Always';
  const state = sidecar
    ? { running: { startedAt: at } }
    : { terminated: { exitCode: 0, reason: 'Completed', startedAt: at, finishedAt: at, containerID: idOf(pod, name, 0) } };
  return {
    name,
    image,
    imageID: `sim://${image}`,
    containerID: idOf(pod, name, 0),
    state,
    lastState: {},
    ready: true,
    started: sidecar,
    restartCount: 0,
    ...resourcesOf(container),
  };
}

const idOf = (pod: Pod, container: string, restarts: number): string => `sim://${pod.metadata.uid}/${container}/${restarts}`;

function conditions(pod: Pod, statuses: readonly ContainerStatus[], { phase, now }: { phase: string; now: number }): PodCondition[] {
  const unready = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const notReady = ended
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const readiness = unready.length === 0 ? { status: 'True' } : { status: 'False', ...notReady };
  const own: PodCondition[] = [
    { type: 'PodReadyToStartContainers', status: ended ? 'False' : 'True' },
    { type: 'Initialized', status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) },
    { type: 'Ready', ...readiness },
    { type: 'ContainersReady', ...readiness },
    { type: 'PodScheduled', status: 'True' },
  ];
  const before = pod.status?.conditions ?? [];
  const dated = own.map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    return { ...condition, lastTransitionTime: known?.status === condition.status ? known.lastTransitionTime : timestamp(now) };
  });
  return [...dated, ...before.filter(({ type }) => !own.some((condition) => condition.type === type))];
}
