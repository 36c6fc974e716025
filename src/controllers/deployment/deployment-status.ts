import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/types.gen.ts';
import {
  findCondition,
  hasProgressed,
  hasTimedOut,
  isComplete,
  NEW_REPLICA_SET_AVAILABLE,
  progressDeadlineMs,
  PROGRESS_DEADLINE_EXCEEDED,
  withCondition,
  withoutCondition,
  withUpdatedCondition,
  type Conditions,
} from './conditions.ts';
import { availableReplicas, maxUnavailable, sum, wantedReplicas } from './limits.ts';

/** The ReplicaSets of a Deployment: that of its template, once there is one, and all others. */
export interface Family {
  current: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
}

export function allOf({ current, old }: Family): ReplicaSet[] {
  return current ? [...old, current] : [...old];
}

/** Counts and the condition Available, from what the ReplicaSets report. `now` in milliseconds since the epoch. */
export function countedStatus(deployment: Deployment, family: Family, now: number): DeploymentStatus {
  const { metadata, spec, status: before = {} } = deployment;
  const all = allOf(family);
  const available = availableReplicas(all);
  const status: DeploymentStatus = {};
  const counts = {
    observedGeneration: metadata.generation ?? 0,
    replicas: sum(all, ({ status }) => status?.replicas ?? 0),
    updatedReplicas: family.current?.status?.replicas ?? 0,
    readyReplicas: sum(all, ({ status }) => status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wantedReplicas(all) - available),
  };
  for (const [name, count] of Object.entries(counts)) if (count > 0) status[name as keyof typeof counts] = count;
  const terminating = all.map(({ status }) => status?.terminatingReplicas);
  if (terminating.every((count) => count !== undefined)) status.terminatingReplicas = sum(terminating, (count) => count);
  if (before.collisionCount !== undefined) status.collisionCount = before.collisionCount;
  const enough = available >= (spec?.replicas ?? 1) - maxUnavailable(deployment);
  const condition = enough
    ? ({ status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' } as const)
    : ({ status: 'False', reason: 'MinimumReplicasUnavailable', message: 'Deployment does not have minimum availability.' } as const);
  return withConditions(status, withCondition(before.conditions ?? [], 'Available', condition, now));
}

/** `countedStatus` with how the rollout goes: Progressing and ReplicaFailure. */
export function rolloutStatus(deployment: Deployment, family: Family, now: number): DeploymentStatus {
  const status = countedStatus(deployment, family, now);
  let conditions: Conditions = status.conditions ?? [];
  if (progressDeadlineMs(deployment) === undefined) conditions = withoutCondition(conditions, 'Progressing');
  else if (!wasAtItsEnd(deployment, status)) conditions = withProgress(deployment, family, status, now);
  conditions = withoutCondition(conditions, 'ReplicaFailure');
  const failure = replicaFailure(family);
  // As it is on the ReplicaSet; its transition time is that of this condition while the reason stays.
  if (failure) conditions = withCondition([...conditions, ...current(deployment, 'ReplicaFailure')], 'ReplicaFailure', failure, now);
  return withConditions(status, conditions);
}

export function withConditions(status: DeploymentStatus, conditions: Conditions): DeploymentStatus {
  const { conditions: _before, ...rest } = status;
  return conditions.length > 0 ? { ...rest, conditions: [...conditions] } : rest;
}

/** A finished rollout stays so while pods come and go; only a change of the template begins another. */
function wasAtItsEnd({ status: before }: Deployment, status: DeploymentStatus): boolean {
  return (
    status.replicas === status.updatedReplicas && findCondition(before?.conditions, 'Progressing')?.reason === NEW_REPLICA_SET_AVAILABLE
  );
}

function withProgress(deployment: Deployment, family: Family, status: DeploymentStatus, now: number): Conditions {
  const conditions = status.conditions ?? [];
  const who = family.current ? `ReplicaSet "${family.current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (isComplete(deployment, status)) {
    return withCondition(
      conditions,
      'Progressing',
      { status: 'True', reason: NEW_REPLICA_SET_AVAILABLE, message: `${who} has successfully progressed.` },
      now,
    );
  }
  if (hasProgressed(deployment, status)) {
    return withUpdatedCondition(
      conditions,
      'Progressing',
      { status: 'True', reason: 'ReplicaSetUpdated', message: `${who} is progressing.` },
      now,
    );
  }
  if (hasTimedOut(deployment, conditions, now)) {
    return withCondition(
      conditions,
      'Progressing',
      { status: 'False', reason: PROGRESS_DEADLINE_EXCEEDED, message: `${who} has timed out progressing.` },
      now,
    );
  }
  return conditions;
}

/** The failure of the present ReplicaSet, else of any. */
function replicaFailure({ current, old }: Family): { status: 'True' | 'False' | 'Unknown'; reason: string; message: string } | undefined {
  for (const replicaSet of current ? [current, ...old] : old) {
    const found = replicaSet.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    if (found) return { status: found.status as 'True', reason: found.reason ?? '', message: found.message ?? '' };
  }
  return undefined;
}

function current({ status }: Deployment, type: 'ReplicaFailure'): DeploymentCondition[] {
  const found = findCondition(status?.conditions, type);
  return found ? [found] : [];
}
