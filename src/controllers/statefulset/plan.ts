/** The next steps of a StatefulSet: which pods to make and which to delete, in their order. */
import type { Pod, StatefulSet } from '../../api/types.gen.ts';
import { isAvailable, isReady, isTerminal, isTerminating } from '../pods/pod-state.ts';
import { resolveIntOrPercent } from '../rollout/int-or-percent.ts';
import { ordinalOf, revisionNameOf } from './identity.ts';

export interface Revisions {
  /** Names of ControllerRevisions. */
  current: string;
  update: string;
}

export interface SetPlan {
  create: { ordinal: number; revision: 'current' | 'update' }[];
  delete: Pod[];
}

/** The ordinals that the set should have. */
function ordinals({ spec }: StatefulSet): { first: number; end: number } {
  const first = spec?.ordinals?.start ?? 0;
  return { first, end: first + (spec?.replicas ?? 1) };
}

export function hasOrdinal(set: StatefulSet, ordinal: number): boolean {
  const { first, end } = ordinals(set);
  return ordinal >= first && ordinal < end;
}

/**
 * With OrderedReady one pod at a time, from the lowest ordinal up, each after the one before is available; from the highest down when the set
 * shrinks. With Parallel all at once. Updates go from the highest ordinal down, and only when all others are as they should be.
 */
export function planSet(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, now: number): SetPlan {
  const plan: SetPlan = { create: [], delete: [] };
  const isOrdered = set.spec?.podManagementPolicy !== 'Parallel';
  const { first, end } = ordinals(set);
  const at = new Map(pods.map((pod) => [ordinalOf(pod, set)!, pod]));
  const isHealthy = (pod: Pod): boolean => isReady(pod) && !isTerminating(pod) && isAvailable(pod, set.spec?.minReadySeconds ?? 0, now);
  for (let ordinal = first; ordinal < end; ordinal++) {
    const pod = at.get(ordinal);
    if (!pod) plan.create.push({ ordinal, revision: revisionFor(set, ordinal) });
    else if (isTerminal(pod) && !isTerminating(pod)) plan.delete.push(pod);
    if (isOrdered && (!pod || !isHealthy(pod))) return plan;
  }
  if (!condemn(set, pods, plan, { isOrdered, isHealthy })) return plan;
  if (set.spec?.updateStrategy?.type !== 'OnDelete') update(set, at, plan, { revision: revisions.update, isHealthy });
  return plan;
}

interface Rules {
  isOrdered: boolean;
  isHealthy: (pod: Pod) => boolean;
}

/** Returns whether the set may go on to updates. */
function condemn(set: StatefulSet, pods: readonly Pod[], plan: SetPlan, { isOrdered, isHealthy }: Rules): boolean {
  const of = (pod: Pod): number => ordinalOf(pod, set)!;
  const surplus = pods.filter((pod) => !hasOrdinal(set, of(pod))).toSorted((a, b) => of(b) - of(a));
  const unhealthy = surplus.filter((pod) => !isHealthy(pod)).at(-1);
  for (const pod of surplus) {
    if (isTerminating(pod)) {
      if (isOrdered) return false;
      continue;
    }
    // One that is not well goes only if no other is unwell below it: the set must not lose more than it can tell.
    if (isOrdered && !isHealthy(pod) && pod !== unhealthy) return false;
    plan.delete.push(pod);
    if (isOrdered) return false;
  }
  return true;
}

/**
 * From the highest ordinal down, as many at a time as may be unavailable. Pods that are unavailable anywhere in the set count, so that no
 * more become so; an old one of them may be replaced all the same: it serves nobody, and a mended template must get past it.
 */
function update(
  set: StatefulSet,
  at: ReadonlyMap<number, Pod>,
  plan: SetPlan,
  { revision, isHealthy }: { revision: string } & Pick<Rules, 'isHealthy'>,
): void {
  const { first, end } = ordinals(set);
  const { partition = 0, maxUnavailable = 1 } = set.spec?.updateStrategy?.rollingUpdate ?? {};
  const most = Math.max(1, resolveIntOrPercent(maxUnavailable, set.spec?.replicas ?? 1, 'up'));
  const isDown = (pod: Pod | undefined): boolean => !pod || !isHealthy(pod) || plan.delete.includes(pod);
  let down = 0;
  for (let ordinal = first; ordinal < end; ordinal++) if (isDown(at.get(ordinal))) down++;
  let passed = 0;
  for (let ordinal = end - 1; ordinal >= first + partition && passed < most; ordinal--) {
    const pod = at.get(ordinal);
    const isOld = pod !== undefined && revisionNameOf(pod) !== revision && !isTerminating(pod) && !plan.delete.includes(pod);
    if (isDown(pod)) {
      passed++;
      if (isOld) plan.delete.push(pod);
    } else if (isOld && down < most) {
      plan.delete.push(pod);
      passed++;
      down++;
    }
  }
}

/** Below the partition pods keep the revision that the set had. */
function revisionFor({ spec }: StatefulSet, ordinal: number): 'current' | 'update' {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  const isHeldBack = type !== 'OnDelete' && ordinal < (spec?.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
  return isHeldBack ? 'current' : 'update';
}
