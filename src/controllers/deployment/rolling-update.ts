/** How far old ReplicaSets may shrink now without going below the number of pods that must be available. */
import type { Deployment, ReplicaSet } from '../../api/types.gen.ts';
import { allOf, type Family } from './deployment-status.ts';
import { isObserved, lastingReplicas, maxUnavailable, wantedReplicas } from './limits.ts';
import { byAge } from './revisions.ts';

/**
 * The old ReplicaSets that change, with their new sizes. Pods that are not available go first: they serve nobody and may never do, so a
 * rollout can get past a version that does not start. Then as many others as may be missed, from the oldest ReplicaSet on.
 *
 *     10 wanted, maxUnavailable 2, maxSurge 3: 10 old available, 3 new not yet: 13 - 8 - 3 = 2 of the old may go
 */
export function shrinkOld(deployment: Deployment, family: Family): Map<ReplicaSet, number> {
  const sizes = new Map<ReplicaSet, number>();
  if (wantedReplicas(family.old) === 0) return sizes;
  const all = allOf(family);
  const mustBeAvailable = (deployment.spec?.replicas ?? 1) - maxUnavailable(deployment);
  const unavailableNew = (family.current?.spec?.replicas ?? 0) - lastingReplicas(family.current ? [family.current] : []);
  const atMost = wantedReplicas(all) - mustBeAvailable - unavailableNew;
  if (atMost <= 0) return sizes;
  const old = byAge(family.old);
  take(old, sizes, atMost, (replicaSet, size) => (isObserved(replicaSet) ? size - (replicaSet.status?.availableReplicas ?? 0) : 0));
  take(old, sizes, lastingReplicas(all) - mustBeAvailable, (_replicaSet, size) => size);
  return sizes;
}

/** Takes up to `count` pods away in all, and from each ReplicaSet no more than `from` says. */
function take(
  old: readonly ReplicaSet[],
  sizes: Map<ReplicaSet, number>,
  count: number,
  from: (replicaSet: ReplicaSet, size: number) => number,
): void {
  let left = count;
  for (const replicaSet of old) {
    if (left <= 0) return;
    const size = sizes.get(replicaSet) ?? replicaSet.spec?.replicas ?? 0;
    const taken = Math.min(left, size, from(replicaSet, size));
    if (taken <= 0) continue;
    sizes.set(replicaSet, size - taken);
    left -= taken;
  }
}
