/** How long a Job waits before it replaces pods that failed: 10 s, doubled with each failure in a row, 10 minutes at most. */
import type { Job, Pod } from '../../api/types.gen.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { failureActionFor } from './failure-policy.ts';
import { earlierFailures, finishedAt, hasFailed, hasSucceeded, indexOf } from './job-pod.ts';

const BACKOFF = { baseMs: 10_000, maxMs: 600_000 };

/** Milliseconds from `now` until another pod may be made; 0 when it may be now. Failures before the last success do not count. */
export function backoffMs(job: Job, pods: readonly Pod[], now: number): number {
  const ends = pods
    .filter((pod) => hasSucceeded(pod) || hasFailed(pod, job))
    .map((pod) => ({ at: finishedAt(pod), succeeded: hasSucceeded(pod) }));
  const lastSuccess = Math.max(-Infinity, ...ends.filter(({ succeeded }) => succeeded).map(({ at }) => at));
  const failures = ends.filter(({ at, succeeded }) => !succeeded && at > lastSuccess).map(({ at }) => at);
  return remaining(failures.length, Math.max(...failures), now);
}

export interface IndexFailures {
  counted: number;
  ignored: number;
  waitMs: number;
}

/** The same for each index that has failed, where failures are limited for each index alone. */
export function failuresByIndex(job: Job, pods: readonly Pod[], now: number): Map<number, IndexFailures> {
  const result = new Map<number, IndexFailures>();
  for (const pod of pods) {
    const index = indexOf(pod, job);
    if (index === undefined || !hasFailed(pod, job)) continue;
    const { counted, ignored } = earlierFailures(pod);
    const isIgnored = failureActionFor(job, pod).action === 'Ignore';
    const failures = { counted: counted + (isIgnored ? 0 : 1), ignored: ignored + (isIgnored ? 1 : 0) };
    const total = failures.counted + failures.ignored;
    const other = result.get(index);
    if (other && other.counted + other.ignored >= total) continue;
    result.set(index, { ...failures, waitMs: remaining(total, finishedAt(pod), now) });
  }
  return result;
}

function remaining(failures: number, lastAt: number, now: number): number {
  if (failures === 0) return 0;
  return Math.max(0, lastAt + backoffDelay(failures - 1, BACKOFF) - now);
}
