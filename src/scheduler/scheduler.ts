/**
 * The scheduler: takes pods without a node from the queue, finds each a node on the in-memory picture of the cluster, counts it there at once
 * and binds it in the background. Nothing is polled: pods that found no node wait for an event that may help them.
 */
import { StatusError } from '../api/status.ts';
import type { Pod, PodDisruptionBudget } from '../api/types.gen.ts';
import type { ResourceType } from '../client/client.ts';
import type { Informer } from '../client/informer.ts';
import { underLeaderElection } from '../client/leader-election.ts';
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
import { afterFilters } from './after-filters.ts';
import { type Binder, createBinder } from './binder.ts';
import { defaultConfiguration, type SchedulerConfiguration } from './config/configuration.ts';
import { durationMs } from './config/shape.ts';
import { best, type Feasible, findFeasible, type FindResult } from './cycle.ts';
import type { Extender } from './extenders.ts';
import { type FitFailure, failureMessage } from './failure.ts';
import type { BegunPlugin, ClusterEvent, Rejection, Reservation } from './framework.ts';
import { deviceObjects, type DeviceObjects } from './plugins/dynamic-resources/device-objects.ts';
import { volumeObjects, type VolumeObjects } from './plugins/volume-objects.ts';
import type { Profile } from './profile.ts';
import { createProfiles } from './profiles.ts';
import { PromisedRoom } from './promises.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';
import { ClusterState } from './cluster-state.ts';
import type { PodInfo } from './snapshot.ts';
import { watchCluster } from './watch.ts';

export interface SchedulerOptions {
  /** Pods whose spec.schedulerName is this are ours, where no configuration says otherwise. */
  schedulerName?: string;
  /** What a KubeSchedulerConfiguration says (config/configuration.ts); kube-scheduler's defaults unless given. */
  configuration?: SchedulerConfiguration;
  /** Where several schedulers run for one cluster: this one's own name. The configuration's leader election decides who works. */
  identity?: string;
}

const BINDINGS_IN_FLIGHT = 64;
/** How long the loop may keep the thread before other work has its turn, ms. */
const SLICE_MS = 5;

/** A scheduler as a component; several with different names can run side by side. */
export function createScheduler(context: ComponentContext, options: SchedulerOptions = {}): Component {
  const configuration = options.configuration ?? defaultConfiguration(options.schedulerName);
  const { leaderElect, leaseDuration, renewDeadline, retryPeriod, resourceName, resourceNamespace } = configuration.leaderElection;
  if (!options.identity || !leaderElect) return new Scheduler(context, configuration);
  const election = {
    name: resourceName,
    namespace: resourceNamespace,
    identity: options.identity,
    leaseDurationMs: durationMs(leaseDuration)!,
    renewDeadlineMs: durationMs(renewDeadline)!,
    retryPeriodMs: durationMs(retryPeriod)!,
  };
  return underLeaderElection(context, election, () => new Scheduler(context, configuration));
}

class Scheduler implements Component {
  readonly name: string;
  readonly #context: ComponentContext;
  readonly #configuration: SchedulerConfiguration;
  readonly #state = new ClusterState();
  readonly #promises = new PromisedRoom(this.#state);
  readonly #queue: SchedulingQueue;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #volumes: VolumeObjects;
  readonly #devices: DeviceObjects;
  readonly #binder: Binder;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #stopping = new AbortController();
  readonly #assumed = new Map<string, string>();
  readonly #work = new Set<Promise<void>>();
  #extenders: readonly Extender[] = [];
  #stopWatching: (() => void) | undefined;
  #running = false;
  #binding = 0;
  #startAt = 0;

