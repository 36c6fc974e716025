/** The probes of all running containers: one timer for each probe, none where there are no probes. */
import type { Container, Pod, Probe } from '../../api/types.gen.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Clock } from '../../lib/clock.ts';
import { containerEvent } from '../containers/events.ts';
import { findContainer } from '../pods/containers-of.ts';
import type { ProbeFindings } from '../pods/plan.ts';
import { type PodRuntime, readySandbox } from '../pods/pod-runtime.ts';
import type { ContainerRuntime, ContainerStatus } from '../runtime/runtime.ts';
import { type ProbeTarget, runProbe } from './prober.ts';

export interface ProbeManager extends ProbeFindings {
  ready(containerId: string): boolean;
  /** Begins the probes of containers that run and ends those of containers that do not. */
  update(pod: Pod, runtime: PodRuntime, hostIp: string): void;
  /** Ends all probes of a pod. */
  forget(podUid: string): void;
  close(): void;
}

export interface ProbeManagerOptions {
  runtime: ContainerRuntime;
  events: EventRecorder;
  clock: Clock;
  /** A finding changed: the pod must be looked at. */
  changed(podUid: string): void;
}

type ProbeType = 'liveness' | 'readiness' | 'startup';

interface Probed {
  target: ProbeTarget;
  status: ContainerStatus;
  started: boolean;
  ready: boolean;
  failed?: 'liveness' | 'startup';
  /** Stops a probe's timer. */
  cancel: Map<ProbeType, () => void>;
  streak: Map<ProbeType, { success: boolean; count: number }>;
  ended: boolean;
}

export function createProbeManager(options: ProbeManagerOptions): ProbeManager {
  return new Probes(options);
}

const PROBE_TITLES: Record<ProbeType, string> = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' };

class Probes implements ProbeManager {
  readonly #options: ProbeManagerOptions;
  /** By container id. */
  readonly #containers = new Map<string, Probed>();

  constructor(options: ProbeManagerOptions) {
    this.#options = options;
  }

  failed(containerId: string): 'liveness' | 'startup' | undefined {
    return this.#containers.get(containerId)?.failed;
  }

  started(containerId: string): boolean {
    return this.#containers.get(containerId)?.started ?? true;
  }

  ready(containerId: string): boolean {
    const probed = this.#containers.get(containerId);
    return probed === undefined || (probed.started && probed.ready);
  }

  update(pod: Pod, runtime: PodRuntime, hostIp: string): void {
    const podIp = pod.spec?.hostNetwork ? hostIp : (readySandbox(runtime)?.ips[0] ?? '');
    const running = runtime.containers.filter((status) => status.state === 'RUNNING');
    const alive = new Set(running.map((status) => status.id));
    for (const [id, probed] of this.#containers) {
      if (probed.target.pod.metadata.uid === pod.metadata.uid && !alive.has(id)) this.#end(id, probed);
    }
    for (const status of running) {
      const known = this.#containers.get(status.id);
      const container = findContainer(pod, status.name);
      if (known) known.target = { ...known.target, pod, podIp };
      else if (container && probesOf(container).length > 0) this.#begin(status, { pod, container, containerId: status.id, podIp });
    }
  }

  forget(podUid: string): void {
    for (const [id, probed] of this.#containers) if (probed.target.pod.metadata.uid === podUid) this.#end(id, probed);
  }

  close(): void {
    for (const [id, probed] of this.#containers) this.#end(id, probed);
  }

  #begin(status: ContainerStatus, target: ProbeTarget): void {
    const { container, pod } = target;
    // a kubelet that was restarted goes on with what the API says of this very container
    const before = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find((one) =>
      one.containerID?.endsWith(status.id),
    );
    const probed: Probed = {
      target,
      status,
      started: !container.startupProbe || before?.started === true,
      ready: !container.readinessProbe || before?.ready === true,
      cancel: new Map(),
      streak: new Map(),
      ended: false,
    };
    this.#containers.set(status.id, probed);
    if (!probed.started) this.#schedule(probed, 'startup', this.#firstDelay(probed, container.startupProbe!));
    else this.#beginOthers(probed);
  }

  /** Liveness and readiness wait for the startup probe. */
  #beginOthers(probed: Probed): void {
    const { livenessProbe, readinessProbe } = probed.target.container;
    if (livenessProbe) this.#schedule(probed, 'liveness', this.#firstDelay(probed, livenessProbe));
    if (readinessProbe) this.#schedule(probed, 'readiness', this.#firstDelay(probed, readinessProbe));
  }

  #firstDelay({ status }: Probed, { initialDelaySeconds = 0 }: Probe): number {
    return Math.max(0, status.startedAt + initialDelaySeconds * 1000 - this.#options.clock.now());
  }

  #schedule(probed: Probed, type: ProbeType, delayMs: number): void {
    const cancel = this.#options.clock.timer(delayMs, () => void this.#run(probed, type));
    probed.cancel.set(type, cancel);
  }

  /** Never rejects: runProbe turns failures into results. */
  async #run(probed: Probed, type: ProbeType): Promise<void> {
    const probe = probeOf(probed.target.container, type)!;
    const result = await runProbe(this.#options.runtime, probe, probed.target);
    if (probed.ended) return;
    const streak = probed.streak.get(type);
    const count = streak?.success === result.success ? streak.count + 1 : 1;
    probed.streak.set(type, { success: result.success, count });
    if (!result.success) {
      const message = `${PROBE_TITLES[type]} probe failed: ${result.output}`;
      containerEvent(this.#options.events, probed.target.pod, probed.target.container.name, {
        type: 'Warning',
        reason: 'Unhealthy',
        message,
      });
    }
    const { successThreshold = 1, failureThreshold = 3, periodSeconds = 10 } = probe;
    if (count >= (result.success ? successThreshold : failureThreshold)) this.#conclude(probed, type, result.success);
    if (!probed.ended && !probed.failed && !(type === 'startup' && probed.started)) this.#schedule(probed, type, periodSeconds * 1000);
  }

  #conclude(probed: Probed, type: ProbeType, success: boolean): void {
    const before = [probed.started, probed.ready, probed.failed].join();
    if (type === 'readiness') probed.ready = success;
    else if (!success) probed.failed = type;
    else if (type === 'startup') {
      probed.started = true;
      this.#beginOthers(probed);
    }
    if ([probed.started, probed.ready, probed.failed].join() !== before) this.#options.changed(probed.target.pod.metadata.uid!);
  }

  #end(id: string, probed: Probed): void {
    probed.ended = true;
    for (const cancel of probed.cancel.values()) cancel();
    this.#containers.delete(id);
  }
}

function probeOf(container: Container, type: ProbeType): Probe | undefined {
  return { liveness: container.livenessProbe, readiness: container.readinessProbe, startup: container.startupProbe }[type];
}

const probesOf = (container: Container): Probe[] =>
  [container.livenessProbe, container.readinessProbe, container.startupProbe].filter((probe) => probe !== undefined);
