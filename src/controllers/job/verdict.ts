/** Whether a Job has come to its end, and why. */
import type { Job, JobCondition, Pod, SuccessPolicyRule } from '../../api/types.gen.ts';
import type { Account } from './account.ts';
import { parseIndexes } from './indexes.ts';
import { activePods, isIndexed } from './job-pod.ts';

/** `interim` is set as soon as the end is certain, `final` when the last pod has stopped (KEP-3998, KEP-3939). */
export interface End {
  interim: 'SuccessCriteriaMet' | 'FailureTarget';
  final: 'Complete' | 'Failed';
  reason: string;
  message: string;
}

export function isFinished({ status }: Job): boolean {
  return status?.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True') ?? false;
}

/** undefined while the Job goes on. An end that was once written down stays. */
export function judge(job: Job, account: Account, pods: readonly Pod[], now: number): End | undefined {
  const noted = job.status?.conditions?.find(
    ({ type, status }) => status === 'True' && (type === 'SuccessCriteriaMet' || type === 'FailureTarget'),
  );
  if (noted) return endOf(noted);
  return failureOf(job, account, pods, now) ?? successOf(job, account, activePods(pods).length);
}

/** Milliseconds until the Job may run no longer; undefined where it may run for ever, or has not begun. */
export function deadlineInMs({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || spec.suspend || !status?.startTime) return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now;
}

function endOf({ type, reason = '', message = '' }: JobCondition): End {
  return type === 'FailureTarget' ? failure(reason, message) : success(reason, message);
}

function failureOf(job: Job, account: Account, pods: readonly Pod[], now: number): End | undefined {
  const { spec } = job;
  if (account.failJob !== undefined) return failure('PodFailurePolicy', account.failJob);
  if (account.failed > (spec?.backoffLimit ?? 6) || hasRestartedTooOften(job, pods)) {
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  if ((deadlineInMs(job, now) ?? 1) <= 0) return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (spec?.backoffLimitPerIndex === undefined) return undefined;
  const { size } = account.failedIndexes;
  if (spec.maxFailedIndexes !== undefined && size > spec.maxFailedIndexes) {
    return failure('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const isThrough = size > 0 && size + account.succeeded >= (spec.completions ?? 0);
  return isThrough ? failure('FailedIndexes', 'Job has failed indexes') : undefined;
}

function successOf(job: Job, account: Account, active: number): End | undefined {
  const { spec } = job;
  const rule = isIndexed(job)
    ? (spec?.successPolicy?.rules ?? []).findIndex((each) => isMet(each, account.completedIndexes, spec?.completions))
    : -1;
  if (rule >= 0) return success('SuccessPolicy', `Matched rules at index ${rule}`);
  // Without a number of completions, the first pod that succeeds ends the work, and the others end by themselves.
  const isReached =
    spec?.completions === undefined ? account.succeeded > 0 && active === 0 : account.succeeded >= spec.completions && active === 0;
  return isReached ? success('CompletionsReached', 'Reached expected number of succeeded pods') : undefined;
}

function isMet({ succeededIndexes, succeededCount }: SuccessPolicyRule, completed: ReadonlySet<number>, completions?: number): boolean {
  if (succeededIndexes === undefined) return completed.size >= (succeededCount ?? Infinity);
  const wanted = parseIndexes(succeededIndexes, completions);
  const met = [...wanted].filter((index) => completed.has(index)).length;
  return met >= (succeededCount ?? wanted.size);
}

/** With restartPolicy OnFailure the kubelet starts containers again, and each time counts as a failure of the Job. */
function hasRestartedTooOften({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec?.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const { restartCount } of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) restarts += restartCount;
  }
  const limit = spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function failure(reason: string, message: string): End {
  return { interim: 'FailureTarget', final: 'Failed', reason, message };
}

function success(reason: string, message: string): End {
  return { interim: 'SuccessCriteriaMet', final: 'Complete', reason, message };
}
