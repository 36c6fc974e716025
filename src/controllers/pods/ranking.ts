/** Which pods go first when there are too many: upstream's order (controller.ActivePodsWithRanks), those that serve the least first. */
import type { Pod } from '../../api/types.gen.ts';
import { isReady, readyCondition } from './pod-state.ts';

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The `count` pods to delete first. `onSameNode` says how many pods of the same family share a pod's node; `now` in milliseconds since the
 * epoch.
 */
export function podsToDelete(pods: readonly Pod[], count: number, onSameNode: (pod: Pod) => number, now: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const ranked = pods.map((pod) => rank(pod, onSameNode(pod), now));
  return ranked
    .toSorted(compare)
    .slice(0, count)
    .map(({ pod }) => pod);
}

interface Ranked {
  pod: Pod;
  /** Smaller numbers go first, compared from left to right. */
  order: readonly number[];
}

function rank(pod: Pod, sharing: number, now: number): Ranked {
  const ready = isReady(pod);
  const order = [
    pod.spec?.nodeName ? 1 : 0,
    PHASE_ORDER[pod.status?.phase ?? ''] ?? 0,
    ready ? 1 : 0,
    deletionCost(pod),
    -sharing,
    // Ages are compared by their order of magnitude only, so that not always the newest go (LogarithmicScaleDown).
    ready ? magnitude(readyCondition(pod)?.lastTransitionTime, now) : 0,
    -restarts(pod),
    magnitude(pod.metadata.creationTimestamp, now),
  ];
  return { pod, order };
}

function compare(a: Ranked, b: Ranked): number {
  for (const [i, value] of a.order.entries()) {
    const difference = value - b.order[i]!;
    if (difference !== 0) return difference;
  }
  return a.pod.metadata.uid! < b.pod.metadata.uid! ? -1 : 1;
}

/** Values that are no number count as 0; the API server refuses them on pods that are new. */
function deletionCost({ metadata }: Pod): number {
  const text = metadata.annotations?.[DELETION_COST] ?? '0';
  return /^-?(0|[1-9]\d*)$/.test(text) ? Number(text) : 0;
}

function restarts({ status }: Pod): number {
  const counts = (status?.containerStatuses ?? []).map(({ restartCount }) => restartCount);
  return Math.max(0, ...counts);
}

/** The binary logarithm of an age in nanoseconds, rounded down: upstream's steps. Without a time it is the newest of all. */
function magnitude(since: string | undefined, now: number): number {
  if (!since) return -1;
  const ageMs = now - Date.parse(since);
  return ageMs <= 0 ? 0 : Math.floor(Math.log2(ageMs * 1e6));
}
