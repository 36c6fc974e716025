/**
 * Pods that wait for a node.
 *
 *     add ──> active ──next()──> in flight ──unschedulable()──> unschedulable ──event that may help──> backoff ──due──> active
 *                                    └──error()──> backoff
 *
 * Active pods are taken by priority, then by age. An event that comes while a pod is in flight and could help it sends the pod to
 * backoff instead of to the unschedulable ones, so that no wake-up is lost.
 */
import type { Clock } from '../lib/clock.ts';
import type { Pod } from '../api/types.gen.ts';
import type { ClusterEvent } from './framework.ts';
import type { PodInfo } from './snapshot.ts';

export interface QueuedPod {
  info: PodInfo;
  /** When it was first queued: the order among equals. */
  since: number;
  attempts: number;
  /** When the last attempt began, ms of the clock. */
  attemptedAt: number;
  /** Plugins that rejected it in its last attempt. */
  rejectedBy: ReadonlySet<string>;
}

export interface QueueOptions {
  clock: Clock;
  /** Whether the event may help a pod that these plugins rejected. */
  helps(event: ClusterEvent, pod: QueuedPod): boolean;
  /** There is something to take. */
  onReady(): void;
  initialBackoffMs?: number;
  maxBackoffMs?: number;
  /** Unschedulable pods are tried again after this long whatever happened. */
  maxWaitMs?: number;
}

/** The states of the drawing above. What happens while a pod is in flight is noted and looked at when it comes back. */
export class SchedulingQueue {
  readonly #options: Required<QueueOptions>;
  readonly #active = new Heap<QueuedPod>((a, b) => b.info.priority - a.info.priority || a.since - b.since);
  readonly #backoff = new Map<string, { pod: QueuedPod; cancel: () => void }>();
  readonly #unschedulable = new Map<string, QueuedPod>();
  readonly #inFlight = new Map<string, { pod: QueuedPod; events: ClusterEvent[] }>();
  /** The latest entry of each pod that waits anywhere; a heap entry that is not it is stale. */
  readonly #known = new Map<string, QueuedPod>();
  #cancelSweep: (() => void) | undefined;
  #order = 0;

  constructor(options: QueueOptions) {
    this.#options = { initialBackoffMs: 1_000, maxBackoffMs: 10_000, maxWaitMs: 300_000, ...options };
  }

  /** A pod without a node appeared. */
  add(info: PodInfo): void {
    this.#activate({ info, since: this.#order++, attempts: 0, attemptedAt: 0, rejectedBy: new Set() });
  }

  /** The pod changed and still has no node: a change of its spec or labels may be what it was waiting for. */
  update(info: PodInfo, mayHelp: boolean): void {
    const flying = this.#inFlight.get(info.key);
    if (flying) {
      flying.pod = { ...flying.pod, info };
      if (mayHelp) flying.events.push({ resource: 'UnscheduledPod', action: 'update', pod: info });
      return;
    }
    const known = this.#known.get(info.key);
    if (!known) return this.add(info);
    const updated = { ...known, info };
    const waiting = this.#backoff.get(info.key);
    if (waiting) {
      waiting.pod = updated;
      this.#known.set(info.key, updated);
    } else if (this.#unschedulable.has(info.key) && !mayHelp) {
      this.#unschedulable.set(info.key, updated);
      this.#known.set(info.key, updated);
    } else {
      this.#unschedulable.delete(info.key);
      this.#activate(updated);
    }
  }

  /** The pod is gone, or has a node. */
  remove(key: string): void {
    this.#known.delete(key);
    this.#unschedulable.delete(key);
    this.#inFlight.delete(key);
    this.#backoff.get(key)?.cancel();
    this.#backoff.delete(key);
  }

