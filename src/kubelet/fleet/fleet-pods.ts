/**
 * The pods of a fleet.
 *
 *     bound --one status patch--> Running --its course ends--> Succeeded | Failed | waiting, then Running again (restartPolicy)
 *        \------------------------deleted: its object is removed at once-----------/
 */
import { StatusError } from '../../api/status.ts';
import { keyOf } from '../../api/meta.ts';
import type { Pod } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { type Course, courseOf } from './course.ts';
import { nodeAddress, podNetwork } from './fleet-node.ts';
import { type ContainerProgress, fleetPodStatus, type PodProgress } from './pod-status.ts';

/** Writes under way at a time. */
const CONCURRENCY = 64;
/** The kubelet's. */
const RESTART = { baseMs: 10_000, maxMs: 300_000 };
const FIRST_POD_ADDRESS = 2;
const POD_ADDRESSES = 253;

type FleetContext = Omit<ComponentContext, 'events'>;

/** Only of pods that have something to end: the others need no memory here. */
interface Tracked {
  uid: string;
  progress: PodProgress;
  containers: Map<string, ContainerProgress>;
}

export class FleetPods {
  readonly #context: FleetContext;
  /** Index of each node by its name. */
  readonly #nodes: ReadonlyMap<string, number>;
  readonly #loop: Component;
  readonly #tracked = new Map<string, Tracked>();
  /** The last address given on each node. */
  readonly #addresses: Uint8Array;

  constructor(context: FleetContext, nodes: ReadonlyMap<string, number>) {
    this.#context = context;
    this.#nodes = nodes;
    this.#addresses = new Uint8Array(nodes.size);
    this.#loop = runReconciler(
      { ...context, events: { event: () => undefined } },
      { name: 'fleet-pods', concurrency: CONCURRENCY, setup: (queue) => this.#watch(queue), reconcile: (key) => this.#reconcile(key) },
    );
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#loop.start(signal);
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  #watch({ add }: { add(key: string): void }): void {
    const note = (pod: Pod): void => {
      if (this.#nodes.has(pod.spec?.nodeName ?? '') && (needsStart(pod) || isBehind(pod) || pod.metadata.deletionTimestamp))
        add(keyOf(pod));
    };
    this.#context.client
      .informer(PODS, BOUND)
      .subscribe({ added: note, updated: note, deleted: (pod) => void this.#tracked.delete(keyOf(pod)) });
  }

  async #reconcile(key: string): Promise<{ afterMs: number } | undefined> {
    const pod = this.#context.client.informer(PODS, BOUND).get(key);
    if (!pod) return undefined;
    if (pod.metadata.deletionTimestamp) return this.#remove(pod);
    const known = this.#tracked.get(key);
    const tracked = known && known.uid === pod.metadata.uid ? known : this.#begin(key, pod);
    if (!tracked) return undefined;
    const changed = this.#advance(pod, tracked) || needsStart(pod) || isBehind(pod);
    if (changed) await this.#write(pod, tracked.progress);
    return this.#next(key, pod, tracked);
  }

  /** Nothing of it runs: there is nothing to wait for. */
  async #remove(pod: Pod): Promise<undefined> {
    const { name, namespace, uid } = pod.metadata;
    this.#tracked.delete(keyOf(pod));
    try {
      await this.#context.client.resource(PODS, namespace).delete(name!, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound') && !StatusError.is(error, 'Conflict')) throw error;
    }
  }

  /** Undefined for a pod that is done already. */
  #begin(key: string, pod: Pod): Tracked | undefined {
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined;
    const now = this.#context.clock.now();
    const startedAt = pod.status?.startTime ? Date.parse(pod.status.startTime) : now;
    const containers = new Map(
      pod.spec!.containers.map((container): [string, ContainerProgress] => [container.name, this.#resumed(pod, container.name, now)]),
    );
    const index = this.#nodes.get(pod.spec!.nodeName!)!;
    const hostIp = nodeAddress(index);
    const podIp = pod.spec!.hostNetwork ? hostIp : (pod.status?.podIP ?? this.#address(index));
    const tracked = { uid: pod.metadata.uid!, containers, progress: { startedAt, podIp, hostIp, containers } };
    this.#tracked.set(key, tracked);
    return tracked;
  }

  /** Where the last run of this process left it. */
  #resumed(pod: Pod, name: string, now: number): ContainerProgress {
    const status = pod.status?.containerStatuses?.find((one) => one.name === name);
    const started = status?.state?.running?.startedAt;
    const { exitCode = 0, finishedAt } = status?.state?.terminated ?? status?.lastState?.terminated ?? {};
    const state = status?.state?.terminated ? 'ended' : 'running';
    return {
      state,
      startedAt: started ? Date.parse(started) : now,
      finishedAt: finishedAt ? Date.parse(finishedAt) : 0,
      exitCode,
      restarts: status?.restartCount ?? 0,
    };
  }

  #address(index: number): string {
    this.#addresses[index] = (this.#addresses[index]! + 1) % POD_ADDRESSES;
    return `${podNetwork(index)}.${FIRST_POD_ADDRESS + this.#addresses[index] - 1}`;
  }

  /** Moves every container on to where it should be now. */
  #advance(pod: Pod, { containers }: Tracked): boolean {
    const now = this.#context.clock.now();
    let changed = false;
    for (const container of pod.spec!.containers) {
      const progress = containers.get(container.name)!;
      const due = dueAt(progress, courseOf(container));
      if (due === undefined || due > now) continue;
      changed = true;
      if (progress.state === 'running') end(pod, progress, courseOf(container), now);
      else Object.assign(progress, { state: 'running', startedAt: now, restarts: progress.restarts + 1 });
    }
    return changed;
  }

  #next(key: string, pod: Pod, { containers }: Tracked): { afterMs: number } | undefined {
    const dues = pod.spec!.containers.flatMap((container) => dueAt(containers.get(container.name)!, courseOf(container)) ?? []);
    if (dues.length > 0) return { afterMs: Math.max(Math.min(...dues) - this.#context.clock.now(), 1) };
    this.#tracked.delete(key);
    return undefined;
  }

  async #write(pod: Pod, progress: PodProgress): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    try {
      await this.#context.client
        .resource(PODS, namespace)
        .patch(name!, 'merge', { metadata: { uid }, status: fleetPodStatus(pod, progress) }, 'status');
    } catch (error) {
      // Gone, or another one by now: the watch tells.
      if (!StatusError.is(error, 'NotFound') && !StatusError.is(error, 'Conflict')) throw error;
    }
  }
}

/** Pods that have a node. */
const BOUND = { fieldSelector: 'spec.nodeName!=' };

/** Its spec changed since its status was written (a resize). */
function isBehind({ metadata, status }: Pod): boolean {
  return status?.observedGeneration !== undefined && status.observedGeneration !== metadata.generation;
}

function needsStart({ status }: Pod): boolean {
  return status?.phase === undefined || status.phase === 'Pending' || (status.phase === 'Running' && status.podIP === undefined);
}

/** When something happens to it next; undefined for never. */
function dueAt(progress: ContainerProgress, course: Course): number | undefined {
  if (progress.state === 'running') return course.endsAfterMs === undefined ? undefined : progress.startedAt + course.endsAfterMs;
  return progress.state === 'waiting' ? progress.finishedAt + backoffDelay(progress.restarts, RESTART) : undefined;
}

function end(pod: Pod, progress: ContainerProgress, { exitCode }: Course, now: number): void {
  const policy = pod.spec!.restartPolicy ?? 'Always';
  const again = policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
  Object.assign(progress, { state: again ? 'waiting' : 'ended', finishedAt: now, exitCode });
}
