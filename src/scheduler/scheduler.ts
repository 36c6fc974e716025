/**
 * The scheduler: takes pods without a node from the queue, finds each a node on the in-memory picture of the cluster, counts it there at once
 * and binds it in the background. Nothing is polled: pods that found no node wait for an event that may help them.
 */
import { keyOf } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import type { Node, Pod, PodDisruptionBudget } from '../api/types.gen.ts';
import type { ResourceType } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import {
  NAMESPACES,
  NODES,
  PODS,
  POD_DISRUPTION_BUDGETS,
  REPLICATION_CONTROLLERS,
  REPLICA_SETS,
  SERVICES,
  STATEFUL_SETS,
} from '../client/resources.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import { type FitFailure, failureMessage, schedule } from './cycle.ts';
import type { ClusterEvent, WeightedPlugin } from './framework.ts';
import { type VolumeInformers, claimKeys, volumeBinding, volumeInformers } from './plugins/volume-binding.ts';
import { type PreemptionPlan, planPreemption } from './preemption.ts';
import { defaultProfile } from './profile.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';
import { ClusterState, type NodeInfo, type PodInfo, podInfo } from './snapshot.ts';
import { isGated, isTerminal, workloadSelector } from './workloads.ts';
import { type Binder, createBinder } from './binder.ts';

export interface SchedulerOptions {
  /** Pods whose spec.schedulerName is this are ours. */
  schedulerName?: string;
}

const BINDINGS_IN_FLIGHT = 64;
/** How long the loop may keep the thread before other work has its turn, ms. */
const SLICE_MS = 5;

/** A scheduler as a component; several with different names can run side by side. */
export function createScheduler(context: ComponentContext, options: SchedulerOptions = {}): Component {
  return new Scheduler(context, options.schedulerName ?? 'default-scheduler');
}

class Scheduler implements Component {
  readonly name: string;
  readonly #context: ComponentContext;
  readonly #state = new ClusterState();
  readonly #queue: SchedulingQueue;
  readonly #plugins: readonly WeightedPlugin[];
  readonly #volumes: VolumeInformers;
  readonly #binder: Binder;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #stopping = new AbortController();
  /** Pods that were given a node and whose binding the cache does not show yet. */
  readonly #assumed = new Map<string, string>();
  /** Room kept for pods that others were removed for, by the pod's key. */
  readonly #promised = new Map<string, { room: PodInfo; nodeName: string; priority: number }>();
  readonly #unsubscribe: (() => void)[] = [];
  #inFlight = new Set<Promise<void>>();
  #running = false;
  #startAt = 0;

  constructor(context: ComponentContext, name: string) {
    this.name = name;
    this.#context = context;
    const { client, clock } = context;
    this.#volumes = volumeInformers(client);
    const volumes = volumeBinding(this.#volumes);
    const namespaces = client.informer(NAMESPACES);
    this.#plugins = defaultProfile({
      namespaceLabels: (namespace) => namespaces.get(namespace)?.metadata.labels,
      workloadSelector: workloadSelector({
        services: client.informer(SERVICES),
        replicaSets: client.informer(REPLICA_SETS),
        statefulSets: client.informer(STATEFUL_SETS),
        replicationControllers: client.informer(REPLICATION_CONTROLLERS),
      }),
      volumes,
    });
    this.#budgets = client.informer(POD_DISRUPTION_BUDGETS);
    this.#binder = createBinder(context, name, volumes);
    this.#queue = new SchedulingQueue({ clock, helps: (event, pod) => this.#helps(event, pod), onReady: () => this.#run() });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { client } = this.#context;
    const needed: ResourceType[] = [NODES, NAMESPACES, SERVICES, REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS] as ResourceType[];
    await Promise.all(needed.map((type) => client.informer(type).start()));
    const pods = client.informer(PODS);
    await pods.start();
    this.#unsubscribe.push(
      client.informer(NODES).subscribe({
        added: (node) => this.#nodeChanged(node, 'add'),
        updated: (node, previous) =>
          node.metadata.resourceVersion !== previous.metadata.resourceVersion && this.#nodeUpdated(node, previous),
        deleted: (node) => this.#state.removeNode(node.metadata.name!),
      }),
      pods.subscribe({
        added: (pod) => this.#podChanged(pod),
        updated: (pod, previous) => this.#podChanged(pod, previous),
        deleted: (pod) => this.#podGone(pod),
      }),
      client.informer(SERVICES).subscribe({ added: () => this.#queue.wake({ resource: 'Service', action: 'add' }) }),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the scheduler is being stopped'));
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#queue.close();
    await Promise.all(this.#inFlight);
  }

  #helps(event: ClusterEvent, { rejectedBy, info }: QueuedPod): boolean {
    // Nobody in particular rejected it: there was no node to ask about.
    if (rejectedBy.size === 0) return true;
    return this.#plugins.some(({ plugin }) => rejectedBy.has(plugin.name) && plugin.wakesOn(event, info));
  }

  #nodeChanged(node: Node, action: ClusterEvent['action']): void {
    this.#queue.wake({ resource: 'Node', action, node: this.#state.setNode(node) });
  }