  constructor(context: ComponentContext, configuration: SchedulerConfiguration) {
    this.#context = context;
    this.#configuration = configuration;
    const { client, clock } = context;
    this.#volumes = volumeObjects(client);
    this.#devices = deviceObjects(client);
    this.#profiles = createProfiles(context, configuration, { volumes: this.#volumes, devices: this.#devices });
    this.name = [...this.#profiles.keys()].join(',');
    this.#budgets = client.informer(POD_DISRUPTION_BUDGETS);
    this.#binder = createBinder(context);
    this.#queue = new SchedulingQueue({
      clock,
      helps: (event, pod) => this.#helps(event, pod),
      onReady: () => this.#run(),
      initialBackoffMs: configuration.podInitialBackoffSeconds * 1000,
      maxBackoffMs: configuration.podMaxBackoffSeconds * 1000,
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { client, log } = this.#context;
    const needed: ResourceType[] = [
      NODES,
      NAMESPACES,
      SERVICES,
      REPLICA_SETS,
      STATEFUL_SETS,
      REPLICATION_CONTROLLERS,
      PODS,
    ] as ResourceType[];
    await Promise.all(needed.map((type) => client.informer(type).start()));
    if (this.#configuration.extenders.length > 0) {
      const { createExtender } = await import('./extenders.ts');
      this.#extenders = this.#configuration.extenders.map((each) => createExtender(each, log));
    }
    this.#stopWatching = watchCluster(client, {
      state: this.#state,
      queue: this.#queue,
      promises: this.#promises,
      assumed: this.#assumed,
      profileOf: (pod) => this.#profileOf(pod),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the scheduler is being stopped'));
    this.#stopWatching?.();
    this.#volumes.stop();
    this.#devices.stop();
    this.#queue.close();
    await Promise.all(this.#work);
  }

  #profileOf(pod: Pod): Profile | undefined {
    return this.#profiles.get(pod.spec!.schedulerName ?? '');
  }

  #helps(event: ClusterEvent, { rejectedBy, info }: QueuedPod): boolean {
    // Nobody in particular rejected it: there was no node to ask about.
    if (rejectedBy.size === 0) return true;
    const plugins = this.#profileOf(info.pod)?.plugins ?? [];
    return plugins.some(({ plugin }) => rejectedBy.has(plugin.name) && plugin.wakesOn(event, info));
  }

