/** How far a rolling update may go above and below the wanted number of pods. */
import type { Deployment, ReplicaSet } from '../../api/types.gen.ts';
import { resolveIntOrPercent } from '../rollout/int-or-percent.ts';

export function isRollingUpdate({ spec }: Deployment): boolean {
  return spec?.strategy?.type === 'RollingUpdate';
}

export function maxSurge(deployment: Deployment): number {
  if (!isRollingUpdate(deployment)) return 0;
  return resolveIntOrPercent(deployment.spec?.strategy?.rollingUpdate?.maxSurge, deployment.spec?.replicas ?? 1, 'up');
}

/** At least 1 where surge is 0 too, since a rollout could not move; never more than all. */
export function maxUnavailable(deployment: Deployment): number {
  const replicas = deployment.spec?.replicas ?? 1;
  if (!isRollingUpdate(deployment) || replicas === 0) return 0;
  const resolved = resolveIntOrPercent(deployment.spec?.strategy?.rollingUpdate?.maxUnavailable, replicas, 'down');
  return Math.min(resolved === 0 && maxSurge(deployment) === 0 ? 1 : resolved, replicas);
}

/** What the ReplicaSets ask for together. */
export function wantedReplicas(replicaSets: readonly ReplicaSet[]): number {
  return sum(replicaSets, ({ spec }) => spec?.replicas ?? 0);
}

/** As `availableReplicas`, of those that will stay so. */
export function lastingReplicas(replicaSets: readonly ReplicaSet[]): number {
  return sum(replicaSets, lastingOf);
}

/**
 * The pods of a ReplicaSet that serve and will go on to. None where its status does not answer to its present size: pods that it counts may
 * be on their way out.
 */
function lastingOf({ metadata, spec, status }: ReplicaSet): number {
  return isObserved({ metadata, status }) ? Math.min(spec?.replicas ?? 0, status?.availableReplicas ?? 0) : 0;
}

/** The status answers to the present size. */
export function isObserved({ metadata, status }: Pick<ReplicaSet, 'metadata' | 'status'>): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

export function availableReplicas(replicaSets: readonly ReplicaSet[]): number {
  return sum(replicaSets, ({ status }) => status?.availableReplicas ?? 0);
}

export function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

/** The size of the present ReplicaSet that the strategy allows now. */
export function newReplicaSetSize(deployment: Deployment, replicaSets: readonly ReplicaSet[], current: number): number {
  const wanted = deployment.spec?.replicas ?? 1;
  if (!isRollingUpdate(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - wantedReplicas(replicaSets);
  return room <= 0 ? current : current + Math.min(room, wanted - current);
}
