import type { Pod, StatefulSet, StatefulSetStatus } from '../../api/types.gen.ts';
import { isAvailable, isReady, isTerminating } from '../pods/pod-state.ts';
import { revisionNameOf } from './identity.ts';
import type { Revisions } from './plan.ts';

/** Counts from the pods as they were seen; a finished update makes its revision the current one. */
export function nextStatus(
  { metadata, spec, status }: StatefulSet,
  pods: readonly Pod[],
  revisions: Revisions,
  now: number,
): StatefulSetStatus {
  const staying = pods.filter((pod) => !isTerminating(pod));
  const ready = pods.filter((pod) => isReady(pod) && pod.status?.phase === 'Running');
  const of = (revision: string): number => staying.filter((pod) => revisionNameOf(pod) === revision).length;
  const isDone = spec?.updateStrategy?.type !== 'OnDelete' && of(revisions.update) === pods.length && ready.length === pods.length;
  const current = isDone ? revisions.update : revisions.current;
  const counts = { readyReplicas: ready.length, currentReplicas: of(current), updatedReplicas: of(revisions.update) };
  const next: StatefulSetStatus = {
    observedGeneration: metadata.generation ?? 0,
    replicas: pods.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, spec?.minReadySeconds ?? 0, now)).length,
    currentRevision: current,
    updateRevision: revisions.update,
    collisionCount: status?.collisionCount ?? 0,
  };
  for (const [name, count] of Object.entries(counts)) if (count > 0) next[name as keyof typeof counts] = count;
  if (status?.conditions) next.conditions = status.conditions;
  return next;
}
