import { keyOf } from '../../api/meta.ts';
import { timestamp } from '../../api/time.ts';
import type { Pod, PodCondition } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isTerminal, isTerminating } from '../pods/pod-state.ts';

const DISRUPTION_TARGET = 'DisruptionTarget';
/** A kubelet says so some time before its pod has ended; that is for it to take back. */
const BY_KUBELET = 'TerminationByKubelet';
const STALE_MS = 120_000;

/** Takes the condition DisruptionTarget back from pods that were to be deleted and were not: whoever set it did not carry it out (KEP-3329). */
export class StaleDisruption implements Reconciler {
  readonly name = 'stale-pod-disruption';
  readonly #context: ComponentContext;
  readonly #pods: Informer<Pod>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#pods = context.client.informer(PODS);
  }

  setup(queue: { add(key: string): void }): void {
    const note = (pod: Pod): void => {
      if (disruptionOf(pod)) queue.add(keyOf(pod));
    };
    this.#pods.subscribe({ added: note, updated: note });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const pod = this.#pods.get(key);
    const condition = pod && disruptionOf(pod);
    if (!condition) return;
    const now = this.#context.clock.now();
    const leftMs = Date.parse(condition.lastTransitionTime ?? '') + STALE_MS - now;
    if (leftMs > 0) return { afterMs: leftMs };
    const { generation } = pod.metadata;
    const taken: PodCondition = {
      type: DISRUPTION_TARGET,
      status: 'False',
      lastTransitionTime: timestamp(now),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
    const conditions = pod.status!.conditions!.map((each) => (each === condition ? taken : each));
    await unlessGone(
      this.#context.client.resource(PODS, pod.metadata.namespace).updateStatus({ ...pod, status: { ...pod.status, conditions } }),
    );
  }
}

/** The condition that may become stale. */
function disruptionOf(pod: Pod): PodCondition | undefined {
  if (isTerminating(pod) || isTerminal(pod)) return undefined;
  return pod.status?.conditions?.find(
    ({ type, status, reason }) => type === DISRUPTION_TARGET && status === 'True' && reason !== BY_KUBELET,
  );
}
