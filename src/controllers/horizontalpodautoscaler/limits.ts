/**
 * From what the metrics ask for to what is done: stabilization windows, then rates, then the bounds (the section "Configurable scaling behavior"
 * of upstream's page; KEP-853). Says why, in the conditions AbleToScale and ScalingLimited.
 */
import type { V2HPAScalingRules, V2HorizontalPodAutoscalerBehavior } from '../../api/types.gen.ts';
import type { NewCondition } from './conditions.ts';
import type { ScalingHistory } from './history.ts';

export interface Wish {
  current: number;
  desired: number;
  min: number;
  max: number;
  /** As the autoscaler has it: absent, the rules of old apply. */
  behavior: V2HorizontalPodAutoscalerBehavior | undefined;
}

export interface Limited {
  replicas: number;
  conditions: NewCondition[];
}

/** kube-controller-manager's --horizontal-pod-autoscaler-downscale-stabilization. */
const DOWNSCALE_STABILIZATION_MS = 300_000;
/** Without behavior an autoscaler may double, and always go to this many. */
const SCALE_UP_FACTOR = 2;
const SCALE_UP_MINIMUM = 4;

const UP_STABILIZED = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const DOWN_STABILIZED = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const READY = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const UP_LIMIT = { reason: 'ScaleUpLimit', message: 'the desired replica count is increasing faster than the maximum scale rate' };
const DOWN_LIMIT = { reason: 'ScaleDownLimit', message: 'the desired replica count is decreasing faster than the maximum scale rate' };
const TOO_MANY = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' };
const TOO_FEW = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' };
const WITHIN = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };

interface Told {
  reason: string;
  message: string;
}

interface Bounded {
  replicas: number;
  told: Told;
}

/** How many replicas there are to be now. Notes the wish in the history. `now` in milliseconds since the epoch. */
export function limit(wish: Wish, history: ScalingHistory, now: number): Limited {
  const { desired, behavior } = wish;
  const stabilized = behavior ? stabilizedBy(behavior, wish, history, now) : stabilizedDown(desired, history, now);
  history.recommended(desired, now);
  const able = stabilized === desired ? READY : behavior && desired >= wish.current ? UP_STABILIZED : DOWN_STABILIZED;
  const bounded = behavior
    ? boundedBy(behavior, { ...wish, desired: stabilized }, history, now)
    : boundedAsOfOld({ ...wish, desired: stabilized });
  return {
    replicas: bounded.replicas,
    conditions: [
      { type: 'AbleToScale', status: 'True', ...able },
      { type: 'ScalingLimited', status: bounded.replicas === stabilized ? 'False' : 'True', ...bounded.told },
    ],
  };
}

function stabilizedDown(desired: number, history: ScalingHistory, now: number): number {
  return Math.max(desired, ...history.recent(DOWNSCALE_STABILIZATION_MS, now));
}

function stabilizedBy(
  { scaleUp, scaleDown }: V2HorizontalPodAutoscalerBehavior,
  { current, desired }: Wish,
  history: ScalingHistory,
  now: number,
): number {
  const upMs = (scaleUp?.stabilizationWindowSeconds ?? 0) * 1000;
  const downMs =
    scaleDown?.stabilizationWindowSeconds === undefined ? DOWNSCALE_STABILIZATION_MS : scaleDown.stabilizationWindowSeconds * 1000;
  const lowest = Math.min(desired, ...history.recent(upMs, now));
  const highest = Math.max(desired, ...history.recent(downMs, now));
  return Math.min(Math.max(current, lowest), highest);
}

function boundedAsOfOld({ current, desired, min, max }: Wish): Bounded {
  const rate = Math.max(SCALE_UP_FACTOR * current, SCALE_UP_MINIMUM);
  const most = max > rate ? { replicas: rate, told: UP_LIMIT } : { replicas: max, told: TOO_MANY };
  if (desired < min) return { replicas: min, told: TOO_FEW };
  return desired > most.replicas ? most : { replicas: desired, told: WITHIN };
}

function boundedBy(
  { scaleUp, scaleDown }: V2HorizontalPodAutoscalerBehavior,
  { current, desired, min, max }: Wish,
  history: ScalingHistory,
  now: number,
): Bounded {
  if (desired > current) {
    const rate = Math.max(current, reachOf(scaleUp, current, 1, history, now));
    const most = max > rate ? { replicas: rate, told: UP_LIMIT } : { replicas: max, told: TOO_MANY };
    if (desired > most.replicas) return most;
  } else if (desired < current) {
    const rate = Math.min(current, reachOf(scaleDown, current, -1, history, now));
    const least = min < rate ? { replicas: rate, told: DOWN_LIMIT } : { replicas: min, told: TOO_FEW };
    if (desired < least.replicas) return least;
  }
  return { replicas: desired, told: WITHIN };
}

/** How far the policies let the replicas go in one direction, up (1) or down (-1). */
function reachOf(rules: V2HPAScalingRules | undefined, current: number, direction: 1 | -1, history: ScalingHistory, now: number): number {
  if (rules?.selectPolicy === 'Disabled') return current;
  const reaches = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
    const before = history.replicasBefore(current, periodSeconds, now);
    if (type === 'Pods') return before + direction * value;
    const reached = before * (1 + (direction * value) / 100);
    return direction === 1 ? Math.ceil(reached) : Math.trunc(reached);
  });
  // `Max` is the policy that changes most, `Min` the one that changes least.
  const upwards = (rules?.selectPolicy === 'Min') !== (direction === 1);
  return upwards ? Math.max(...reaches) : Math.min(...reaches);
}
