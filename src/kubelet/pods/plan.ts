/**
 * What is to be done for a pod that shall run: the difference between its spec and what the runtime holds. Pure.
 * The order of the whole: sandbox, init containers one after the other (sidecars stay), app containers side by side.
 */
import type { Container, Pod, ResourceRequirements } from '../../api/types.gen.ts';
import { CONTAINER_HASH, containerHash } from '../containers/labels.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { appContainers, ephemeralContainers, initContainers, initRestartsAfter, isSidecar, restartsAfter } from './containers-of.ts';
import { currentContainer, type PodRuntime, readySandbox } from './pod-runtime.ts';
import { resizeNeeds } from './resize-rules.ts';

export interface PodPlan {
  /** Everything of the old sandbox must end first. */
  killSandbox: boolean;
  /** Number of the sandbox to make; undefined when the present one serves or none is needed. */
  createSandbox?: number;
  stop: { container: ContainerStatus; spec?: Container; message: string }[];
  start: Container[];
  /** Running containers that get other resources as they are. */
  resize: PlannedResize[];
  /** All that shall ever run has ended: the sandbox can go, the records stay for the logs. */
  finished: boolean;
}

export interface PlannedResize {
  container: ContainerStatus;
  spec: Container;
  /** What it has until then. */
  inForce: ResourceRequirements;
}

/** What probes have found out; the planner does not probe. */
export interface ProbeFindings {
  /** Why the container must be restarted: `liveness` or `startup` failed. */
  failed(containerId: string): 'liveness' | 'startup' | undefined;
  /** Whether the container has started: its startup probe succeeded, or it has none. */
  started(containerId: string): boolean;
}

export interface PlanFacts extends ProbeFindings {
  /** The resources of a running container; undefined where that is not known, and it is left alone. */
  inForce?(container: ContainerStatus): ResourceRequirements | undefined;
}

const NOTHING: Readonly<Pick<PodPlan, 'killSandbox' | 'finished'>> = { killSandbox: false, finished: false };

/** What to stop and start next. Asked again after every change, so one answer need not lead to the end. */
export function planPod(pod: Pod, runtime: PodRuntime, probes: PlanFacts): PodPlan {
  return readySandbox(runtime) ? planInSandbox(pod, runtime, probes) : planNewSandbox(pod, runtime);
}

function planNewSandbox(pod: Pod, runtime: PodRuntime): PodPlan {
  const [newest] = runtime.sandboxes;
  const again = appContainers(pod).filter((container) => {
    const last = currentContainer(runtime, container.name);
    return !last || last.state !== 'EXITED' || restartsAfter(pod, container, last.exitCode);
  });
  const failedInit = initContainers(pod).some((container) => {
    const last = currentContainer(runtime, container.name);
    return last?.state === 'EXITED' && last.exitCode !== 0 && !isSidecar(container) && !initRestartsAfter(pod, container, last.exitCode);
  });
  if (again.length === 0 || failedInit) return { ...NOTHING, stop: [], start: [], resize: [], finished: true };
  const [firstInit] = initContainers(pod);
  return {
    ...NOTHING,
    killSandbox: newest !== undefined,
    createSandbox: newest ? newest.attempt + 1 : 0,
    stop: [],
    resize: [],
    start: firstInit ? [firstInit] : again,
  };
}

function planInSandbox(pod: Pod, runtime: PodRuntime, probes: PlanFacts): PodPlan {
  const plan: PodPlan = { ...NOTHING, stop: [], start: [], resize: [] };
  const initialized = planInit(pod, runtime, probes, plan);
  for (const container of ephemeralContainers(pod)) if (!currentContainer(runtime, container.name)) plan.start.push(container);
  if (initialized === 'failed') return { ...plan, start: [], finished: true };
  if (initialized === 'waiting') return plan;
  let running = 0;
  for (const container of appContainers(pod)) {
    if (planContainer(pod, container, { runtime, probes, plan })) running++;
  }
  if (running === 0) return { ...plan, start: [], finished: true };
  return plan;
}

