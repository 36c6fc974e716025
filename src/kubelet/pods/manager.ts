/** The pods of this node: a worker for each, woken by the API, the runtime and the probes; what only the runtime knows is cleaned up. */
import type { Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { pause } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { type Rejection, rejectionOf } from './admission.ts';
import { graceOf, removeFromNode } from './end.ts';
import { qosClass } from './qos.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { type ResizeRefusal, resizeRefusal } from './resize-rules.ts';
import type { PodListing } from './runtime-cache.ts';
import type { PodServices } from './services.ts';
import { createPodWorker, type PodWorker } from './worker.ts';

export interface PodManager {
  /** Begins with the pods that the informer holds (it must be synced). */
  start(): Promise<void>;
  stop(): Promise<void>;
  wake(podUid: string): void;
  /** Something changed that any pod may have waited for. */
  wakeAll(): void;
  /** Calls back whenever the runtime or the API reported something of the pod. Returns how to stop. */
  onActivity(podUid: string, callback: () => void): () => void;
  pods(): Pod[];
  /** Of all pods, as last looked at. */
  runningContainers(): ContainerStatus[];
  /** By namespace and name. */
  find(namespace: string, name: string): Pod | undefined;
}

/** With events from the runtime a list now and then catches what was lost; without, the list is how changes are seen. */
const RELIST_MS = { withEvents: 60_000, busy: 1000, idle: 10_000 };

export function createPodManager(informer: Informer<Pod>, services: PodServices): PodManager {
  return new Manager(informer, services);
}

class Manager implements PodManager {
  readonly #informer: Informer<Pod>;
  readonly #services: PodServices;
  readonly #workers = new Map<string, PodWorker>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #stopped = new AbortController();
  /** What the runtime held of each pod when last listed. */
  #seen = new Map<string, string>();
  #unsubscribe: (() => void) | undefined;
  #loops: Promise<void>[] = [];
  /** Pods that the runtime held when the kubelet began; what comes later and is not among them starts from nothing. */
  #listedAtStart: ReadonlySet<string> | undefined;
  #hasEvents = true;
  #endPause: () => void = () => undefined;

  constructor(informer: Informer<Pod>, services: PodServices) {
    this.#informer = informer;
    this.#services = services;
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#informer.subscribe({
      added: (pod) => this.#update(pod),
      updated: (pod) => this.#update(pod),
      deleted: (pod) => this.#deleted(pod),
    });
    const adopted = await this.#adopted();
    this.#loops = [this.#followEvents(), this.#relist(), ...(adopted ? [] : [this.#adoptLater()])];
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopped.abort(new Error('the kubelet stops'));
    this.#endPause();
    await Promise.all([...this.#loops, ...[...this.#workers.values()].map((worker) => worker.stop())]);
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  wake(podUid: string): void {
    this.#workers.get(podUid)?.wake();
    for (const callback of this.#listeners.get(podUid) ?? []) callback();
  }

  onActivity(podUid: string, callback: () => void): () => void {
    const listeners = this.#listeners.get(podUid) ?? new Set();
    this.#listeners.set(podUid, listeners.add(callback));
    return () => {
      listeners.delete(callback);
      if (listeners.size === 0) this.#listeners.delete(podUid);
    };
  }

  pods(): Pod[] {
    return [...this.#workers.values()].map((worker) => worker.pod);
  }

  runningContainers(): ContainerStatus[] {
    return [...this.#workers.values()].flatMap((worker) => worker.runtime.containers.filter((container) => container.state === 'RUNNING'));
  }

  find(namespace: string, name: string): Pod | undefined {
    return (
      this.#informer.get(`${namespace}/${name}`) ??
      this.pods().find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
    );
  }

  #deleted(pod: Pod): void {
    this.#workers.get(pod.metadata.uid!)?.update(pod, true);
    this.wake(pod.metadata.uid!);
  }

  #update(pod: Pod): void {
    const uid = pod.metadata.uid!;
    const known = this.#workers.get(uid);
    if (known) return known.update(pod);
    if (!this.#hasEvents) this.#endPause();
    const fresh = this.#listedAtStart !== undefined && !this.#listedAtStart.has(uid);
    const onGone = (): void => {
      this.#workers.delete(uid);
      this.#seen.delete(uid);
      this.#retryResizes();
    };
    const rejection = this.#rejectionOf(pod);
    const worker = createPodWorker(pod, this.#services, {
      fresh,
      onGone,
      onRoom: () => this.#retryResizes(),
      resizeRefusal: (resized) => this.#resizeRefusal(resized),
      ...(rejection ? { rejection } : {}),
    });
    this.#workers.set(uid, worker);
    worker.wake();
  }

  /** Pods that a kubelet has taken on already are not looked at again. */
  #rejectionOf(pod: Pod): Rejection | undefined {
    if (pod.status?.startTime || pod.metadata.deletionTimestamp) return undefined;
    return rejectionOf(pod, this.#admittedBeside(pod), this.#services.node.allocatable);
  }

  #resizeRefusal(pod: Pod): ResizeRefusal | undefined {
    return resizeRefusal(pod, this.#admittedBeside(pod), this.#services.node.allocatable);
  }

  #admittedBeside({ metadata }: Pod): Pod[] {
    return [...this.#workers.values()].filter(({ active, uid }) => active && uid !== metadata.uid).map(({ allocated }) => allocated);
  }

  /** Those that wait go by priority, then by quality of service, as upstream. */
  #retryResizes(): void {
    const waiting = [...this.#workers.values()].filter(({ deferred }) => deferred);
    for (const worker of waiting.toSorted((a, b) => resizeRank(b.pod) - resizeRank(a.pod))) worker.retryResize();
  }

  /** Once the runtime answers. */
  async #adoptLater(): Promise<void> {
    const { clock } = this.#services;
    const { signal } = this.#stopped;
    do {
      await pause(clock, RELIST_MS.busy, signal);
    } while (!signal.aborted && !(await this.#adopted()));
  }

  /** False when the runtime does not answer. */
  async #adopted(): Promise<boolean> {
    try {
      await this.#removeOrphans();
      return true;
    } catch (error) {
      this.#services.log.warn('the runtime could not be listed', { error: errorMessage(error) });
      return false;
    }
  }

  /** Pods that were deleted from the API while no kubelet ran. */
  async #removeOrphans(): Promise<void> {
    const { cache, log } = this.#services;
    const listings = await cache.all();
    this.#listedAtStart = new Set(listings.keys());
    for (const [uid, listing] of listings) {
      const sandbox = listing.sandboxes[0];
      if (this.#workers.has(uid) || !sandbox) continue;
      log.info('removing a pod that the API does not know', { pod: `${sandbox.namespace}/${sandbox.name}`, uid });
      this.#removeOrphan(sandbox).catch((error: unknown) =>
        log.warn('orphaned pod could not be removed', { uid, error: errorMessage(error) }),
      );
    }
  }

  async #removeOrphan({ name, namespace, uid }: { name: string; namespace: string; uid: string }): Promise<void> {
    const pod: Pod = { metadata: { name, namespace, uid }, spec: { containers: [] } };
    const signal = this.#stopped.signal;
    const running = (await this.#services.cache.pod(uid)).containers.filter((container) => container.state === 'RUNNING');
    await Promise.all(running.map((container) => this.#services.runtime.stopContainer(container.id, graceOf(pod, true), signal)));
    await removeFromNode(pod, this.#services, signal);
  }

  async #followEvents(): Promise<void> {
    const { runtime, log } = this.#services;
    const { signal } = this.#stopped;
    try {
      for await (const { podUid } of runtime.events(signal)) this.wake(podUid);
    } catch (error) {
      if (!signal.aborted) log.warn('runtime events ended', { error: errorMessage(error) });
    }
    this.#hasEvents = false;
    this.#endPause();
  }

  async #relist(): Promise<void> {
    const { cache, log } = this.#services;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#pause(this.#interval());
        if (this.#workers.size > 0) this.#compare(await cache.all());
      } catch (error) {
        if (!signal.aborted) log.warn('the runtime could not be listed', { error: errorMessage(error) });
      }
    }
  }

  /** Ends early when something begins to move that no event will tell of. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#services.clock.timer(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #interval(): number {
    if (this.#hasEvents) return RELIST_MS.withEvents;
    return [...this.#workers.values()].some((worker) => worker.busy) ? RELIST_MS.busy : RELIST_MS.idle;
  }

  #compare(listings: ReadonlyMap<string, PodListing>): void {
    const seen = new Map<string, string>();
    for (const [uid, { sandboxes, containers }] of listings) {
      seen.set(
        uid,
        [...sandboxes, ...containers]
          .map(({ id, state }) => `${id}=${state}`)
          .toSorted()
          .join(),
      );
    }
    for (const uid of this.#workers.keys()) if (seen.get(uid) !== this.#seen.get(uid)) this.wake(uid);
    this.#seen = seen;
  }
}

const QOS_RANK = { Guaranteed: 0.2, Burstable: 0.1, BestEffort: 0 };

const resizeRank = (pod: Pod): number => (pod.spec?.priority ?? 0) + QOS_RANK[qosClass(pod)];
