import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { parseQuantity } from '../../api/codec/quantity.ts';
import { timestamp } from '../../api/time.ts';
import type {
  V2HorizontalPodAutoscaler as Autoscaler,
  V2HorizontalPodAutoscalerCondition as Condition,
  V2HorizontalPodAutoscalerStatus as AutoscalerStatus,
  V2HPAScalingRules,
  V2MetricSpec,
  V2MetricStatus,
} from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { HORIZONTAL_POD_AUTOSCALERS, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { type NewCondition, withCondition } from './conditions.ts';
import { ScalingHistory } from './history.ts';
import { limit } from './limits.ts';
import { MetricError, type MetricProposal, type MetricScene, type MetricSources, propose } from './metric-proposals.ts';
import { createMetricsClient } from './metrics-client.ts';
import type { Tolerances } from './replica-calculator.ts';
import { createScaleTargets, type ScaleTarget, UnknownTargetError } from './scale-target.ts';
import { TargetPods, TargetPodsError } from './target-pods.ts';
import { wordsOf } from './words.ts';

/** kube-controller-manager's --horizontal-pod-autoscaler-sync-period. */
const SYNC_MS = 15_000;
/** Its --horizontal-pod-autoscaler-tolerance. */
const TOLERANCE = 0.1;

/** Keeps the replicas of each autoscaler's target where its metrics want them. Looks every 15 s while there are autoscalers, and when one changes. */
export function createHorizontalPodAutoscalerController(context: ComponentContext): Component[] {
  return [runReconciler(context, new HorizontalController(context))];
}

/** One look at an autoscaler; the status is written at its end, however it ends. */
interface Round {
  hpa: Autoscaler;
  now: number;
  conditions: readonly Condition[];
  signal: AbortSignal;
}

class HorizontalController implements Reconciler {
  readonly name = 'horizontalpodautoscaler';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #autoscalers: Informer<Autoscaler>;
  readonly #sources: MetricSources;
  readonly #targetPods: TargetPods;
  readonly #histories = new Map<string, ScalingHistory>();

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#autoscalers = context.client.informer(HORIZONTAL_POD_AUTOSCALERS);
    this.#targetPods = new TargetPods(context.client.informer(PODS));
    this.#sources = { metrics: createMetricsClient(context.client), targets: createScaleTargets(context.client) };
  }

  setup(queue: { add(key: string): void }): void {
    this.#autoscalers.subscribe({
      added: (hpa) => queue.add(keyOf(hpa)),
      updated: (hpa, before) => {
        if (!semanticEqual(hpa.spec, before.spec)) queue.add(keyOf(hpa));
      },
      deleted: (hpa) => {
        this.#histories.delete(keyOf(hpa));
        this.#targetPods.forget(hpa);
      },
    });
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const hpa = this.#autoscalers.get(key);
    if (!hpa || hpa.metadata.deletionTimestamp) return;
    const round: Round = { hpa, now: this.#context.clock.now(), conditions: hpa.status?.conditions ?? [], signal };
    try {
      await this.#look(round);
    } catch (error) {
      // Upstream too looks again after its period and not sooner: what is missing is most often a metric.
      signal.throwIfAborted();
      this.#context.log.debug('an autoscaler could not do its work', { key, error });
    }
    return { afterMs: SYNC_MS };
  }

  async #look(round: Round): Promise<void> {
    const target = await this.#readTarget(round);
    note(round, 'AbleToScale', 'True', 'SucceededGetScale', "the HPA controller was able to get the target's current scale");
    const current = target.scale.spec?.replicas ?? 0;
    const history = this.#historyOf(round);
    history.begin(current, round.now);
    const wanted = await this.#wanted(round, target, history);
    if (wanted.replicas !== current) await this.#rescale(round, target, wanted);
    const desiredReplicas = wanted.replicas;
    await this.#write(round, current, {
      desiredReplicas,
      currentMetrics: wanted.statuses,
      ...(wanted.replicas === current ? {} : { lastScaleTime: timestamp(round.now) }),
    });
    if (wanted.error) throw wanted.error;
  }

  async #readTarget(round: Round): Promise<ScaleTarget> {
    const { hpa } = round;
    const { scaleTargetRef } = hpa.spec;
    try {
      return await this.#sources.targets.read(hpa.metadata.namespace!, scaleTargetRef);
    } catch (error) {
      const message = wordsOf(error);
      const whole =
        error instanceof UnknownTargetError
          ? `unable to determine resource for scale target reference: ${message}`
          : `failed to query scale subresource for ${referenceText(hpa)}: ${message}`;
      this.#context.events.event(hpa, 'Warning', 'FailedGetScale', message);
      note(round, 'AbleToScale', 'False', 'FailedGetScale', `the HPA controller was unable to get the target's current scale: ${message}`);
      await this.#write(round, hpa.status?.currentReplicas ?? 0, {});
      throw new Error(whole, { cause: error });
    }
  }

  async #wanted(round: Round, target: ScaleTarget, history: ScalingHistory): Promise<Wanted> {
    const { spec } = round.hpa;
    const { minReplicas: min = 1, maxReplicas: max, behavior } = spec;
    const current = target.scale.spec?.replicas ?? 0;
    if (current === 0 && min !== 0) {
      note(round, 'ScalingActive', 'False', 'ScalingDisabled', 'scaling is disabled since the replica count of the target is zero');
      return { replicas: 0, statuses: [], reason: '' };
    }
    if (current > max) return { replicas: max, statuses: [], reason: 'Current number of replicas above Spec.MaxReplicas' };
    if (current < min) return { replicas: min, statuses: [], reason: 'Current number of replicas below Spec.MinReplicas' };
    const { best, statuses, error } = await this.#ask(round, target);
    const desired = best.replicas;
    const limited = limit({ current, desired, min, max, behavior }, history, round.now);
    for (const { type, status, reason, message } of limited.conditions) note(round, type, status, reason, message);
    const reason = desired > current ? `${best.name} above target` : desired < current ? 'All metrics below target' : '';
    return { replicas: limited.replicas, statuses, reason, ...(error ? { error } : {}) };
  }

  /** Every metric; the one that asks for most counts. Throws when what is known allows no decision. */
  async #ask(round: Round, target: ScaleTarget): Promise<Answer> {
    const statuses: V2MetricStatus[] = [];
    try {
      return await this.#decide(round, target, statuses);
    } catch (error) {
      round.signal.throwIfAborted();
      const { hpa } = round;
      await this.#write(round, target.scale.spec?.replicas ?? 0, { currentMetrics: statuses });
      this.#context.events.event(hpa, 'Warning', 'FailedComputeMetricsReplicas', wordsOf(error));
      const what = `failed to compute desired number of replicas based on listed metrics for ${referenceText(hpa)}: ${wordsOf(error)}`;
      throw new Error(what, { cause: error });
    }
  }

  async #decide(round: Round, target: ScaleTarget, statuses: V2MetricStatus[]): Promise<Answer> {
    const scene = this.#scene(round, target);
    const specs = round.hpa.spec.metrics ?? [];
    const failures: MetricError[] = [];
    let best: MetricProposal | undefined;
    for (const spec of specs) {
      const proposal = await this.#tryMetric(round, scene, spec);
      if (proposal instanceof MetricError) failures.push(proposal);
      else if (!best || proposal.replicas > best.replicas) best = proposal;
      // The status of a metric stands where its spec stands.
      statuses.push(proposal instanceof MetricError ? { type: '' } : proposal.status);
    }
    const [first] = failures;
    const error =
      first &&
      new Error(`invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${first.message}`, { cause: first });
    // Where a metric is missing, the others may ask for more but not for less.
    if (first && (!best || best.replicas < scene.currentReplicas)) {
      note(round, 'ScalingActive', 'False', first.reason, `the HPA was unable to compute the replica count: ${first.why}`);
      throw error!;
    }
    note(
      round,
      'ScalingActive',
      'True',
      'ValidMetricFound',
      `the HPA was able to successfully calculate a replica count from ${best!.name}`,
    );
    return { best: best!, statuses, error };
  }

  /** Throws TargetPodsError. */
  #scene(round: Round, { scale }: ScaleTarget): MetricScene {
    const { hpa, now, signal } = round;
    try {
      return {
        ...this.#targetPods.select(hpa, scale),
        namespace: hpa.metadata.namespace!,
        currentReplicas: scale.spec?.replicas ?? 0,
        statusReplicas: scale.status?.replicas ?? 0,
        tolerances: tolerancesOf(hpa),
        now,
        signal,
      };
    } catch (error) {
      if (error instanceof TargetPodsError) {
        this.#context.events.event(hpa, 'Warning', error.event, error.message);
        note(round, 'ScalingActive', 'False', error.condition.reason, error.condition.message);
      }
      throw error;
    }
  }

  async #tryMetric(round: Round, scene: MetricScene, spec: V2MetricSpec): Promise<MetricProposal | MetricError> {
    try {
      return await propose(this.#sources, spec, scene);
    } catch (error) {
      if (!(error instanceof MetricError)) throw error;
      this.#context.events.event(round.hpa, 'Warning', error.reason, error.why);
      return error;
    }
  }

  async #rescale(round: Round, target: ScaleTarget, { replicas, reason, statuses }: Wanted): Promise<void> {
    const { hpa, now } = round;
    const current = target.scale.spec?.replicas ?? 0;
    try {
      await this.#sources.targets.write(hpa.metadata.namespace!, target, replicas);
    } catch (error) {
      const message = wordsOf(error);
      this.#context.events.event(hpa, 'Warning', 'FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${message}`);
      note(round, 'AbleToScale', 'False', 'FailedUpdateScale', `the HPA controller was unable to update the target scale: ${message}`);
      await this.#write(round, current, { currentMetrics: statuses });
      throw new Error(`failed to rescale ${referenceText(hpa)}: ${message}`, { cause: error });
    }
    note(round, 'AbleToScale', 'True', 'SucceededRescale', `the HPA controller was able to update the target scale to ${replicas}`);
    this.#context.events.event(hpa, 'Normal', 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`);
    this.#context.log.debug('rescaled', { autoscaler: keyOf(hpa), from: current, to: replicas, reason });
    if (hpa.spec.behavior) this.#historyOf(round).scaled(current, replicas, hpa.spec.behavior, now);
  }

  #historyOf({ hpa }: Round): ScalingHistory {
    const key = keyOf(hpa);
    let history = this.#histories.get(key);
    if (!history) this.#histories.set(key, (history = new ScalingHistory()));
    return history;
  }

  async #write({ hpa, conditions }: Round, currentReplicas: number, told: Partial<AutoscalerStatus>): Promise<void> {
    const { lastScaleTime, desiredReplicas = 0 } = hpa.status ?? {};
    const status: AutoscalerStatus = {
      ...(hpa.metadata.generation === undefined ? {} : { observedGeneration: hpa.metadata.generation }),
      ...(lastScaleTime ? { lastScaleTime } : {}),
      currentReplicas,
      desiredReplicas,
      ...told,
      conditions: [...conditions],
    };
    if (semanticEqual(status, hpa.status)) return;
    await unlessGone(this.#context.client.resource(HORIZONTAL_POD_AUTOSCALERS, hpa.metadata.namespace).updateStatus({ ...hpa, status }));
  }
}

interface Answer {
  best: MetricProposal;
  statuses: V2MetricStatus[];
  /** Some metric failed, and yet there is a decision. */
  error: Error | undefined;
}

interface Wanted {
  replicas: number;
  statuses: V2MetricStatus[];
  /** Why, where it is a change. */
  reason: string;
  /** Some metric failed, and yet there is a decision. */
  error?: Error;
}

function note(round: Round, type: NewCondition['type'], status: NewCondition['status'], reason: string, message: string): void {
  round.conditions = withCondition(round.conditions, { type, status, reason, message }, round.now);
}

function referenceText({ metadata, spec }: Autoscaler): string {
  return `${spec.scaleTargetRef.kind}/${metadata.namespace}/${spec.scaleTargetRef.name}`;
}

/** KEP-4951: an autoscaler may bring its own. */
function tolerancesOf({ spec }: Autoscaler): Tolerances {
  const of = (rules: V2HPAScalingRules | undefined): number =>
    rules?.tolerance === undefined ? TOLERANCE : Number(parseQuantity(rules.tolerance).nanos) / 1e9;
  return { up: of(spec.behavior?.scaleUp), down: of(spec.behavior?.scaleDown) };
}
