/** The books of a Job: which pods have ended, which of those are counted, and what may be let go. */
import type { Job, JobStatus, Pod, UncountedTerminatedPods } from '../../api/types.gen.ts';
import { failureActionFor } from './failure-policy.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';
import { activePods, earlierFailures, finishedAt, hasFailed, hasSucceeded, indexOf, isIndexed, isTracked } from './job-pod.ts';

/** So many ends are entered in one write at most; the status must stay small. */
const MAX_UNCOUNTED = 500;

export interface Account {
  /** In the status, in the books and new. */
  succeeded: number;
  failed: number;
  completedIndexes: Set<number>;
  failedIndexes: Set<number>;
  /** To write into the status before the pods are let go. */
  uncounted: Required<UncountedTerminatedPods>;
  /** `status.succeeded` and `status.failed` with the entries that are settled: their pods are let go already. */
  settled: { succeeded: number; failed: number };
  /** Pods whose finalizer may go once the status is written. */
  toRelease: Pod[];
  /** A pod's failure ends the whole Job. */
  failJob: string | undefined;
  /** Nothing was left for a later round. */
  isWhole: boolean;
}

/**
 * Enters the ends of pods. Each step can be the last of a process: an end is first written down by the pod's uid (`uncounted`, or as an
 * index), then the finalizer goes, then the entry becomes a count. `released` has uids of pods that the cache may still show with theirs.
 */
export function takeAccount(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): Account {
  const { status = {} } = job;
  const tracked = pods.filter((pod) => isTracked(pod) && !released.has(pod.metadata.uid!));
  const stillHeld = new Set(tracked.map(({ metadata }) => metadata.uid!));
  const before = { succeeded: status.uncountedTerminatedPods?.succeeded ?? [], failed: status.uncountedTerminatedPods?.failed ?? [] };
  const uncounted = {
    succeeded: before.succeeded.filter((uid) => stillHeld.has(uid)),
    failed: before.failed.filter((uid) => stillHeld.has(uid)),
  };
  const settled = {
    succeeded: (status.succeeded ?? 0) + before.succeeded.length - uncounted.succeeded.length,
    failed: (status.failed ?? 0) + before.failed.length - uncounted.failed.length,
  };
  const account: Account = {
    succeeded: 0,
    failed: 0,
    completedIndexes: parseIndexes(status.completedIndexes, job.spec?.completions),
    failedIndexes: parseIndexes(status.failedIndexes, job.spec?.completions),
    uncounted,
    settled,
    toRelease: [],
    failJob: undefined,
    isWhole: true,
  };
  for (const pod of tracked) enter(job, pod, account);
  if (job.spec?.backoffLimitPerIndex !== undefined) account.toRelease = keepLastFailures(job, pods, account);
  account.failed = settled.failed + uncounted.failed.length;
  account.succeeded = isIndexed(job) ? account.completedIndexes.size : settled.succeeded + uncounted.succeeded.length;
  if (isIndexed(job)) account.settled.succeeded = account.completedIndexes.size;
  return account;
}

/** The part of the status that these books fill. */
export function statusOf(job: Job, { uncounted, settled, completedIndexes, failedIndexes }: Account): JobStatus {
  const { succeeded: _s, failed: _f, completedIndexes: _c, failedIndexes: _i, ...status } = job.status ?? {};
  const next: JobStatus = { ...status, uncountedTerminatedPods: {} };
  if (uncounted.succeeded.length > 0) next.uncountedTerminatedPods!.succeeded = uncounted.succeeded;
  if (uncounted.failed.length > 0) next.uncountedTerminatedPods!.failed = uncounted.failed;
  if (settled.succeeded > 0) next.succeeded = settled.succeeded;
  if (settled.failed > 0) next.failed = settled.failed;
  if (completedIndexes.size > 0) next.completedIndexes = formatIndexes(completedIndexes);
  if (job.spec?.backoffLimitPerIndex !== undefined) next.failedIndexes = formatIndexes(failedIndexes);
  return next;
}

/** The books after the pods of `toRelease` were let go. */
export function settle(account: Account): Account {
  const released = new Set(account.toRelease.map(({ metadata }) => metadata.uid!));
  const { uncounted, settled } = account;
  const left = {
    succeeded: uncounted.succeeded.filter((uid) => !released.has(uid)),
    failed: uncounted.failed.filter((uid) => !released.has(uid)),
  };
  const counts = {
    succeeded: settled.succeeded + uncounted.succeeded.length - left.succeeded.length,
    failed: settled.failed + uncounted.failed.length - left.failed.length,
  };
  return { ...account, uncounted: left, settled: counts, toRelease: [] };
}

function enter(job: Job, pod: Pod, account: Account): void {
  const { uncounted } = account;
  const uid = pod.metadata.uid!;
  if (uncounted.succeeded.includes(uid) || uncounted.failed.includes(uid)) {
    account.toRelease.push(pod);
    return;
  }
  const succeeded = hasSucceeded(pod);
  if (!succeeded && !hasFailed(pod, job)) return;
  if (account.toRelease.length >= MAX_UNCOUNTED) {
    account.isWhole = false;
    return;
  }
  account.toRelease.push(pod);
  if (succeeded) enterSuccess(job, pod, account);
  else enterFailure(job, pod, account);
}

function enterSuccess(job: Job, pod: Pod, { completedIndexes, uncounted }: Account): void {
  const index = indexOf(pod, job);
  if (!isIndexed(job)) uncounted.succeeded.push(pod.metadata.uid!);
  else if (index !== undefined) completedIndexes.add(index);
}

function enterFailure(job: Job, pod: Pod, account: Account): void {
  const { action, message } = failureActionFor(job, pod);
  const index = indexOf(pod, job);
  if (action === 'FailJob') account.failJob ??= message;
  const limit = job.spec?.backoffLimitPerIndex;
  if (index !== undefined && limit !== undefined && !account.completedIndexes.has(index)) {
    const isSpent = action === 'FailIndex' || (action !== 'Ignore' && earlierFailures(pod).counted >= limit);
    if (isSpent) account.failedIndexes.add(index);
  }
  if (action !== 'Ignore' && (!isIndexed(job) || index !== undefined)) account.uncounted.failed.push(pod.metadata.uid!);
}

/** The number of an index's failures stands on its last failed pod, which therefore stays until its successor is there. */
function keepLastFailures(job: Job, pods: readonly Pod[], { toRelease, completedIndexes, failedIndexes }: Account): Pod[] {
  if (
    job.metadata.deletionTimestamp ||
    job.status?.conditions?.some(({ type }) => type === 'FailureTarget' || type === 'SuccessCriteriaMet')
  )
    return toRelease;
  const hasSuccessor = new Set(activePods(pods).map((pod) => indexOf(pod, job)));
  const lastOf = new Map<number, Pod>();
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || !hasFailed(pod, job)) continue;
    const other = lastOf.get(index);
    if (
      !other ||
      failuresUpTo(pod) > failuresUpTo(other) ||
      (failuresUpTo(pod) === failuresUpTo(other) && finishedAt(pod) > finishedAt(other))
    )
      lastOf.set(index, pod);
  }
  return toRelease.filter((pod) => {
    const index = indexOf(pod, job);
    if (index === undefined || completedIndexes.has(index) || failedIndexes.has(index) || hasSuccessor.has(index)) return true;
    return lastOf.get(index)?.metadata.uid !== pod.metadata.uid;
  });
}

function failuresUpTo(pod: Pod): number {
  const { counted, ignored } = earlierFailures(pod);
  return counted + ignored;
}