  /** Works through the ready pods in slices; a call while it is at it changes nothing. */
  #run(): void {
    if (this.#running || this.#stopping.signal.aborted) return;
    this.#running = true;
    setImmediate(() => {
      this.#running = false;
      const { clock } = this.#context;
      const until = clock.monotonic() + SLICE_MS;
      while (this.#binding < BINDINGS_IN_FLIGHT && !this.#stopping.signal.aborted) {
        const next = this.#queue.next();
        if (!next) return;
        const cycle = this.#scheduleOne(next);
        if (cycle) {
          // Extenders are asked: one pod after the other.
          this.#running = true;
          return this.#track(cycle, () => {
            this.#running = false;
            this.#run();
          });
        }
        if (clock.monotonic() > until) return this.#run();
      }
    });
  }

  /** A promise when the cycle is not over at once. */
  #scheduleOne(queued: QueuedPod): Promise<void> | void {
    const { info } = queued;
    const profile = this.#profileOf(info.pod);
    if (!profile) return this.#queue.remove(info.key);
    if (info.claims.length > 0 && !this.#volumes.synced) return this.#once(info.key, this.#volumes);
    if (info.pod.spec!.resourceClaims?.length && !this.#devices.synced) return this.#once(info.key, this.#devices);
    const waiting = profile.plugins.find(({ plugin, points }) => plugin.waitsFor?.(info) && (!points || points.has('preEnqueue')));
    if (waiting) return this.#queue.hold(info.key, new Set([waiting.plugin.name]));
    const found = this.#promises.without(info, () =>
      findFeasible(info, this.#state, {
        plugins: profile.plugins,
        startAt: this.#startAt,
        percentageOfNodes: profile.percentageOfNodes,
        memory: profile.memory,
      }),
    );
    this.#startAt += found.examined;
    const extenders = this.#extenders.filter((extender) => extender.isInterested(info));
    if ('feasible' in found && extenders.length > 0) return this.#withExtenders(queued, found, extenders);
    if ('failure' in found) this.#track(this.#reject(queued, found.failure, found.begun));
    else this.#choose(info, found.feasible);
    return undefined;
  }

  /** Volumes and devices are watched from the first pod that speaks of them; that pod waits for the first list. */
  #once(key: string, objects: VolumeObjects | DeviceObjects): void {
    const wake = (event: ClusterEvent): void => this.#queue.wake(event);
    const done = objects.start(wake).then(
      () => this.#queue.again(key),
      (error: unknown) => {
        this.#queue.error(key);
        throw error;
      },
    );
    this.#track(done);
  }

  #choose(info: PodInfo, { nodes, begun, remembered }: Omit<Feasible, 'rejections'>, extra?: ReadonlyMap<string, number>): void {
    const node = best(nodes, begun, this.#context.rng, { extra, remembered });
    const reservations = begun.map(({ cycle }) => cycle.reserve?.(node)).filter((each) => each !== undefined);
    this.#assumed.set(info.key, node.name);
    this.#promises.release(info.key);
    this.#state.place(info, node.name);
    this.#track(this.#bind(info, node.name, reservations));
  }

  async #withExtenders(
    queued: QueuedPod,
    found: Extract<FindResult, { feasible: unknown }>,
    extenders: readonly Extender[],
  ): Promise<void> {
    const { info } = queued;
    const { signal } = this.#stopping;
    const rejections = new Map<string, Rejection>(found.feasible.rejections);
    const points = new Map<string, number>();
    let { nodes } = found.feasible;
    try {
      for (const extender of extenders) nodes = await extender.filter(info.pod, nodes, rejections, signal);
      if (nodes.length > 1) for (const extender of extenders) await extender.prioritize(info.pod, nodes, points, signal);
    } catch (error) {
      if (!signal.aborted) this.#context.log.warn('a scheduler extender failed', { pod: info.key, error: errorMessage(error) });
      return this.#queue.error(info.key);
    }
    if (nodes.length > 0) return this.#choose(info, { nodes, begun: found.feasible.begun }, points);
    const failure = { total: this.#state.nodes.length, rejections, rejectedBy: new Set<string>() };
    await this.#reject(queued, failure, found.feasible.begun);
  }

  async #bind(info: PodInfo, nodeName: string, reservations: readonly Reservation[]): Promise<void> {
    const { signal } = this.#stopping;
    const { events } = this.#context;
    try {
      for (const { preBind } of reservations) await preBind(signal);
      await this.#write(() => this.#binderFor(info)(info.pod, nodeName, signal));
      this.#queue.done(info.key);
      const { namespace, name } = info.pod.metadata;
      events.event(info.pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${nodeName}`);
    } catch (error) {
      if (signal.aborted) return;
      await this.#giveBack(info, nodeName, reservations, error);
    }
  }

  #binderFor(info: PodInfo): (pod: Pod, nodeName: string, signal: AbortSignal) => Promise<void> {
    return this.#extenders.find((extender) => extender.bind && extender.isInterested(info))?.bind ?? this.#binder.bind;
  }

  /** So many bindings are under way that the server is busy: the loop goes on when one is done. */
  async #write(bind: () => Promise<void>): Promise<void> {
    this.#binding++;
    try {
      await bind();
    } finally {
      if (this.#binding-- === BINDINGS_IN_FLIGHT) this.#run();
    }
  }

  async #giveBack(info: PodInfo, nodeName: string, reservations: readonly Reservation[], error: unknown): Promise<void> {
    const { log, events } = this.#context;
    this.#assumed.delete(info.key);
    const removed = this.#state.remove(info.key);
    for (const { release } of reservations.toReversed()) await release();
    if (StatusError.is(error, 'NotFound')) return this.#queue.remove(info.key);
    log.warn('binding failed', { pod: info.key, node: nodeName, error: errorMessage(error) });
    events.event(info.pod, 'Warning', 'FailedScheduling', `binding rejected: ${errorMessage(error)}`);
    this.#queue.error(info.key);
    if (removed) this.#queue.wake({ resource: 'AssignedPod', action: 'delete', pod: removed });
  }

  async #reject(queued: QueuedPod, failure: FitFailure, begun: readonly BegunPlugin[]): Promise<void> {
    const { info } = queued;
    const { log, events } = this.#context;
    const { plugins, preemption } = this.#profileOf(info.pod)!;
    const surroundings = {
      plugins,
      preemption,
      snapshot: this.#state,
      budgets: this.#budgets,
      extenders: this.#extenders.filter((extender) => extender.isInterested(info)),
      signal: this.#stopping.signal,
    };
    const outcome = await afterFilters(info, failure, begun, surroundings).catch((error: unknown) => {
      log.warn('nothing could be done for an unschedulable pod', { pod: info.key, error: errorMessage(error) });
      return { messages: [] };
    });
    const plan = 'plan' in outcome ? outcome.plan : undefined;
    const message = failureMessage(failure, 'messages' in outcome ? outcome.messages : []);
    if (plan) this.#promises.keep(info, plan.node.name);
    this.#queue.unschedulable(info.key, failure.rejectedBy);
    events.event(info.pod, 'Warning', 'FailedScheduling', message);
    try {
      await this.#binder.markUnschedulable(info.pod, message, plan?.node.name);
      if (plan) await this.#binder.preempt(info.pod, plan);
    } catch (error) {
      if (!StatusError.is(error, 'NotFound'))
        log.warn('a pod could not be marked unschedulable', { pod: info.key, error: errorMessage(error) });
    }
  }

  #track(work: Promise<void>, then?: () => void): void {
    const tracked = work
      .catch((error: unknown) => this.#context.log.error('scheduling failed', { error: errorMessage(error) }))
      .finally(() => {
        this.#work.delete(tracked);
        then?.();
      });
    this.#work.add(tracked);
  }
}
