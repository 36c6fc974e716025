/** Jobs and CronJobs. */
import { semanticEqual } from '../patch/json.ts';
import { labelSelectorOf } from '../selectors.ts';
import type { CronJob, Job, JobSpec } from '../types.gen.ts';
import { scheduleProblem } from './cron.ts';
import { checkJobPolicies } from './job-policies.ts';
import { checkTemplate } from './pod.ts';
import type { Problems } from './problems.ts';
import { checkSelector } from './scheduling.ts';

/** A CronJob's Jobs add eleven characters to its name, which must still make a pod's label. */
const CRON_NAME_MAX = 52;

export function checkJob(problems: Problems, { spec, metadata }: Job): void {
  if (!spec) return problems.required('spec');
  if (!spec.selector) problems.required('spec.selector');
  else checkSelector(problems, 'spec.selector', spec.selector);
  checkJobSpec(problems, 'spec', spec);
  const labels = spec.template?.metadata?.labels;
  if (spec.selector && !labelSelectorOf(spec.selector).matchesLabels(labels ?? {}))
    problems.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  if (spec.manualSelector || !metadata.uid) return;
  const owner = { matchLabels: { 'batch.kubernetes.io/controller-uid': metadata.uid } };
  const legacy = { matchLabels: { 'controller-uid': metadata.uid } };
  if (!semanticEqual(spec.selector, owner) && !semanticEqual(spec.selector, legacy))
    problems.invalid('spec.selector', spec.selector, '`selector` not auto-generated');
}

function checkJobSpec(problems: Problems, path: string, spec: JobSpec): void {
  for (const field of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'backoffLimitPerIndex',
    'ttlSecondsAfterFinished',
  ] as const)
    problems.nonNegative(`${path}.${field}`, spec[field]);
  if (spec.completionMode && spec.completionMode !== 'Indexed' && spec.completionMode !== 'NonIndexed')
    problems.unsupported(`${path}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed']);
  if (spec.completionMode === 'Indexed' && spec.completions === undefined)
    problems.required(`${path}.completions`, 'when completion mode is Indexed');
  if (!spec.template) return problems.required(`${path}.template`);
  checkTemplate(problems, `${path}.template`, spec.template);
  const policy = spec.template.spec?.restartPolicy;
  checkJobPolicies(problems, path, spec);
  if (policy === 'Always') problems.required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
}

export function checkJobUpdate(problems: Problems, { spec }: Job, old: Job): void {
  if (spec?.completionMode !== 'Indexed')
    problems.immutable('spec.completions', spec?.completions === old.spec?.completions, spec?.completions);
  problems.immutable('spec.selector', semanticEqual(spec?.selector, old.spec?.selector), spec?.selector);
  problems.immutable('spec.completionMode', spec?.completionMode === old.spec?.completionMode, spec?.completionMode);
  for (const field of ['podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const)
    problems.immutable(`spec.${field}`, semanticEqual(spec?.[field], old.spec?.[field]), spec?.[field]);
  // A suspended Job that never started may still be placed elsewhere.
  const suspended = old.spec?.suspend === true && !old.status?.startTime;
  if (!suspended) problems.immutable('spec.template', semanticEqual(spec?.template, old.spec?.template), spec?.template);
}

export function checkCronJob(problems: Problems, { spec, metadata }: CronJob): void {
  if ((metadata.name?.length ?? 0) > CRON_NAME_MAX)
    problems.invalid('metadata.name', metadata.name, `must be no more than ${CRON_NAME_MAX} characters`);
  if (!spec) return problems.required('spec');
  if (!spec.schedule) problems.required('spec.schedule');
  else checkSchedule(problems, spec.schedule, spec.timeZone);
  if (spec.timeZone !== undefined) checkTimeZone(problems, spec.timeZone);
  problems.nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds);
  problems.oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  problems.nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit);
  problems.nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit);
  if (spec.jobTemplate?.spec) checkJobSpec(problems, 'spec.jobTemplate.spec', spec.jobTemplate.spec);
  else problems.required('spec.jobTemplate');
}

function checkSchedule(problems: Problems, schedule: string, timeZone: string | undefined): void {
  const problem = scheduleProblem(schedule);
  if (problem) problems.invalid('spec.schedule', schedule, problem);
  if (!schedule.includes('TZ')) return;
  problems.invalid(
    'spec.schedule',
    schedule,
    timeZone === undefined
      ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
      : 'cannot use both timeZone field and TZ or CRON_TZ in schedule',
  );
}

function checkTimeZone(problems: Problems, timeZone: string): void {
  if (timeZone === '') return problems.invalid('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string');
  if (timeZone.toLowerCase() === 'local')
    return problems.invalid(
      'spec.timeZone',
      timeZone,
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    );
  try {
    Intl.DateTimeFormat('en', { timeZone });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`);
  }
}