interface Planning {
  runtime: PodRuntime;
  probes: PlanFacts;
  plan: PodPlan;
}

/** Adds what an app container needs to the plan; false when it has ended for good. */
function planContainer(pod: Pod, container: Container, { runtime, probes, plan }: Planning): boolean {
  const status = currentContainer(runtime, container.name);
  if (!status || status.state === 'CREATED' || (status.state !== 'EXITED' && !inSandbox(runtime, status))) {
    plan.start.push(container);
    return true;
  }
  if (status.state === 'EXITED') {
    if (!restartsAfter(pod, container, status.exitCode)) return false;
    plan.start.push(container);
    return true;
  }
  const reason =
    status.state === 'UNKNOWN' ? 'is in unknown state, try killing it before restart' : restartReason(container, status, probes);
  if (reason) {
    plan.stop.push({ container: status, spec: container, message: `Container ${container.name} ${reason}` });
    const again = reason.startsWith('definition') || restartsAfter(pod, container, 137);
    if (again) plan.start.push(container);
  } else planResize(container, status, { probes, plan });
  return true;
}

/** True when the container has to start anew for its resources. */
function planResize(container: Container, status: ContainerStatus, { probes, plan }: Pick<Planning, 'probes' | 'plan'>): boolean {
  const inForce = probes.inForce?.(status);
  const needs = inForce ? resizeNeeds(container, inForce) : 'nothing';
  if (needs === 'update') plan.resize.push({ container: status, spec: container, inForce: inForce! });
  if (needs !== 'restart') return false;
  plan.stop.push({ container: status, spec: container, message: `Container ${container.name} resize requires restart` });
  plan.start.push(container);
  return true;
}

function restartReason(container: Container, status: ContainerStatus, probes: ProbeFindings): string | undefined {
  const hash = status.annotations[CONTAINER_HASH];
  if (hash !== undefined && hash !== containerHash(container)) return 'definition changed, will be restarted';
  const failed = probes.failed(status.id);
  return failed && `failed ${failed} probe, will be restarted`;
}

/** Adds the next init container to the plan. `waiting` while one is under way, `failed` when one failed for good. */
function planInit(pod: Pod, runtime: PodRuntime, probes: PlanFacts, plan: PodPlan): 'done' | 'waiting' | 'failed' {
  // once an app container was made in this sandbox, init is over, even if its records are gone
  const past = appContainers(pod).some((container) => {
    const status = currentContainer(runtime, container.name);
    return status !== undefined && inSandbox(runtime, status);
  });
  for (const container of initContainers(pod)) {
    const status = currentContainer(runtime, container.name);
    const here = status !== undefined && inSandbox(runtime, status) ? status : undefined;
    if (isSidecar(container)) {
      const ready = planSidecar(container, here, { runtime, probes, plan });
      if (!ready && !past) return 'waiting';
      continue;
    }
    if (past) continue;
    if (!here || here.state === 'CREATED' || here.state === 'UNKNOWN') {
      plan.start.push(container);
      return 'waiting';
    }
    if (here.state === 'RUNNING') return 'waiting';
    if (here.exitCode === 0) continue;
    if (!initRestartsAfter(pod, container, here.exitCode)) return 'failed';
    plan.start.push(container);
    return 'waiting';
  }
  return 'done';
}

/** Whether the sidecar runs and has started, so that what comes after it may. */
function planSidecar(container: Container, status: ContainerStatus | undefined, { probes, plan }: Planning): boolean {
  if (status?.state !== 'RUNNING') {
    plan.start.push(container);
    return false;
  }
  const reason = restartReason(container, status, probes);
  if (reason) {
    plan.stop.push({ container: status, spec: container, message: `Init container ${container.name} ${reason}` });
    plan.start.push(container);
    return false;
  }
  if (planResize(container, status, { probes, plan })) return false;
  return probes.started(status.id);
}

const inSandbox = (runtime: PodRuntime, container: ContainerStatus): boolean => container.sandboxId === runtime.sandboxes[0]?.id;
