/**
 * One pod on this node. Work on it is serial; every trigger (the pod changed, the runtime reported, a probe concluded, a time came)
 * leads to one more look at everything.
 *
 *     running --deleted, deadline, all ended--> ending --containers and sandbox gone--> ended --deleted in the API--> gone
 *
 * The state is not stored: it follows from the pod object and what the runtime holds, so a restarted kubelet goes on where it was.
 */
import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../../api/meta.ts';
import type { Pod, PodStatus, ResourceRequirements } from '../../api/types.gen.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { errorMessage } from '../../lib/errors.ts';
import { StartError } from '../containers/start-error.ts';
import { podReference } from '../containers/events.ts';
import { terminationMessage } from '../containers/termination-message.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { VolumeSetupError } from '../volumes/manager.ts';
import type { Rejection } from './admission.ts';
import { graceOf, endPod, removePod } from './end.ts';
import { runPlan } from './run-plan.ts';
import { type PodPlan, planPod } from './plan.ts';
import { EMPTY_RUNTIME, type PodRuntime } from './pod-runtime.ts';
import type { ResizeRefusal } from './resize-rules.ts';
import { PodResizing } from './resizing.ts';
import type { PodServices } from './services.ts';
import { podStatus } from './status.ts';

export interface PodWorker {
  readonly uid: string;
  readonly pod: Pod;
  /** The pod as the API has it now; `gone` when it was removed there. */
  update(pod: Pod, gone?: boolean): void;
  /** Look again soon. */
  wake(): void;
  /** It takes room and ports of the node: neither refused, nor at its end, nor gone from the API. */
  readonly active: boolean;
  /** The pod with the resources that it was promised, which are not those of its spec while a resize waits. */
  readonly allocated: Pod;
  /** A resize waits for room. */
  readonly deferred: boolean;
  /** There may be room by now. */
  retryResize(): void;
  /** What the runtime held of it when last looked at. */
  readonly runtime: PodRuntime;
  /** Whether something is under way, so that a runtime without events is asked often. */
  readonly busy: boolean;
  /** Stops working on the pod; its containers go on. Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** Failures of the runtime and of volumes are tried again after 0.5 s, then less and less often. */
const RETRY = { baseMs: 500, maxMs: 10_000, jitter: 0.1 };

/** What differs between two states of a pod, but for what the kubelet itself writes. */
function changeOf(before: Pod, after: Pod): { spec: boolean; metadata: boolean; gates: boolean } {
  const seen = ({ metadata }: Pod): unknown[] => [metadata.labels, metadata.annotations];
  const ending = ({ metadata }: Pod): unknown[] => [metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds];
  return {
    spec: !isDeepStrictEqual(before.spec, after.spec) || !isDeepStrictEqual(ending(before), ending(after)),
    metadata: !isDeepStrictEqual(seen(before), seen(after)),
    gates: (after.spec?.readinessGates?.length ?? 0) > 0,
  };
}

/** How long after its last change a pod counts as busy. */
const SETTLED_MS = 30_000;

export interface PodWorkerOptions {
  /** The runtime is known to hold nothing of the pod: the first look need not ask. */
  fresh: boolean;
  /** Called once nothing of the pod is left on the node. */
  onGone: () => void;
  /** Why the node cannot give the pod what it wants by now, or undefined. */
  resizeRefusal: (pod: Pod) => ResizeRefusal | undefined;
  /** It takes less of the node than before, or nothing any more. */
  onRoom: () => void;
  /** The node has no room for it: it fails without having run. */
  rejection?: Rejection;
}

export function createPodWorker(pod: Pod, services: PodServices, options: PodWorkerOptions): PodWorker {
  return new Worker(pod, services, options);
}

function isEmpty(plan: PodPlan): boolean {
  return !plan.killSandbox && plan.createSandbox === undefined && plan.stop.length + plan.start.length + plan.resize.length === 0;
}

class Worker implements PodWorker {
  readonly uid: string;
  readonly #services: PodServices;
  readonly #options: PodWorkerOptions;
  readonly #resizing: PodResizing;
  #fresh: boolean;
  #runtime: PodRuntime = EMPTY_RUNTIME;
  readonly #stop = new AbortController();
  readonly #waiting = new Map<string, { reason: string; message?: string }>();
  readonly #messages = new Map<string, string>();
  #pod: Pod;
  #gone = false;
  #pending = false;
  #working: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Ends what is under way when the pod shall end, or shall end sooner. */
  #step = new AbortController();
  #stepGrace = Number.POSITIVE_INFINITY;
  #status: PodStatus | undefined;
  #failure: { reason: string; message: string } | undefined;
  #failures = 0;
  #ended = false;
  #movedAt: number;
  /** Ended, and nothing to do until it is deleted. */
  #rests = false;

