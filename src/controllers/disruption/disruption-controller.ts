import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { formatLabelSelector } from '../../api/selectors.ts';
import { timestamp } from '../../api/time.ts';
import type { Condition, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS } from '../../client/resources.ts';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { ResourceType } from '../../client/client.ts';
import type { Component } from '../../lib/component.ts';
import { selectorOf, unlessGone } from '../pods/ownership.ts';
import { isReady } from '../pods/pod-state.ts';
import { ExpectationError, expectedPods, type Expected } from './expected-pods.ts';
import { StaleDisruption } from './stale-disruption.ts';

/** An eviction that was allowed and did not delete its pod within this time is taken back. */
const EVICTION_TIMEOUT_MS = 120_000;
const WORKLOADS: readonly ResourceType<ObjectWithMeta & { spec?: { replicas?: number } }>[] = [
  DEPLOYMENTS,
  REPLICA_SETS,
  STATEFUL_SETS,
  REPLICATION_CONTROLLERS,
];

/** Says in each PodDisruptionBudget how many of its pods may be evicted now; the eviction subresource goes by that. */
export function createDisruptionController(context: ComponentContext): Component[] {
  return [runReconciler(context, new DisruptionController(context)), runReconciler(context, new StaleDisruption(context))];
}

class DisruptionController implements Reconciler {
  readonly name = 'disruption-controller';
  readonly #context: ComponentContext;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#budgets = context.client.informer(POD_DISRUPTION_BUDGETS);
    this.#pods = context.client.informer(PODS);
  }

  setup(queue: { add(key: string): void }): void {
    const add = (budget: PodDisruptionBudget): void => queue.add(keyOf(budget));
    this.#budgets.subscribe({ added: add, updated: add });
    const note = (pod: Pod): void => this.#budgetsOf(pod).forEach(add);
    this.#pods.subscribe({
      added: note,
      updated: (pod, before) => {
        const isRelabelled = !semanticEqual(pod.metadata.labels, before.metadata.labels);
        if (isRelabelled) note(before);
        if (isRelabelled || isReady(pod) !== isReady(before) || pod.metadata.deletionTimestamp !== before.metadata.deletionTimestamp)
          note(pod);
      },
      deleted: note,
    });
    for (const type of WORKLOADS) {
      const ofNamespace = ({ metadata }: ObjectWithMeta): void => this.#budgets.listNamespace(metadata.namespace!).forEach(add);
      this.#context.client.informer(type).subscribe({
        added: ofNamespace,
        updated: (object, before) => object.spec?.replicas !== before.spec?.replicas && ofNamespace(object),
      });
    }
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const budget = this.#budgets.get(key);
    if (!budget) return;
    const selector = selectorOf(budget.spec?.selector);
    const pods = this.#pods.listNamespace(budget.metadata.namespace!).filter((pod) => selector.matches(pod));
    if (pods.length === 0) this.#context.events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    const now = this.#context.clock.now();
    try {
      const expected = await expectedPods(this.#context.client, budget, pods);
      if (expected.unmanaged.length > 0) this.#warnOfUnmanaged(budget);
      const { disruptedPods, recheckMs, expired } = underEviction(budget, pods, now);
      const { namespace } = budget.metadata;
      for (const pod of expired) {
        // Upstream names the namespace twice.
        const message = `Pod was expected by PDB ${namespace}/${namespace} to be deleted but it wasn't`;
        this.#context.events.event(pod, 'Warning', 'NotDeleted', message);
      }
      await this.#write(budget, nextStatus(budget, pods, { expected, disruptedPods, now }));
      if (recheckMs !== undefined) return { afterMs: recheckMs };
    } catch (error) {
      if (!(error instanceof ExpectationError)) throw error;
      this.#context.events.event(
        budget,
        'Warning',
        'CalculateExpectedPodCountFailed',
        `Failed to calculate the number of expected pods: ${error.message}`,
      );
      // Nothing may go while it is not known what must stay.
      const failed = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: error.message };
      const { currentHealthy = 0, desiredHealthy = 0, expectedPods: before = 0 } = budget.status ?? {};
      const counts = { currentHealthy, desiredHealthy, expectedPods: before, disruptionsAllowed: 0 };
      await this.#write(budget, { ...budget.status, ...counts, conditions: withCondition(budget, failed, now) });
    }
  }

  #warnOfUnmanaged(budget: PodDisruptionBudget): void {
    const message =
      `Pods selected by this PodDisruptionBudget (selector: ${formatLabelSelector(budget.spec?.selector)}) were found to be unmanaged. ` +
      'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. ' +
      'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
    this.#context.events.event(budget, 'Warning', 'UnmanagedPods', message);
  }

  #budgetsOf(pod: Pod): PodDisruptionBudget[] {
    return this.#budgets.listNamespace(pod.metadata.namespace!).filter(({ spec }) => selectorOf(spec?.selector).matches(pod));
  }

  async #write(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus): Promise<void> {
    if (semanticEqual(status, budget.status)) return;
    await unlessGone(this.#context.client.resource(POD_DISRUPTION_BUDGETS, budget.metadata.namespace).updateStatus({ ...budget, status }));
  }
}

/** Pods whose eviction was allowed and which are not gone yet; their place in the budget is taken. */
function underEviction(
  { status }: PodDisruptionBudget,
  pods: readonly Pod[],
  now: number,
): { disruptedPods: Record<string, string>; recheckMs: number | undefined; expired: Pod[] } {
  const disruptedPods: Record<string, string> = {};
  const expired: Pod[] = [];
  let recheckMs: number | undefined;
  for (const [name, since] of Object.entries(status?.disruptedPods ?? {})) {
    const left = Date.parse(since) + EVICTION_TIMEOUT_MS - now;
    const pod = pods.find(({ metadata }) => metadata.name === name);
    if (!pod || pod.metadata.deletionTimestamp) continue;
    if (left <= 0) {
      expired.push(pod);
      continue;
    }
    disruptedPods[name] = since;
    recheckMs = Math.min(recheckMs ?? Infinity, left);
  }
  return { disruptedPods, recheckMs, expired };
}

function nextStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  { expected, disruptedPods, now }: { expected: Expected; disruptedPods: Record<string, string>; now: number },
): PodDisruptionBudgetStatus {
  const healthy = pods.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp && disruptedPods[pod.metadata.name!] === undefined);
  const disruptionsAllowed = expected.expectedPods > 0 ? Math.max(0, healthy.length - expected.desiredHealthy) : 0;
  const isAllowed = disruptionsAllowed > 0;
  const condition = {
    type: 'DisruptionAllowed',
    status: isAllowed ? 'True' : 'False',
    reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
  };
  return {
    currentHealthy: healthy.length,
    desiredHealthy: expected.desiredHealthy,
    expectedPods: expected.expectedPods,
    disruptionsAllowed,
    observedGeneration: budget.metadata.generation ?? 0,
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    conditions: withCondition(budget, condition, now),
  };
}

function withCondition(
  { metadata, status }: PodDisruptionBudget,
  condition: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
  now: number,
): Condition[] {
  const before = status?.conditions?.find(({ type }) => type === condition.type);
  const others = (status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : timestamp(now);
  return [...others, { ...condition, lastTransitionTime, observedGeneration: metadata.generation ?? 0 }];
}
