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
  /** Of `delete`, those that are there no more because the set shrank. */
  condemned: Pod[];
}

/** The ordinals that the set should have. */
export function ordinals({ spec }: StatefulSet): { first: number; end: number } {
  const first = spec?.ordinals?.start ?? 0;
  return { first, end: first + (spec?.replicas ?? 1) };
}

/**
 * With OrderedReady one pod at a time, from the lowest ordinal up, each after the one before is available; from the highest down when the set
 * shrinks. With Parallel all at once. Updates go from the highest ordinal down, and only when all others are as they should be.
 */
export function planSet(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, now: number): SetPlan {
  const plan: SetPlan = { create: [], delete: [], condemned: [] };
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
  const { first, end } = ordinals(set);
  const of = (pod: Pod): number => ordinalOf(pod, set)!;
  const surplus = pods.filter((pod) => of(pod) < first || of(pod) >= end).toSorted((a, b) => of(b) - of(a));
  const unhealthy = surplus.filter((pod) => !isHealthy(pod)).at(-1);
  for (const pod of surplus) {
    if (isTerminating(pod)) {
      if (isOrdered) return false;
      continue;
    }
    // One that is not well goes only if no other is unwell below it: the set must not lose more than it can tell.
    if (isOrdered && !isHealthy(pod) && pod !== unhealthy) return false;
    plan.delete.push(pod);
    plan.condemned.push(pod);
    if (isOrdered) return false;
  }
  return true;
}

function update(
  set: StatefulSet,
  at: ReadonlyMap<number, Pod>,
  plan: SetPlan,
  { revision, isHealthy }: { revision: string } & Pick<Rules, 'isHealthy'>,
): void {
  const { first, end } = ordinals(set);
  const { partition = 0, maxUnavailable = 1 } = set.spec?.updateStrategy?.rollingUpdate ?? {};
  let budget = Math.max(1, resolveIntOrPercent(maxUnavailable, set.spec?.replicas ?? 1, 'up'));
  for (let ordinal = end - 1; ordinal >= first + partition && budget > 0; ordinal--) {
    const pod = at.get(ordinal);
    const isOld = pod !== undefined && revisionNameOf(pod) !== revision && !isTerminating(pod);
    if (isOld && !plan.delete.includes(pod)) plan.delete.push(pod);
    if (isOld || !pod || !isHealthy(pod)) budget--;
  }
}

/** Below the partition pods keep the revision that the set had. */
function revisionFor({ spec }: StatefulSet, ordinal: number): 'current' | 'update' {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {};
  const isHeldBack = type !== 'OnDelete' && ordinal < (spec?.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
  return isHeldBack ? 'current' : 'update';
}
