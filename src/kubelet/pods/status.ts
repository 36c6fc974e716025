/** The status of a pod as the API shows it, computed from its spec, the runtime and what the worker knows. Pure. */
import type {
  Container,
  ContainerState,
  ContainerStatus as ApiContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
  ResourceRequirements,
} from '../../api/types.gen.ts';
import { RESTART_COUNT } from '../containers/labels.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { podConditions, RESIZE_IN_PROGRESS, RESIZE_PENDING } from './conditions.ts';
import { appContainers, ephemeralContainers, initContainers, isSidecar } from './containers-of.ts';
import { podPhase } from './phase.ts';
import { currentContainer, type PodRuntime, previousContainer, readySandbox } from './pod-runtime.ts';
import { qosClass } from './qos.ts';
import { timestamp } from '../../api/time.ts';

export interface StatusFacts {
  hostIps: readonly string[];
  /** `containerd`: the scheme of container ids. */
  runtimeName: string;
  now: number;
  /** Why a container that should start has not: `ImagePullBackOff`, `CrashLoopBackOff`, `CreateContainerConfigError` … */
  waiting(container: string): { reason: string; message?: string } | undefined;
  /** What a container left in its termination log, or the end of its log. */
  terminationMessage(container: ContainerStatus): string;
  started(containerId: string): boolean;
  ready(containerId: string): boolean;
  /** Set when the pod is finished for a reason of its own (DeadlineExceeded, Evicted). */
  failure?: { reason: string; message: string };
  /** The pod shall not run (any more): what has not started counts as ended. */
  terminating: boolean;
  /** The conditions of a resize, where one waits or is under way. */
  resizeConditions?: readonly PodCondition[];
  /** The resources that a running container has, where they differ from what the pod was promised. */
  inForce?(container: ContainerStatus): ResourceRequirements | undefined;
}