  /** The next pod to schedule, now in flight; undefined when none is ready. */
  next(): QueuedPod | undefined {
    for (;;) {
      const pod = this.#active.pop();
      if (!pod) return undefined;
      if (this.#known.get(pod.info.key) !== pod) continue;
      this.#known.delete(pod.info.key);
      const taken = { ...pod, attempts: pod.attempts + 1, attemptedAt: this.#options.clock.monotonic() };
      this.#inFlight.set(pod.info.key, { pod: taken, events: [] });
      return taken;
    }
  }

  /** The pod in flight was bound (or need not be any more). */
  done(key: string): void {
    this.#inFlight.delete(key);
  }

  /** No node would take the pod in flight. */
  unschedulable(key: string, rejectedBy: ReadonlySet<string>): void {
    const flying = this.#inFlight.get(key);
    if (!flying) return;
    this.#inFlight.delete(key);
    const pod = { ...flying.pod, rejectedBy };
    if (flying.events.some((event) => this.#options.helps(event, pod))) return this.#backOff(pod);
    this.#unschedulable.set(key, pod);
    this.#known.set(key, pod);
    this.#scheduleSweep();
  }

  /** The pod in flight cannot be tried yet: it waits for an event that one of the plugins says may help, and the attempt does not count. */
  hold(key: string, plugins: ReadonlySet<string>): void {
    const flying = this.#inFlight.get(key);
    if (!flying) return;
    flying.pod = { ...flying.pod, attempts: flying.pod.attempts - 1, attemptedAt: -Infinity };
    this.unschedulable(key, plugins);
  }

  /** The pod in flight is to be tried again at once. */
  again(key: string): void {
    const flying = this.#inFlight.get(key);
    if (!flying) return;
    this.#inFlight.delete(key);
    this.#activate({ ...flying.pod, attempts: flying.pod.attempts - 1 });
  }

  /** Scheduling the pod in flight failed for a reason that is not the pod's. */
  error(key: string): void {
    const flying = this.#inFlight.get(key);
    if (!flying) return;
    this.#inFlight.delete(key);
    this.#backOff(flying.pod);
  }

  /** Something happened in the cluster: pods that it may help are tried again. */
  wake(event: ClusterEvent): void {
    for (const flying of this.#inFlight.values()) flying.events.push(event);
    for (const [key, pod] of this.#unschedulable) {
      if (!this.#options.helps(event, pod)) continue;
      this.#unschedulable.delete(key);
      this.#backOff(pod);
    }
  }

  get waiting(): { active: number; backoff: number; unschedulable: number } {
    return { active: this.#active.size, backoff: this.#backoff.size, unschedulable: this.#unschedulable.size };
  }

  /** The pods that wait in vain, for preemption's question who was nominated where. */
  pods(): Pod[] {
    return [...this.#known.values()].map(({ info }) => info.pod);
  }

  close(): void {
    for (const { cancel } of this.#backoff.values()) cancel();
    this.#backoff.clear();
    this.#cancelSweep?.();
  }

  #activate(pod: QueuedPod): void {
    this.#known.set(pod.info.key, pod);
    this.#active.push(pod);
    this.#options.onReady();
  }

  #backOff(pod: QueuedPod): void {
    const { clock, initialBackoffMs, maxBackoffMs } = this.#options;
    const backoff = Math.min(initialBackoffMs * 2 ** Math.max(pod.attempts - 1, 0), maxBackoffMs);
    const delay = pod.attemptedAt + backoff - clock.monotonic();
    if (delay <= 0) return this.#activate(pod);
    const { key } = pod.info;
    this.#known.set(key, pod);
    const cancel = clock.timer(delay, () => {
      const entry = this.#backoff.get(key);
      this.#backoff.delete(key);
      if (entry) this.#activate(entry.pod);
    });
    this.#backoff.set(key, { pod, cancel });
  }

  #scheduleSweep(): void {
    this.#cancelSweep ??= this.#options.clock.timer(this.#options.maxWaitMs, () => {
      this.#cancelSweep = undefined;
      for (const pod of this.#unschedulable.values()) this.#activate(pod);
      this.#unschedulable.clear();
    });
  }
}

/** A binary heap: the least first. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(items[at]!, items[parent]!) >= 0) break;
      [items[at], items[parent]] = [items[parent]!, items[at]!];
      at = parent;
    }
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    items[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < items.length && this.#compare(items[left]!, items[least]!) < 0) least = left;
      if (right < items.length && this.#compare(items[right]!, items[least]!) < 0) least = right;
      if (least === at) return top;
      [items[at], items[least]] = [items[least]!, items[at]!];
      at = least;
    }
  }
}
