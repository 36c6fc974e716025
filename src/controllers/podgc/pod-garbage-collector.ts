import { keyOf, splitKey } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { Node, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { NODES, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';

export interface PodGcOptions {
  /** Terminated pods that are kept; the oldest beyond go. kube-controller-manager's --terminated-pod-gc-threshold. */
  terminatedPodThreshold?: number;
}

/** Upstream waits so long before it believes that a node is gone (node registration may be under way). */
const QUARANTINE_MS = 40_000;
/** Upstream looks at terminated pods this often; we do so only after one has terminated. */
const TERMINATED_DELAY_MS = 20_000;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
const TERMINATED_INDEX = 'podgc/terminated';
const NODE_INDEX = 'spec.nodeName';

type Queue = Parameters<Reconciler['setup']>[0];

/**
 * Deletes pods that nobody else will: those of nodes that are gone, those terminating before they had a node, those terminating on a node
 * that is marked out of service, and the oldest terminated ones when there are too many.
 */
export function createPodGarbageCollector(context: ComponentContext, options: PodGcOptions = {}): Component[] {
  return [runReconciler(context, new PodGarbageCollector(context, options))];
}

/** Keys are `node/<name>`, `pod/<namespace>/<name>` and `terminated`. */
class PodGarbageCollector implements Reconciler {
  readonly name = 'pod-garbage-collector';
  readonly #context: ComponentContext;
  readonly #threshold: number;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;

  constructor(context: ComponentContext, { terminatedPodThreshold = 12_500 }: PodGcOptions) {
    this.#context = context;
    this.#threshold = terminatedPodThreshold;
    this.#pods = context.client.informer(PODS);
    this.#nodes = context.client.informer(NODES);
    this.#pods.addIndex(TERMINATED_INDEX, (pod) => (isTerminated(pod) ? ['yes'] : []));
    this.#pods.addIndex(NODE_INDEX, ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
  }

  setup(queue: Queue): void {
    this.#pods.subscribe({
      added: (pod) => this.#notePod(queue, pod),
      updated: (pod, previous) => this.#notePod(queue, pod, previous),
    });
    this.#nodes.subscribe({
      deleted: ({ metadata }) => queue.addAfter(`node/${metadata.name}`, QUARANTINE_MS),
      added: (node) => isOutOfService(node) && queue.add(`node/${node.metadata.name}`),
      updated: (node) => isOutOfService(node) && queue.add(`node/${node.metadata.name}`),
    });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    if (key === 'terminated') return this.#collectTerminated();
    const [what, ...rest] = key.split('/');
    if (what === 'node') return this.#collectOfNode(rest.join('/'));
    return this.#collectUnscheduled(rest.join('/'));
  }

  #notePod(queue: Queue, pod: Pod, previous?: Pod): void {
    const { nodeName } = pod.spec ?? {};
    const newlyBound = nodeName && previous?.spec?.nodeName !== nodeName;
    // A node that is not cached may only be late; the quarantine covers that too.
    if (newlyBound && !this.#nodes.get(nodeName)) queue.addAfter(`node/${nodeName}`, QUARANTINE_MS);
    if (pod.metadata.deletionTimestamp && !previous?.metadata.deletionTimestamp) {
      if (!nodeName) queue.add(`pod/${keyOf(pod)}`);
      else if (isOutOfService(this.#nodes.get(nodeName))) queue.add(`node/${nodeName}`);
    }
    if (isTerminated(pod) && !(previous && isTerminated(previous))) queue.addAfter('terminated', TERMINATED_DELAY_MS);
  }

  async #collectTerminated(): Promise<void> {
    const terminated = this.#pods.byIndex(TERMINATED_INDEX, 'yes').filter(({ metadata }) => !metadata.deletionTimestamp);
    const excess = terminated.length - this.#threshold;
    if (excess <= 0) return;
    this.#context.log.info('garbage collecting terminated pods', { count: excess });
    for (const pod of terminated.toSorted(byEvictionAndAge).slice(0, excess)) await this.#delete(pod);
  }

  async #collectOfNode(nodeName: string): Promise<void> {
    const node = this.#nodes.get(nodeName);
    const pods = this.#pods.byIndex(NODE_INDEX, nodeName);
    if (pods.length === 0) return;
    if (!node) {
      if (await this.#nodeExists(nodeName)) return;
      for (const pod of pods) await this.#delete(pod, 'PodGC: node no longer exists');
    } else if (isOutOfService(node) && !isReady(node)) {
      for (const pod of pods) if (pod.metadata.deletionTimestamp) await this.#delete(pod);
    }
  }

  async #nodeExists(name: string): Promise<boolean> {
    try {
      await this.#context.client.resource(NODES).get(name);
      return true;
    } catch (error) {
      if (StatusError.is(error, 'NotFound')) return false;
      throw error;
    }
  }

  async #collectUnscheduled(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    if (pod?.metadata.deletionTimestamp && !pod.spec?.nodeName) await this.#delete(pod);
  }

  /** Ends a pod at once. One that had not terminated is shown as Failed first, so that Jobs and people learn why (KEP-3329). */
  async #delete(pod: Pod, disruption?: string): Promise<void> {
    const { namespace, name } = splitKey(keyOf(pod));
    const pods = this.#context.client.resource(PODS, namespace);
    try {
      if (!isTerminated(pod)) await pods.patch(name, 'strategic', { status: this.#failedStatus(pod, disruption) }, 'status');
      await pods.delete(name, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid! } });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }

  #failedStatus(pod: Pod, disruption: string | undefined): Record<string, unknown> {
    if (!disruption) return { phase: 'Failed' };
    const lastTransitionTime = timestamp(this.#context.clock.now());
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: disruption, lastTransitionTime };
    return { phase: 'Failed', conditions: [{ ...condition, observedGeneration: pod.metadata.generation }] };
  }
}

function isTerminated({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function isOutOfService(node: Node | undefined): boolean {
  return node?.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function byEvictionAndAge(a: Pod, b: Pod): number {
  const evicted = (pod: Pod): number => (pod.status?.reason === 'Evicted' ? 0 : 1);
  const created = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? '');
  return evicted(a) - evicted(b) || created(a) - created(b) || (keyOf(a) < keyOf(b) ? -1 : 1);
}