/** The pod's status as kubelet writes it, computed from what the runtime holds. Pure; a final phase is never left again. */
export function podStatus(pod: Pod, runtime: PodRuntime, facts: StatusFacts): PodStatus {
  const previous = pod.status ?? {};
  const initDone = initializationDone(pod, runtime, facts);
  const statusOf = (fallback: string) => (container: Container) => containerStatus(container, { pod, runtime, facts, fallback });
  const initStatuses = initContainers(pod).map(statusOf('PodInitializing'));
  const appStatuses = appContainers(pod).map(
    statusOf(initContainers(pod).length > 0 && !initDone ? 'PodInitializing' : 'ContainerCreating'),
  );
  const ephemeral = ephemeralContainers(pod).map(statusOf('ContainerCreating'));
  const computed = podPhase(pod, initStatuses, appStatuses, facts.terminating);
  const aim = facts.failure ? 'Failed' : isFinal(previous.phase) ? previous.phase! : computed;
  // a final phase is a promise that nothing of the pod runs any more, sidecars included
  const phase =
    isFinal(aim) && !isFinal(previous.phase) && runtime.containers.some((container) => container.state === 'RUNNING') ? 'Running' : aim;
  const ips = podIps(pod, runtime, facts);
  const conditions = podConditions(pod, {
    phase,
    initDone,
    initStatuses,
    appStatuses,
    sandboxReady: readySandbox(runtime) !== undefined && ips.length > 0,
    now: facts.now,
  });
  const status: PodStatus = {
    phase,
    conditions: [...(facts.resizeConditions ?? []), ...conditions, ...othersConditions(previous.conditions ?? [], conditions)],
    hostIP: facts.hostIps[0],
    hostIPs: facts.hostIps.map((ip) => ({ ip })),
    ...(ips.length > 0 ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
    startTime: previous.startTime ?? timestamp(facts.now),
    qosClass: previous.qosClass ?? qosClass(pod),
    ...(isFinal(phase) ? (facts.failure ?? pick(previous, phase)) : {}),
    ...(initStatuses.length > 0 ? { initContainerStatuses: initStatuses } : {}),
    containerStatuses: appStatuses,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
  return status;
}

const isFinal = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

function pick({ reason, message }: PodStatus, phase: string): Pick<PodStatus, 'reason' | 'message'> {
  return isFinal(phase) && reason ? { reason, message } : {};
}

const RESIZE_CONDITIONS = [RESIZE_PENDING, RESIZE_IN_PROGRESS];

/** Conditions that others set (readiness gates, the scheduler, disruption) stay as they are. */
function othersConditions(previous: readonly PodCondition[], own: readonly PodCondition[]): PodCondition[] {
  return previous.filter(({ type }) => !RESIZE_CONDITIONS.includes(type) && !own.some((mine) => mine.type === type));
}

function podIps(pod: Pod, runtime: PodRuntime, facts: StatusFacts): string[] {
  const sandbox = readySandbox(runtime);
  if (pod.spec?.hostNetwork) return sandbox || pod.status?.podIP ? [...facts.hostIps] : [];
  if (sandbox) return sandbox.ips;
  return (pod.status?.podIPs ?? []).map((entry) => entry.ip);
}

function initializationDone(pod: Pod, runtime: PodRuntime, facts: StatusFacts): boolean {
  const appSeen = appContainers(pod).some((container) => {
    const status = currentContainer(runtime, container.name);
    return status !== undefined && status.sandboxId === runtime.sandboxes[0]?.id;
  });
  if (appSeen) return true;
  return initContainers(pod).every((container) => {
    const status = currentContainer(runtime, container.name);
    if (!status) return false;
    return isSidecar(container)
      ? status.state === 'RUNNING' && facts.started(status.id)
      : status.state === 'EXITED' && status.exitCode === 0;
  });
}

interface ContainerView {
  pod: Pod;
  runtime: PodRuntime;
  facts: StatusFacts;
  fallback: string;
}

function containerStatus(container: Container, { pod, runtime, facts, fallback }: ContainerView): ApiContainerStatus {
  const current = currentContainer(runtime, container.name);
  const waiting = facts.waiting(container.name);
  const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === container.name,
  );
  if (!current) return absentStatus(container, known, { facts, waiting: waiting ?? { reason: fallback } });
  const id = `${facts.runtimeName}://${current.id}`;
  const showWaiting = waiting !== undefined && current.state !== 'RUNNING';
  const state: ContainerState = showWaiting ? { waiting } : stateOf(current, id, facts);
  const before = showWaiting ? current : previousContainer(runtime, container.name);
  const running = current.state === 'RUNNING';
  const last = before && before.state === 'EXITED' ? stateOf(before, `${facts.runtimeName}://${before.id}`, facts) : {};
  return {
    name: container.name,
    state,
    lastState: last.terminated ? last : showWaiting ? {} : known?.restartCount === restartCount(current) ? (known.lastState ?? {}) : {},
    ready: running
      ? facts.ready(current.id)
      : isInit(pod, container) && !isSidecar(container) && current.state === 'EXITED' && current.exitCode === 0,
    restartCount: restartCount(current),
    image: current.image || (container.image ?? ''),
    imageID: current.imageRef,
    containerID: id,
    started: running && facts.started(current.id),
    ...allocated(container),
    resources: (running ? facts.inForce?.(current) : undefined) ?? container.resources ?? {},
    ...mountStatuses(container),
  };
}

function allocated({ resources }: Container): Pick<ApiContainerStatus, 'allocatedResources'> {
  const { requests = {} } = resources ?? {};
  return Object.keys(requests).length > 0 ? { allocatedResources: requests } : {};
}

/** Recursive read-only mounts are not made: each read-only one says so (KEP-3857). */
function mountStatuses({ volumeMounts = [] }: Container): Pick<ApiContainerStatus, 'volumeMounts'> {
  if (volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}

const isInit = (pod: Pod, container: Container): boolean => initContainers(pod).includes(container);

/** A container that the runtime knows nothing of: not started yet, or its record is gone. */
function absentStatus(
  container: Container,
  known: ApiContainerStatus | undefined,
  { facts, waiting }: { facts: StatusFacts; waiting: { reason: string; message?: string } },
): ApiContainerStatus {
  // a container that had ended stays as it was; one that ran and vanished without a record ended in a way nobody saw
  if (known?.state?.terminated) return known;
  if (known?.state?.running && known.containerID) {
    const terminated = {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
    };
    if (facts.terminating) return { ...known, ready: false, started: false, state: { terminated } };
  }
  return {
    name: container.name,
    state: { waiting },
    lastState: known?.lastState ?? {},
    ready: false,
    restartCount: known?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: '',
    started: false,
    ...allocated(container),
    resources: container.resources ?? {},
  };
}

export function restartCount(status: ContainerStatus): number {
  const annotated = Number.parseInt(status.annotations[RESTART_COUNT] ?? '', 10);
  return Number.isNaN(annotated) ? status.attempt : annotated;
}

function stateOf(status: ContainerStatus, containerID: string, facts: StatusFacts): ContainerState {
  switch (status.state) {
    case 'RUNNING':
      return { running: { startedAt: timestamp(status.startedAt) } };
    case 'EXITED': {
      const message = status.message || facts.terminationMessage(status);
      return {
        terminated: {
          exitCode: status.exitCode,
          reason: status.reason || (status.exitCode === 0 ? 'Completed' : 'Error'),
          ...(message ? { message } : {}),
          startedAt: status.startedAt > 0 ? timestamp(status.startedAt) : undefined,
          finishedAt: timestamp(status.finishedAt || facts.now),
          containerID,
        },
      };
    }
    default:
      return { waiting: { reason: 'ContainerCreating' } };
  }
}