  constructor(pod: Pod, services: PodServices, options: PodWorkerOptions) {
    const { fresh, rejection } = options;
    this.#fresh = fresh;
    this.uid = pod.metadata.uid!;
    this.#pod = pod;
    this.#services = services;
    this.#options = options;
    this.#resizing = new PodResizing(pod, services.events);
    this.#movedAt = services.clock.now();
    if (!rejection) return;
    this.#failure = rejection;
    services.events.event(podReference(pod), 'Warning', rejection.reason, rejection.message.replace('Pod was rejected: ', ''));
  }

  /** A pod that runs to its end may do so at any time; one that stays may not, once it has stood for a while. */
  get busy(): boolean {
    if (this.#ended) return this.#shallEnd() && !this.#rests;
    return this.#pod.spec?.restartPolicy !== 'Always' || this.#services.clock.now() - this.#movedAt < SETTLED_MS;
  }

  get active(): boolean {
    return !this.#gone && !this.#ended && this.#failure === undefined;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get allocated(): Pod {
    return this.#resizing.allocated(this.#pod);
  }

  get deferred(): boolean {
    return this.#resizing.deferred && !this.#shallEnd();
  }

  retryResize(): void {
    if (this.#considerResize()) this.wake();
  }

  get runtime(): PodRuntime {
    return this.#runtime;
  }

  update(pod: Pod, gone = false): void {
    const { status, volumes } = this.#services;
    const change = changeOf(this.#pod, pod);
    this.#pod = pod;
    this.#gone ||= gone;
    const overwritten = status.observed(pod);
    if (change.spec) this.#considerResize();
    if (change.metadata) volumes.podChanged(this.allocated);
    // our own status coming back is no news
    if (!gone && !overwritten && !change.metadata && !change.spec && !change.gates) return;
    // a shorter grace period, or an end that was not known yet, interrupts what is under way
    if (this.#shallEnd() && this.#grace() < this.#stepGrace) this.#step.abort(new Error('the pod shall end'));
    this.wake();
  }

  wake(): void {
    this.#pending = true;
    if (this.#stop.signal.aborted) return;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#pending && !this.#stop.signal.aborted) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the kubelet stops'));
    this.#step.abort(new Error('the kubelet stops'));
    this.#cancelTimer?.();
    await this.#working;
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    while (this.#pending && !this.#stop.signal.aborted) {
      this.#pending = false;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
      this.#step = new AbortController();
      this.#stepGrace = this.#shallEnd() ? this.#grace() : Number.POSITIVE_INFINITY;
      try {
        await this.#sync(AbortSignal.any([this.#step.signal, this.#stop.signal]));
        this.#failures = 0;
      } catch (error) {
        if (!this.#step.signal.aborted && !this.#stop.signal.aborted) this.#failed(error);
      }
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { cache, clock, probes, node } = this.#services;
    if (this.#shallEnd()) return this.#end(signal);
    const runtime = this.#fresh ? EMPTY_RUNTIME : await cache.pod(this.uid);
    this.#fresh = false;
    probes.update(this.#pod, runtime, node.ips[0] ?? '');
    if (this.#deadlinePassed(clock.now())) return this.#end(signal);
    this.#considerResize();
    const pod = this.allocated;
    const plan = planPod(pod, runtime, {
      failed: (id) => probes.failed(id),
      started: (id) => probes.started(id),
      inForce: (container) => this.#inForce(container),
    });
    if (plan.finished) {
      this.#ended = true;
      return this.#end(signal);
    }
    const idle = isEmpty(plan);
    if (!idle) this.#movedAt = clock.now();
    if (idle) {
      this.#waiting.clear();
      await this.#report(runtime);
      return;
    }
    if (!this.#status || this.#resizing.underWay) await this.#report(runtime);
    const retryMs = await runPlan(
      pod,
      { plan, runtime, signal, resizing: this.#resizing, note: (container, why) => this.#note(container, why) },
      this.#services,
    );
    const after = await cache.pod(this.uid);
    probes.update(this.#pod, after, node.ips[0] ?? '');
    await this.#report(after);
    if (retryMs === undefined) this.#pending = true;
    else this.#wakeAfter(retryMs);
  }

  /** Ends the containers and the sandbox; once the pod is gone in the API too, all that is left of it. */
  async #end(signal: AbortSignal): Promise<void> {
    const { cache, status, client, log, volumes } = this.#services;
    this.#rests = false;
    this.#waiting.clear();
    const graceSeconds = this.#grace();
    const runtime = await endPod(this.#pod, { graceSeconds, signal, report: (now) => this.#report(now) }, this.#services);
    this.#ended = true;
    this.#options.onRoom();
    await this.#report(runtime);
    await status.flushed(this.uid);
    await volumes.release(this.uid);
    this.#rests = true;
    if (!this.#gone && !this.#pod.metadata.deletionTimestamp) return;
    await removePod(this.#pod, { gone: this.#gone, signal }, { ...this.#services, client, cache });
    log.info('pod removed', { pod: keyOf(this.#pod), uid: this.uid });
    this.#stop.abort(new Error('the pod is gone'));
    this.#options.onGone();
  }

  /** True when the pod was granted other resources. */
  #considerResize(): boolean {
    if (this.#shallEnd() || !this.#resizing.consider(this.#pod, this.#options.resizeRefusal)) return false;
    this.#services.volumes.podChanged(this.allocated);
    this.#options.onRoom();
    return true;
  }

  #inForce(container: ContainerStatus): ResourceRequirements | undefined {
    return this.#resizing.inForce(container, this.#status ?? this.#pod.status);
  }

  #shallEnd(): boolean {
    const phase = this.#pod.status?.phase;
    return (
      this.#gone ||
      this.#ended ||
      this.#failure !== undefined ||
      this.#pod.metadata.deletionTimestamp !== undefined ||
      phase === 'Succeeded' ||
      phase === 'Failed'
    );
  }

  #grace(): number {
    return graceOf(this.#pod, this.#gone);
  }

  #deadlinePassed(now: number): boolean {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    if (seconds === undefined) return false;
    const started = this.#status?.startTime ?? this.#pod.status?.startTime;
    const left = started === undefined ? seconds * 1000 : Date.parse(started) + seconds * 1000 - now;
    if (left > 0) {
      this.#wakeAfter(left);
      return false;
    }
    this.#failure = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' };
    this.#services.events.event(podReference(this.#pod), 'Normal', 'DeadlineExceeded', this.#failure.message);
    return true;
  }

  #note(container: string, why: { reason: string; message?: string } | undefined): void {
    if (why) this.#waiting.set(container, why);
    else this.#waiting.delete(container);
  }

  /** Computes the status and hands it to the writer. */
  async #report(runtime: PodRuntime): Promise<void> {
    this.#runtime = runtime;
    const { clock, node, probes, status } = this.#services;
    await this.#readMessages(runtime);
    this.#resizing.look(this.#pod, runtime, this.#status ?? this.#pod.status);
    const basis = this.#basis();
    const computed = podStatus(basis, runtime, {
      hostIps: node.ips,
      runtimeName: node.runtimeName(),
      now: clock.now(),
      waiting: (container) => this.#waiting.get(container),
      terminationMessage: (container) => this.#messages.get(container.id) ?? '',
      started: (id) => probes.started(id),
      ready: (id) => probes.ready(id),
      failure: this.#failure,
      terminating: this.#ended,
      resizeConditions: this.#resizing.conditions(this.#status?.conditions ?? this.#pod.status?.conditions ?? [], clock.now()),
      inForce: (container) => this.#inForce(container),
    });
    this.#status = computed;
    status.set(this.#pod, computed);
  }

  /** The pod with our own last status, which the API may not show yet; conditions of others are the API's. */
  #basis(): Pod {
    const pod = this.allocated;
    if (!this.#status) return pod;
    const own = this.#status.conditions ?? [];
    const mine = new Set(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']);
    const others = (this.#pod.status?.conditions ?? []).filter((condition) => !mine.has(condition.type));
    return { ...pod, status: { ...this.#status, conditions: [...own.filter((condition) => mine.has(condition.type)), ...others] } };
  }

  async #readMessages(runtime: PodRuntime): Promise<void> {
    const known = new Set(runtime.containers.map((container) => container.id));
    for (const id of this.#messages.keys()) if (!known.has(id)) this.#messages.delete(id);
    this.#resizing.forgetOthers(known);
    const unread = (container: ContainerStatus): boolean => container.state === 'EXITED' && !this.#messages.has(container.id);
    for (const container of runtime.containers.filter(unread)) this.#messages.set(container.id, await terminationMessage(container));
  }

  #failed(error: unknown): void {
    const { log, events, rng } = this.#services;
    if (error instanceof VolumeSetupError) {
      const message = `${error.step} failed for volume "${error.volume}" : ${error.message}`;
      if (error.step) events.event(podReference(this.#pod), 'Warning', 'FailedMount', message);
    } else if (!(error instanceof StartError)) {
      log.warn('pod could not be brought to its state', {
        pod: keyOf(this.#pod),
        error: errorMessage(error),
      });
    }
    this.#wakeAfter(backoffDelay(this.#failures++, RETRY, rng));
  }

  #wakeAfter(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#services.clock.timer(ms, () => this.wake());
  }
}