  /** Heartbeats change nothing that a plugin reads; they must not wake anybody. */
  #nodeUpdated(node: Node, previous: Node): void {
    const matters = (each: Node): string => JSON.stringify([each.spec, each.metadata.labels, each.status?.allocatable]);
    if (matters(node) === matters(previous)) this.#state.setNode(node);
    else this.#nodeChanged(node, 'update');
  }

  #podChanged(pod: Pod, previous?: Pod): void {
    const key = keyOf(pod);
    if (isTerminal(pod)) return this.#podGone(pod);
    if (pod.spec!.nodeName) {
      this.#assumed.delete(key);
      this.#breakPromise(key);
      this.#queue.remove(key);
      // What a pod takes does not change with its status: the picture is renewed only where it can have.
      if (
        previous?.spec!.nodeName &&
        previous.metadata.generation === pod.metadata.generation &&
        previous.metadata.labels === pod.metadata.labels
      ) {
        if (Boolean(previous.metadata.deletionTimestamp) === Boolean(pod.metadata.deletionTimestamp)) return;
      }
      const info = podInfo(pod);
      this.#state.place(info, pod.spec!.nodeName);
      this.#queue.wake({ resource: 'AssignedPod', action: previous?.spec!.nodeName ? 'update' : 'add', pod: info });
      return;
    }
    if (pod.spec!.schedulerName !== this.name || this.#assumed.has(key)) return;
    if (pod.metadata.deletionTimestamp || isGated(pod)) return this.#queue.remove(key);
    const mayHelp =
      previous !== undefined &&
      (previous.metadata.generation !== pod.metadata.generation ||
        JSON.stringify(previous.metadata.labels) !== JSON.stringify(pod.metadata.labels));
    this.#queue.update(podInfo(pod), mayHelp);
  }

  #podGone(pod: Pod): void {
    const key = keyOf(pod);
    this.#queue.remove(key);
    this.#assumed.delete(key);
    this.#breakPromise(key);
    const removed = this.#state.remove(key);
    if (removed) this.#queue.wake({ resource: 'AssignedPod', action: 'delete', pod: removed });
  }

  /** Works through the ready pods in slices; a call while it is at it changes nothing. */
  #run(): void {
    if (this.#running || this.#stopping.signal.aborted) return;
    this.#running = true;
    setImmediate(() => {
      this.#running = false;
      const { clock } = this.#context;
      const until = clock.monotonic() + SLICE_MS;
      while (this.#inFlight.size < BINDINGS_IN_FLIGHT) {
        const next = this.#queue.next();
        if (!next) return;
        this.#scheduleOne(next);
        if (clock.monotonic() > until) return this.#run();
      }
    });
  }

  #scheduleOne(queued: QueuedPod): void {
    const { info } = queued;
    if (claimKeys(info.pod).length > 0 && !this.#volumes.synced) return this.#afterVolumes(info.key);
    const lifted = this.#liftPromises(info);
    const result = schedule(info, this.#state, { plugins: this.#plugins, rng: this.#context.rng, startAt: this.#startAt });
    for (const { room, nodeName } of lifted) this.#state.place(room, nodeName);
    this.#startAt += result.examined;
    if ('node' in result) this.#assume(info, result.node);
    else this.#track(this.#reject(queued, result.failure));
  }

  /** Claims are watched from the first pod that has one; that pod waits for the first list. */
  #afterVolumes(key: string): void {
    const { resource, action } = { resource: 'PersistentVolumeClaim', action: 'update' } as const;
    const wake = (): void => this.#queue.wake({ resource, action });
    this.#track(
      this.#volumes.start().then(() => {
        this.#unsubscribe.push(
          this.#volumes.claims.subscribe({ added: wake, updated: wake }),
          this.#volumes.volumes.subscribe({ added: () => this.#queue.wake({ resource: 'PersistentVolume', action: 'add' }) }),
        );
        this.#queue.error(key);
      }),
    );
  }

  #assume(info: PodInfo, node: NodeInfo): void {
    this.#assumed.set(info.key, node.name);
    this.#breakPromise(info.key);
    this.#state.place(info, node.name);
    this.#track(this.#bind(info, node.name));
  }

  async #bind(info: PodInfo, nodeName: string): Promise<void> {
    try {
      await this.#binder.bind(info.pod, nodeName, this.#stopping.signal);
      this.#queue.done(info.key);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#assumed.delete(info.key);
      const removed = this.#state.remove(info.key);
      if (StatusError.is(error, 'NotFound')) return this.#queue.remove(info.key);
      this.#context.log.warn('binding failed', { pod: info.key, node: nodeName, error: errorMessage(error) });
      this.#context.events.event(info.pod, 'Warning', 'FailedScheduling', `binding rejected: ${errorMessage(error)}`);
      this.#queue.error(info.key);
      if (removed) this.#queue.wake({ resource: 'AssignedPod', action: 'delete', pod: removed });
    }
  }

  async #reject(queued: QueuedPod, failure: FitFailure): Promise<void> {
    const { info } = queued;
    await this.#budgets.start();
    const preemption = planPreemption(info, failure, this.#state, { plugins: this.#plugins, budgets: this.#budgets.list() });
    const plan = 'plan' in preemption ? preemption.plan : undefined;
    const message = failureMessage(failure, 'message' in preemption ? preemption.message : undefined);
    if (plan) this.#promise(info, plan);
    this.#queue.unschedulable(info.key, failure.rejectedBy);
    this.#context.events.event(info.pod, 'Warning', 'FailedScheduling', message);
    try {
      await this.#binder.markUnschedulable(info.pod, message, plan?.node.name);
      if (plan) await this.#binder.preempt(info.pod, plan);
    } catch (error) {
      if (!StatusError.is(error, 'NotFound'))
        this.#context.log.warn('a pod could not be marked unschedulable', { pod: info.key, error: errorMessage(error) });
    }
  }

  /** Keeps the room that victims leave for the pod that they leave for. */
  #promise(info: PodInfo, { node }: PreemptionPlan): void {
    this.#breakPromise(info.key);
    const room: PodInfo = { ...info, key: `promised:${info.key}` };
    this.#promised.set(info.key, { room, nodeName: node.name, priority: info.priority });
    this.#state.place(room, node.name);
  }

  #breakPromise(key: string): void {
    const promised = this.#promised.get(key);
    if (!promised) return;
    this.#promised.delete(key);
    this.#state.remove(promised.room.key);
  }

  /** A pod does not stand in its own way, and promises to less important pods do not bind it. */
  #liftPromises(info: PodInfo): { room: PodInfo; nodeName: string }[] {
    const lifted = [...this.#promised]
      .filter(([key, { priority }]) => key === info.key || priority < info.priority)
      .map(([, promised]) => promised);
    for (const { room } of lifted) this.#state.remove(room.key);
    return lifted;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#context.log.error('scheduling failed', { error: errorMessage(error) }))
      .finally(() => {
        const wasFull = this.#inFlight.size >= BINDINGS_IN_FLIGHT;
        this.#inFlight.delete(tracked);
        if (wasFull) this.#run();
      });
    this.#inFlight.add(tracked);
  }
}
