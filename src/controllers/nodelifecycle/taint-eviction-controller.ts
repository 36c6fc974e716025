import { keyOf, splitKey } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { Node, Pod, Taint } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { NODES, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { hasNoExecute } from './taints.ts';
import { toleratedFor } from './tolerations.ts';

const NODE_INDEX = 'spec.nodeName';

/** Deletes pods from nodes with NoExecute taints: at once those that do not tolerate them, later those that tolerate them for a time. */
export function createTaintEvictionController(context: ComponentContext): Component[] {
  return [runReconciler(context, new TaintEviction(context))];
}

class TaintEviction implements Reconciler {
  readonly name = 'taint-eviction-controller';
  readonly concurrency = 8;
  readonly #context: ComponentContext;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /**
   * Since when a pod has been under its node's taints, by uid: monotonic, so that a laptop that slept finds its pods where they were. After a
   * restart of this process the time counts from anew, as upstream's does.
   */
  readonly #taintedSince = new Map<string, number>();

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#nodes = context.client.informer(NODES);
    this.#pods = context.client.informer(PODS);
    this.#pods.addIndex(NODE_INDEX, ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
  }

  setup(queue: { add(key: string): void }): void {
    const lookAtPod = (pod: Pod): void => {
      const node = pod.spec?.nodeName ? this.#nodes.get(pod.spec.nodeName) : undefined;
      if (node && hasNoExecute(node)) queue.add(keyOf(pod));
    };
    const lookAtNode = ({ metadata }: Node): void => {
      for (const pod of this.#pods.byIndex(NODE_INDEX, metadata.name!)) queue.add(keyOf(pod));
    };
    this.#pods.subscribe({
      added: lookAtPod,
      updated: lookAtPod,
      deleted: ({ metadata }) => void this.#taintedSince.delete(metadata.uid!),
    });
    this.#nodes.subscribe({
      added: (node) => hasNoExecute(node) && lookAtNode(node),
      updated: (node, previous) => noExecuteText(node) !== noExecuteText(previous) && lookAtNode(node),
    });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const pod = this.#pods.get(key);
    if (!pod || pod.metadata.deletionTimestamp) return;
    const uid = pod.metadata.uid!;
    const taints = noExecuteOf(this.#nodes.get(pod.spec?.nodeName ?? ''));
    if (taints.length === 0) {
      if (this.#taintedSince.delete(uid))
        this.#context.events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
      return;
    }
    const allowed = toleratedFor(taints, pod.spec?.tolerations ?? []);
    if (allowed === Infinity) {
      this.#taintedSince.delete(uid);
      return;
    }
    const now = this.#context.clock.monotonic();
    const since = this.#taintedSince.get(uid) ?? now;
    this.#taintedSince.set(uid, since);
    const left = since + allowed - now;
    if (left > 0) return { afterMs: left };
    await this.#evict(pod, key);
  }

  async #evict(pod: Pod, key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pods = this.#context.client.resource(PODS, namespace);
    this.#context.events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    const lastTransitionTime = timestamp(this.#context.clock.now());
    const reason = { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' };
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      ...reason,
      lastTransitionTime,
      observedGeneration: pod.metadata.generation,
    };
    try {
      await pods.patch(name, 'strategic', { status: { conditions: [condition] } }, 'status');
      await pods.delete(name, { preconditions: { uid: pod.metadata.uid! } });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
    this.#taintedSince.delete(pod.metadata.uid!);
  }
}

function noExecuteOf(node: Node | undefined): Taint[] {
  return (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}

function noExecuteText(node: Node): string {
  return noExecuteOf(node)
    .map(({ key, value = '' }) => `${key}=${value}`)
    .join(',');
}
