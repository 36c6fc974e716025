/**
 * The resizing of one pod (KEP-1287).
 *
 *     wanted (spec) --there is room--> allocated --runtime told, or container started anew--> in force
 *         \--none--> pending: Deferred or Infeasible      \--until then: in progress
 *
 * What is allocated and in force stands in the pod's status and on its containers; here is what this kubelet knows since it wrote that.
 */
import type { Pod, PodCondition, PodStatus, ResourceRequirements } from '../../api/types.gen.ts';
import { timestamp } from '../../api/time.ts';
import type { EventRecorder } from '../../client/events.ts';
import { podReference } from '../containers/events.ts';
import { resourcesAtStart } from '../containers/labels.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { allocatedTo, type Allocation, sameAllocation, wantedBy, withAllocation } from './allocation.ts';
import { RESIZE_IN_PROGRESS, RESIZE_PENDING } from './conditions.ts';
import { appContainers, initContainers, isSidecar } from './containers-of.ts';
import { currentContainer, type PodRuntime } from './pod-runtime.ts';
import { resizeNeeds, type ResizeRefusal, resizeSummary } from './resize-rules.ts';

interface Pending extends ResizeRefusal {
  generation: number;
}

interface Progress {
  generation: number;
  error?: string;
}

export class PodResizing {
  readonly #events: EventRecorder;
  #allocation: Allocation;
  readonly #updated = new Map<string, ResourceRequirements>();
  #pending: Pending | undefined;
  #progress: Progress | undefined;

  constructor(pod: Pod, events: EventRecorder) {
    this.#events = events;
    this.#allocation = allocatedTo(pod);
  }

  /** It waits for room. */
  get deferred(): boolean {
    return this.#pending?.reason === 'Deferred';
  }

  /** Something was granted that is not known to be in force. */
  get underWay(): boolean {
    return this.#progress !== undefined;
  }

  /** The pod with what it was promised in place of what it wants. */
  allocated(pod: Pod): Pod {
    return withAllocation(pod, this.#allocation);
  }

  /** Decides on what the spec wants; true when something was granted. */
  consider(pod: Pod, refusalOf: (pod: Pod) => ResizeRefusal | undefined): boolean {
    const wanted = wantedBy(pod);
    if (sameAllocation(wanted, this.#allocation)) {
      this.#pending = undefined;
      return false;
    }
    const generation = pod.metadata.generation ?? 0;
    const refusal = refusalOf(pod);
    if (refusal) {
      this.#refuse(pod, { ...refusal, generation });
      return false;
    }
    this.#pending = undefined;
    this.#allocation = wanted;
    this.#progress = { generation };
    this.#events.event(podReference(pod), 'Normal', 'ResizeStarted', `Pod resize started: ${resizeSummary(pod, generation)}`);
    return true;
  }

  #refuse(pod: Pod, pending: Pending): void {
    const { reason, message, generation } = pending;
    const before = this.#pending;
    this.#pending = pending;
    if (before?.reason === reason && before.message === message && before.generation === generation) return;
    this.#events.event(podReference(pod), 'Warning', `Resize${reason}`, `Pod resize ${reason}: ${resizeSummary(pod, generation, message)}`);
  }

  /** What a running container has; `status` is the pod's as it was last reported. Undefined of containers that others have started. */
  inForce(container: ContainerStatus, status: PodStatus | undefined): ResourceRequirements | undefined {
    const { containerStatuses = [], initContainerStatuses = [] } = status ?? {};
    const known = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container.name);
    const reported = known?.containerID?.endsWith(`//${container.id}`) ? known.resources : undefined;
    return this.#updated.get(container.id) ?? reported ?? resourcesAtStart(container);
  }

  /** The runtime has taken new resources on. */
  updated(containerId: string, resources: ResourceRequirements): void {
    this.#updated.set(containerId, resources);
  }

  failed(pod: Pod, error: string): void {
    const before = this.#progress;
    const generation = before?.generation ?? pod.metadata.generation ?? 0;
    this.#progress = { generation, error };
    if (before?.error === undefined)
      this.#events.event(podReference(pod), 'Warning', 'ResizeError', `Pod resize error: ${resizeSummary(pod, generation, error)}`);
  }

  /** Sees whether every running container has what it was promised by now. */
  look(given: Pod, runtime: PodRuntime, status: PodStatus | undefined): void {
    if (!this.#progress) return;
    const pod = this.allocated(given);
    const isInForce = [...appContainers(pod), ...initContainers(pod).filter(isSidecar)].every((container) => {
      const current = currentContainer(runtime, container.name);
      const inForce = current?.state === 'RUNNING' ? this.inForce(current, status) : undefined;
      return !inForce || resizeNeeds(container, inForce) === 'nothing';
    });
    if (!isInForce) return;
    const message = `Pod resize completed: ${resizeSummary(pod, this.#progress.generation)}`;
    this.#progress = undefined;
    this.#events.event(podReference(pod), 'Normal', 'ResizeCompleted', message);
  }

  forgetOthers(containerIds: ReadonlySet<string>): void {
    for (const id of this.#updated.keys()) if (!containerIds.has(id)) this.#updated.delete(id);
  }

  conditions(before: readonly PodCondition[], now: number): PodCondition[] {
    const found: PodCondition[] = [];
    const add = (type: string, generation: number, why: { reason?: string; message?: string }): void => {
      const lastTransitionTime = before.find((condition) => condition.type === type)?.lastTransitionTime ?? timestamp(now);
      found.push({ type, status: 'True', lastTransitionTime, ...why, observedGeneration: generation });
    };
    if (this.#pending) {
      const { generation, reason, message } = this.#pending;
      add(RESIZE_PENDING, generation, { reason, message });
    }
    if (this.#progress) {
      const { generation, error } = this.#progress;
      add(RESIZE_IN_PROGRESS, generation, error === undefined ? {} : { reason: 'Error', message: error });
    }
    return found;
  }
}
