/** What a pod means to its Job. */
import type { Container, Job, Pod } from '../../api/types.gen.ts';
import { JOBS } from '../../client/resources.ts';
import { controllerReference } from '../pods/ownership.ts';
import { podFromTemplate } from '../pods/pod-control.ts';
import { isActive } from '../pods/pod-state.ts';

/** Holds a pod until its end is counted, so that no end is missed and none is counted twice (KEP-2307). */
export const TRACKING = 'batch.kubernetes.io/job-tracking';
const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index';
const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count';
const INDEX_IGNORED_FAILURES = 'batch.kubernetes.io/job-index-ignored-failure-count';

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(TRACKING) ?? false;
}

export function isIndexed({ spec }: Job): boolean {
  return spec?.completionMode === 'Indexed';
}

/** A terminating pod is as good as failed, unless its end must be seen first (KEP-3939). */
export function hasFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (pod.status?.phase === 'Succeeded' || replacesOnlyFailed(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined;
}

export function hasSucceeded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded';
}

export function replacesOnlyFailed({ spec }: Job): boolean {
  return spec?.podReplacementPolicy === 'Failed';
}

/** undefined for pods that have none, or none below the number of completions. */
export function indexOf({ metadata }: Pod, { spec }: Job): number | undefined {
  const text = metadata.annotations?.[COMPLETION_INDEX] ?? '';
  if (!/^\d+$/.test(text)) return undefined;
  const index = Number(text);
  return index < (spec?.completions ?? 0) ? index : undefined;
}

/** How often pods of this index had failed when this one was made. */
export function earlierFailures({ metadata }: Pod): { counted: number; ignored: number } {
  const read = (name: string): number => Number(metadata.annotations?.[name] ?? '0') || 0;
  return { counted: read(INDEX_FAILURES), ignored: read(INDEX_IGNORED_FAILURES) };
}

/** When its last container ended, in milliseconds since the epoch; the nearest thing known where the status does not say. */
export function finishedAt({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''));
  if (ends.length > 0 && ends.every((end) => !Number.isNaN(end))) return Math.max(...ends);
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return Date.parse(ready?.lastTransitionTime ?? metadata.deletionTimestamp ?? metadata.creationTimestamp ?? '');
}

export function activePods(pods: readonly Pod[]): Pod[] {
  return pods.filter(isActive);
}

export interface NewPod {
  /** Of an indexed Job. */
  index?: number;
  /** With a limit of failures for each index: how often this one has failed. */
  failures?: { counted: number; ignored: number };
}

export function newPod(job: Job, { index, failures }: NewPod): Pod {
  const { name } = job.metadata;
  const prefix = index === undefined ? name! : `${name}-${index}`;
  const pod = podFromTemplate(job.spec!.template, controllerReference(job, JOBS), prefix);
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []).filter((each) => each !== TRACKING), TRACKING];
  if (index === undefined) return pod;
  const own = { [COMPLETION_INDEX]: String(index) };
  const counts: Record<string, string> = failures ? { [INDEX_FAILURES]: String(failures.counted) } : {};
  if (failures && failures.ignored > 0) counts[INDEX_IGNORED_FAILURES] = String(failures.ignored);
  pod.metadata.labels = { ...pod.metadata.labels, ...own };
  pod.metadata.annotations = { ...pod.metadata.annotations, ...own, ...counts };
  const { containers, initContainers } = pod.spec!;
  pod.spec = {
    ...pod.spec!,
    hostname: `${name}-${index}`,
    containers: containers.map(withIndex),
    ...(initContainers ? { initContainers: initContainers.map(withIndex) } : {}),
  };
  return pod;
}

function withIndex(container: Container): Container {
  const env = container.env ?? [];
  if (env.some(({ name }) => name === 'JOB_COMPLETION_INDEX')) return container;
  const fieldRef = { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` };
  return { ...container, env: [...env, { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef } }] };
}
