import type { Deployment, ReplicaSet } from '../../api/types.gen.ts';
import { maxSurge, wantedReplicas } from './limits.ts';
import { MAX_REPLICAS, numberAnnotation, olderFirst } from './revisions.ts';

/**
 * The sizes of the ReplicaSets with pods when the Deployment is scaled in the middle of a rollout: what is added or taken away is shared
 * out by their sizes, so that the risk of the new version stays the same. What rounding leaves over goes to the biggest.
 *
 *     4 wanted, 3 old + 2 new, scaled to 8 (surge 25 %): 10 in all; 5 more, of them 3 old and 2 new
 */
export function proportionalSizes(deployment: Deployment, active: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const wanted = deployment.spec?.replicas ?? 1;
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - wantedReplicas(active);
  const sorted = active.toSorted((a, b) => sizeOf(b) - sizeOf(a) || (toAdd > 0 ? olderFirst(b, a) : olderFirst(a, b)));
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const replicaSet of sorted) {
    const share = toAdd === 0 ? 0 : shareOf(deployment, replicaSet, toAdd - added);
    sizes.set(replicaSet, sizeOf(replicaSet) + share);
    added += share;
  }
  const [biggest] = sorted;
  if (biggest && toAdd !== added) sizes.set(biggest, Math.max(0, sizes.get(biggest)! + toAdd - added));
  return sizes;
}

function shareOf(deployment: Deployment, replicaSet: ReplicaSet, left: number): number {
  if (sizeOf(replicaSet) === 0 || left === 0) return 0;
  const fraction = fractionOf(deployment, replicaSet);
  return left > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
}

/** How much the ReplicaSet would grow if it kept its part of the whole. */
function fractionOf(deployment: Deployment, replicaSet: ReplicaSet): number {
  const wanted = deployment.spec?.replicas ?? 1;
  const size = sizeOf(replicaSet);
  if (wanted === 0) return -size;
  const before = numberAnnotation(replicaSet, MAX_REPLICAS) || deployment.status?.replicas || 0;
  if (before === 0) return 0;
  return Math.round((size * (wanted + maxSurge(deployment))) / before) - size;
}

function sizeOf({ spec }: ReplicaSet): number {
  return spec?.replicas ?? 0;
}
