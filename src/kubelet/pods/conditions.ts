import type { ContainerStatus, Pod, PodCondition } from '../../api/types.gen.ts';
import { initContainers, isSidecar } from './containers-of.ts';
import { timestamp } from '../../api/time.ts';

export interface ConditionFacts {
  phase: string;
  initDone: boolean;
  initStatuses: readonly ContainerStatus[];
  appStatuses: readonly ContainerStatus[];
  sandboxReady: boolean;
  now: number;
}

/** Only there while a resize waits or is under way (KEP-1287). */
export const RESIZE_PENDING = 'PodResizePending';
export const RESIZE_IN_PROGRESS = 'PodResizeInProgress';

interface Finding {
  status: boolean;
  reason?: string;
  message?: string;
}

/** The kubelet's own conditions, in upstream's order and words. The time of the last transition is kept while the status is the same. */
export function podConditions(pod: Pod, facts: ConditionFacts): PodCondition[] {
  const containersReady = containersReadyFinding(pod, facts);
  const findings: [string, Finding][] = [
    ['PodReadyToStartContainers', { status: facts.sandboxReady }],
    ['Initialized', initializedFinding(pod, facts)],
    ['Ready', readyFinding(pod, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', { status: true }],
  ];
  return findings.map(([type, finding]) => condition(pod, type, finding, facts.now));
}

function condition(pod: Pod, type: string, { status, reason, message }: Finding, now: number): PodCondition {
  const before = pod.status?.conditions?.find((other) => other.type === type);
  const word = status ? 'True' : 'False';
  return {
    type,
    status: word,
    lastTransitionTime: before?.status === word && before.lastTransitionTime ? before.lastTransitionTime : timestamp(now),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function initializedFinding(pod: Pod, { phase, initDone, initStatuses }: ConditionFacts): Finding {
  if (initContainers(pod).length === 0) return phase === 'Succeeded' ? { status: true, reason: 'PodCompleted' } : { status: true };
  if (phase === 'Succeeded') return { status: true, reason: 'PodCompleted' };
  if (initDone) return { status: true };
  const incomplete = initStatuses.filter((status) => !status.ready).map((status) => status.name);
  return { status: false, reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${incomplete.join(' ')}]` };
}

function containersReadyFinding(pod: Pod, { phase, appStatuses, initStatuses }: ConditionFacts): Finding {
  if (phase === 'Succeeded') return { status: false, reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: false, reason: 'PodFailed' };
  const sidecars = initContainers(pod)
    .filter(isSidecar)
    .map((container) => initStatuses.find((status) => status.name === container.name))
    .filter((status): status is ContainerStatus => status !== undefined && !status.ready);
  const unready = [...sidecars, ...appStatuses.filter((status) => !status.ready)].map((status) => status.name);
  if (unready.length === 0) return { status: true };
  return { status: false, reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
}

function readyFinding(pod: Pod, containersReady: Finding): Finding {
  if (!containersReady.status) return containersReady;
  const conditions = pod.status?.conditions ?? [];
  const missing: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const gate = conditions.find((other) => other.type === conditionType);
    if (!gate) missing.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (gate.status !== 'True') missing.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`);
  }
  return missing.length > 0 ? { status: false, reason: 'ReadinessGatesNotReady', message: missing.join(', ') } : { status: true };
}
