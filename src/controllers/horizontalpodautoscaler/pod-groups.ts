/** Which of an autoscaler's pods count in a calculation, and what they request. */
import { cpuMillis as milliOf } from '../../api/codec/quantity.ts';
import type { Pod } from '../../api/types.gen.ts';
import { readyCondition } from '../pods/pod-state.ts';
import type { PodMetric, PodMetricsByName } from './metrics-client.ts';

/** kube-controller-manager's --horizontal-pod-autoscaler-cpu-initialization-period: so long what a starting pod burns is not load. */
export const CPU_INITIALIZATION_MS = 300_000;
/** Its --horizontal-pod-autoscaler-initial-readiness-delay: unready within so long of its start, a pod has never been ready. */
const INITIAL_READINESS_DELAY_MS = 30_000;

export interface PodGroups {
  readyCount: number;
  /** Pending, or of a CPU use that tells nothing yet. */
  unready: ReadonlySet<string>;
  /** Without a metric. */
  missing: ReadonlySet<string>;
  /** Failed, or being deleted. */
  ignored: ReadonlySet<string>;
}

/** Every pod in one of the groups, or counted as ready. `now` in milliseconds since the epoch. */
export function groupPods(pods: readonly Pod[], metrics: PodMetricsByName, resource: string, now: number): PodGroups {
  const [unready, missing, ignored] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let readyCount = 0;
  for (const pod of pods) {
    const name = pod.metadata.name!;
    const metric = metrics.get(name);
    if (pod.metadata.deletionTimestamp || pod.status?.phase === 'Failed') ignored.add(name);
    else if (pod.status?.phase === 'Pending') unready.add(name);
    else if (!metric) missing.add(name);
    else if (resource === 'cpu' && isStillStarting(pod, metric, now)) unready.add(name);
    else readyCount++;
  }
  return { readyCount, unready, missing, ignored };
}

function isStillStarting(pod: Pod, metric: PodMetric, now: number): boolean {
  const ready = readyCondition(pod);
  if (!ready || !pod.status?.startTime) return true;
  const startedAt = Date.parse(pod.status.startTime);
  const changedAt = ready.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : 0;
  if (startedAt + CPU_INITIALIZATION_MS > now) {
    // A sample counts once its whole window is after the pod became ready.
    return ready.status === 'False' || metric.at < changedAt + metric.windowMs;
  }
  return ready.status === 'False' && startedAt + INITIAL_READINESS_DELAY_MS > changedAt;
}

/**
 * What each pod requests of the resource, by its name, in thousandths; of one container where `container` names it. Throws when a container
 * requests nothing: a share of nothing cannot be told.
 */
export function requestsOf(pods: readonly Pod[], resource: string, container: string): Map<string, number> {
  return new Map(pods.map((pod) => [pod.metadata.name!, requestOf(pod, resource, container)]));
}

function requestOf({ metadata, spec }: Pod, resource: string, container: string): number {
  const ofPod = spec?.resources?.requests?.[resource];
  if (!container && ofPod !== undefined) return milliOf(ofPod);
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  let sum = 0;
  for (const { name, resources } of [...(spec?.containers ?? []), ...sidecars]) {
    if (container && name !== container) continue;
    const request = resources?.requests?.[resource];
    if (request === undefined) throw new Error(`missing request for ${resource} in container ${name} of Pod ${metadata.name}`);
    sum += milliOf(request);
  }
  return sum;
}
