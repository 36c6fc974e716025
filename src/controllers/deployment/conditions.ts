/** Conditions of a Deployment, with upstream's reasons (pkg/controller/deployment/util). */
import type { DeploymentCondition, DeploymentStatus, Deployment } from '../../api/types.gen.ts';
import { timestamp } from '../../api/time.ts';

export type ConditionType = 'Available' | 'Progressing' | 'ReplicaFailure';
export type Conditions = readonly DeploymentCondition[];

export const NEW_REPLICA_SET_AVAILABLE = 'NewReplicaSetAvailable';
export const PROGRESS_DEADLINE_EXCEEDED = 'ProgressDeadlineExceeded';

/** 2^31-1 is upstream's way to write "no deadline". */
const NO_DEADLINE = 2 ** 31 - 1;

export function progressDeadlineMs({ spec }: Deployment): number | undefined {
  const seconds = spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === NO_DEADLINE ? undefined : seconds * 1000;
}

export function findCondition(conditions: Conditions | undefined, type: ConditionType): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function withoutCondition(conditions: Conditions, type: ConditionType): Conditions {
  return conditions.filter((condition) => condition.type !== type);
}

/** `reason`, `message` and the status of a condition that is about to be set. */
export interface NewCondition {
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

/** Unchanged while status and reason are the same; the transition time changes with the status alone. `now` in milliseconds. */
export function withCondition(conditions: Conditions, type: ConditionType, next: NewCondition, now: number): Conditions {
  const current = findCondition(conditions, type);
  if (current?.status === next.status && current.reason === next.reason) return conditions;
  return withUpdatedCondition(conditions, type, next, now);
}

/** As `withCondition`, but always with a new update time: that is how progress is told. */
export function withUpdatedCondition(conditions: Conditions, type: ConditionType, next: NewCondition, now: number): Conditions {
  const current = findCondition(conditions, type);
  const time = timestamp(now);
  const lastTransitionTime = current?.status === next.status ? (current.lastTransitionTime ?? time) : time;
  return [...withoutCondition(conditions, type), { type, ...next, lastUpdateTime: time, lastTransitionTime }];
}

/** All pods are of the present template and available, and none of another is left. */
export function isComplete({ spec, metadata }: Deployment, status: DeploymentStatus): boolean {
  const wanted = spec?.replicas ?? 1;
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, observedGeneration = 0 } = status;
  return (
    updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted && observedGeneration >= (metadata.generation ?? 0)
  );
}

/** The rollout moved since the status was last written. */
export function hasProgressed({ status: before = {} }: Deployment, status: DeploymentStatus): boolean {
  const old = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number => replicas - updatedReplicas;
  return (
    (status.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(status) < old(before) ||
    (status.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** When a rollout that does not move misses its deadline, in milliseconds since the epoch; undefined when it has none or is at its end. */
export function deadlineOf(deployment: Deployment, conditions: Conditions): number | undefined {
  const limit = progressDeadlineMs(deployment);
  const progressing = findCondition(conditions, 'Progressing');
  if (limit === undefined || !progressing || progressing.reason === NEW_REPLICA_SET_AVAILABLE) return undefined;
  return Date.parse(progressing.lastUpdateTime ?? '') + limit;
}

export function hasTimedOut(deployment: Deployment, conditions: Conditions, now: number): boolean {
  const deadline = deadlineOf(deployment, conditions);
  if (deadline === undefined) return false;
  return findCondition(conditions, 'Progressing')?.reason === PROGRESS_DEADLINE_EXCEEDED || deadline < now;
}
