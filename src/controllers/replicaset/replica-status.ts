import { semanticEqual } from '../../api/patch/json.ts';
import type { Pod } from '../../api/types.gen.ts';
import { isActive, isAvailable, isReady, isTerminal, isTerminating } from '../pods/pod-state.ts';
import { messageOf } from '../pods/pod-control.ts';
import { timestamp } from '../../api/time.ts';
import type { ReplicaCondition, ReplicaOwner, ReplicaStatus } from './replica-kind.ts';

const REPLICA_FAILURE = 'ReplicaFailure';

/** What went wrong when pods were created or deleted. */
export interface ReplicaFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  error: unknown;
}

export interface Observation {
  pods: readonly Pod[];
  failure: ReplicaFailure | undefined;
  countsTerminating: boolean;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The status that follows from `pods`; undefined when the owner has just that already. */
export function nextStatus(owner: ReplicaOwner, { pods, failure, countsTerminating, now }: Observation): ReplicaStatus | undefined {
  const { spec, status = { replicas: 0 }, metadata } = owner;
  const active = pods.filter(isActive);
  const minReadySeconds = spec?.minReadySeconds ?? 0;
  const templateLabels = Object.entries(spec?.template?.metadata?.labels ?? {});
  const next: ReplicaStatus = { ...status, replicas: active.length };
  setCount(
    next,
    'fullyLabeledReplicas',
    active.filter((pod) => templateLabels.every(([key, value]) => pod.metadata.labels?.[key] === value)).length,
  );
  setCount(next, 'readyReplicas', active.filter(isReady).length);
  setCount(next, 'availableReplicas', active.filter((pod) => isAvailable(pod, minReadySeconds, now)).length);
  if (countsTerminating) next.terminatingReplicas = pods.filter((pod) => isTerminating(pod) && !isTerminal(pod)).length;
  if (metadata.generation !== undefined) next.observedGeneration = metadata.generation;
  const conditions = withFailure(status.conditions ?? [], failure, now);
  if (conditions.length > 0) next.conditions = conditions;
  else delete next.conditions;
  return semanticEqual(next, status) ? undefined : next;
}

/** Counts of 0 are left out, as Go's omitempty has it. */
function setCount(status: ReplicaStatus, field: 'fullyLabeledReplicas' | 'readyReplicas' | 'availableReplicas', count: number): void {
  if (count > 0) status[field] = count;
  else delete status[field];
}

/** The first failure stands until all is well again, so that retries do not rewrite the status. */
function withFailure(conditions: readonly ReplicaCondition[], failure: ReplicaFailure | undefined, now: number): ReplicaCondition[] {
  const others = conditions.filter(({ type }) => type !== REPLICA_FAILURE);
  if (!failure) return others;
  if (others.length < conditions.length) return [...conditions];
  return [
    ...others,
    {
      type: REPLICA_FAILURE,
      status: 'True',
      reason: failure.reason,
      message: messageOf(failure.error),
      lastTransitionTime: timestamp(now),
    },
  ];
}
