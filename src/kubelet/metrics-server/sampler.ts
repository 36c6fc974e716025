/**
 * CPU use is what a counter grew by between two looks, so somebody has to look twice. Nobody looks while nobody asks: a question brings the second
 * look where the last one was lately, and both, a second apart, where it was not.
 */
import type { Clock } from '../../lib/clock.ts';
import { type ContainerCounters, type Counters, type NodeCounters, parseResourceMetrics } from './resource-metrics.ts';

export interface SamplerOptions {
  /** Names of the nodes that have a kubelet. */
  nodes(signal: AbortSignal): Promise<readonly string[]>;
  /** What the kubelet of a node serves at `/metrics/resource`. Throws when it does not answer. */
  scrape(node: string, signal: AbortSignal): Promise<string>;
  /** Told of a kubelet that did not answer; its node is left out. */
  unreachable(node: string, error: unknown): void;
  clock: Clock;
}

/** Average use over a window. */
export interface Usage {
  /** Billionths of a core. */
  cpuNanos: number;
  memoryBytes: number;
  /** The end of the window, milliseconds since the epoch. */
  at: number;
  windowMs: number;
}

export interface Snapshot {
  /** By name. */
  nodes: ReadonlyMap<string, Usage>;
  /** By namespace/name of the pod, then by name of the container. */
  pods: ReadonlyMap<string, ReadonlyMap<string, Usage>>;
}

interface Look {
  /** On the monotonic clock. */
  at: number;
  nodes: ReadonlyMap<string, NodeCounters>;
}

/** So long an answer stands: `watch kubectl top` does not make kubelets work harder, and an autoscaler's 15 s always bring a new look. */
const FRESH_MS = 5_000;
/** An older look would blur what happens now. */
const USEFUL_MS = 60_000;
const FIRST_WINDOW_MS = 1_000;
/** Counters need a little time to tell a rate. */
const LEAST_WINDOW_MS = 100;
const ANSWER_MS = 10_000;
/** In every call for the first look, the pause and the second. */
const DEADLINE_MS = 2 * ANSWER_MS + FIRST_WINDOW_MS;

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #stopped = new AbortController();
  #last: Look | undefined;
  #snapshot: Snapshot | undefined;
  #looking: Promise<Snapshot> | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** What is used now. Those who ask at the same time share one answer. */
  async snapshot(): Promise<Snapshot> {
    const { clock } = this.#options;
    if (this.#snapshot && this.#last && clock.monotonic() - this.#last.at < FRESH_MS) return this.#snapshot;
    this.#looking ??= this.#measure().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  stop(): void {
    this.#stopped.abort(new Error('the metrics server was stopped'));
  }

  async #measure(): Promise<Snapshot> {
    const { clock } = this.#options;
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(DEADLINE_MS)]);
    let before = this.#last;
    if (!before || clock.monotonic() - before.at > USEFUL_MS) {
      before = await this.#look(signal);
      await clock.sleep(FIRST_WINDOW_MS, signal);
    }
    this.#last = await this.#look(signal);
    this.#snapshot = between(before, this.#last);
    return this.#snapshot;
  }

  async #look(signal: AbortSignal): Promise<Look> {
    const { nodes, scrape, unreachable, clock } = this.#options;
    const names = await nodes(signal);
    const answers = await Promise.all(
      names.map(async (name): Promise<[string, NodeCounters][]> => {
        try {
          const text = await scrape(name, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
          return [[name, parseResourceMetrics(text, clock.now())]];
        } catch (error) {
          signal.throwIfAborted();
          unreachable(name, error);
          return [];
        }
      }),
    );
    return { at: clock.monotonic(), nodes: new Map(answers.flat()) };
  }
}

function between(before: Look, after: Look): Snapshot {
  const nodes = new Map<string, Usage>();
  const pods = new Map<string, Map<string, Usage>>();
  for (const [name, now] of after.nodes) {
    const then = before.nodes.get(name);
    const usage = now.node && then?.node && usageOf(then.node, now.node);
    if (usage) nodes.set(name, usage);
    for (const [key, counters] of now.containers) {
      const found = containerUsage(then?.containers.get(key), counters);
      if (!found) continue;
      const pod = `${counters.namespace}/${counters.pod}`;
      const known = pods.get(pod) ?? new Map<string, Usage>();
      pods.set(pod, known.set(counters.container, found));
    }
  }
  return { nodes, pods };
}

/** A container that has started since the last look used nothing before its start. */
function containerUsage(then: ContainerCounters | undefined, now: ContainerCounters): Usage | undefined {
  const restarted = !then || then.cpuSeconds > now.cpuSeconds || (now.startedAt !== undefined && now.startedAt > then.at);
  if (!restarted) return usageOf(then, now);
  return now.startedAt === undefined ? undefined : usageOf({ cpuSeconds: 0, memoryBytes: 0, at: now.startedAt }, now);
}

function usageOf(then: Counters, now: Counters): Usage | undefined {
  const windowMs = now.at - then.at;
  if (windowMs < LEAST_WINDOW_MS || now.cpuSeconds < then.cpuSeconds) return undefined;
  const cpuNanos = Math.round(((now.cpuSeconds - then.cpuSeconds) * 1e12) / windowMs);
  return { cpuNanos, memoryBytes: now.memoryBytes, at: now.at, windowMs };
}
