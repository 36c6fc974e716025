import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { StatusError } from '../../api/status.ts';
import type { CronJob, CronJobStatus, Job, ObjectReference } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { CRON_JOBS, JOBS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { controllerOf, controllerReference, indexByController, ownedBy, resolveOwner, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating, messageOf } from '../pods/pod-control.ts';
import { timestamp } from '../../api/time.ts';
import { latestDue } from './due.ts';
import { parseSchedule, type Schedule } from './schedule.ts';
import { timeZone } from './time-zone.ts';

const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** The API refuses it in new CronJobs; those that are older than that go on. */
const ZONE_IN_SCHEDULE = /^\s*(?:CRON_)?TZ=(\S+)\s+(.*)$/;
/** A timer may fire a little early; upstream adds the same. */
const TIMER_SLACK_MS = 100;

/** Makes a Job whenever a CronJob's schedule says so. */
export function createCronJobController(context: ComponentContext): Component[] {
  return [runReconciler(context, new CronJobController(context))];
}

class CronJobController implements Reconciler {
  readonly name = 'cronjob-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #cronJobs: Informer<CronJob>;
  readonly #jobs: Informer<Job>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#cronJobs = context.client.informer(CRON_JOBS);
    this.#jobs = context.client.informer(JOBS);
    indexByController(this.#jobs);
  }

  setup(queue: { add(key: string): void }): void {
    const add = (cronJob: CronJob): void => queue.add(keyOf(cronJob));
    this.#cronJobs.subscribe({ added: add, updated: add });
    const note = (job: Job): void => {
      const cronJob = resolveOwner(this.#cronJobs, 'CronJob', job.metadata.namespace!, controllerOf(job));
      if (cronJob) add(cronJob);
    };
    this.#jobs.subscribe({ added: note, updated: note, deleted: note });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const cronJob = this.#cronJobs.get(key);
    if (!cronJob) return;
    const jobs = ownedBy(this.#jobs, cronJob.metadata.uid!);
    const status = await this.#takeNotice(cronJob, jobs);
    const schedule = this.#schedule(cronJob);
    const { status: started, waitMs } =
      schedule && !cronJob.spec?.suspend ? await this.#startIfDue(cronJob, jobs, { schedule, status }) : { status, waitMs: 0 };
    await this.#writeStatus(cronJob, started);
    await this.#trim(cronJob, jobs);
    if (waitMs > 0) return { afterMs: waitMs };
  }

  /** What became of the Jobs since the status was last written. */
  async #takeNotice(cronJob: CronJob, jobs: readonly Job[]): Promise<CronJobStatus> {
    const { events } = this.#context;
    const byUid = new Map(jobs.map((job) => [job.metadata.uid!, job]));
    const listed = new Set((cronJob.status?.active ?? []).map(({ uid }) => uid));
    const active: ObjectReference[] = [];
    let { lastSuccessfulTime } = cronJob.status ?? {};
    for (const reference of cronJob.status?.active ?? []) {
      const job = byUid.get(reference.uid ?? '') ?? (await this.#ask(cronJob, reference));
      const end = job && endOf(job);
      if (!job) events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
      else if (end) events.event(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${job.metadata.name}, condition: ${end}`);
      else active.push(reference);
    }
    for (const job of jobs) {
      const completed = job.status?.completionTime;
      if (endOf(job) === 'Complete' && completed && completed > (lastSuccessfulTime ?? '')) lastSuccessfulTime = completed;
      if (endOf(job) || listed.has(job.metadata.uid)) continue;
      if (job.metadata.annotations?.[SCHEDULED_AT] === undefined) {
        // Somebody made it by hand (`kubectl create job --from=cronjob/…`): it counts for nothing here.
        const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
        events.event(cronJob, 'Warning', 'UnexpectedJob', message);
      } else if (!job.metadata.deletionTimestamp) {
        // Made in a round that was cut off before it could write so.
        active.push(referenceTo(job));
      }
    }
    const { active: _active, ...rest } = cronJob.status ?? {};
    return { ...rest, ...(active.length > 0 ? { active } : {}), ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}) };
  }

  /** The server is asked, since the cache may not have a Job that was just made. */
  async #ask({ metadata }: CronJob, { name, uid }: ObjectReference): Promise<Job | undefined> {
    const found = await unlessGone(this.#context.client.resource(JOBS, metadata.namespace).get(name!));
    return found?.metadata.uid === uid ? found : undefined;
  }

  /** undefined, with an event, where it cannot be read. */
  #schedule(cronJob: CronJob): Schedule | undefined {
    const { schedule, timeZone: zone } = cronJob.spec;
    const { events } = this.#context;
    if (cronJob.metadata.deletionTimestamp) return undefined;
    const [, named, rest] = ZONE_IN_SCHEDULE.exec(schedule) ?? [];
    if (named !== undefined) {
      const more = 'is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';
      events.event(cronJob, 'Warning', 'UnsupportedSchedule', `CRON_TZ or TZ used in schedule "${schedule}" ${more}`);
    }
    try {
      return parseSchedule(rest ?? schedule, timeZone(zone ?? named));
    } catch (error) {
      const isZone = error instanceof RangeError;
      events.event(
        cronJob,
        'Warning',
        isZone ? 'UnknownTimeZone' : 'UnparseableCronJobSchedule',
        isZone ? `invalid timeZone: "${zone}": unknown time zone ${zone}` : `unparseable schedule: "${schedule}" : ${messageOf(error)}`,
      );
      return undefined;
    }
  }

  async #startIfDue(
    cronJob: CronJob,
    jobs: readonly Job[],
    { schedule, status }: { schedule: Schedule; status: CronJobStatus },
  ): Promise<{ status: CronJobStatus; waitMs: number }> {
    const now = this.#context.clock.now();
    const next = schedule.next(now);
    const waitMs = next === undefined ? 0 : next - now + TIMER_SLACK_MS;
    const due = this.#due(cronJob, schedule, now);
    if (due === undefined || !this.#mayStart(cronJob, status, { due, now })) return { status, waitMs };
    if (cronJob.spec.concurrencyPolicy === 'Replace') await this.#stopAll(cronJob, jobs, status);
    const isReplaced = cronJob.spec.concurrencyPolicy === 'Replace';
    const job = await this.#create(cronJob, due);
    if (!job) return { status, waitMs };
    const others = (isReplaced ? [] : (status.active ?? [])).filter(({ uid }) => uid !== job.metadata.uid);
    return { status: { ...status, active: [...others, referenceTo(job)], lastScheduleTime: timestamp(due) }, waitMs };
  }

  #due(cronJob: CronJob, schedule: Schedule, now: number): number | undefined {
    const { metadata, spec, status } = cronJob;
    const last = Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp ?? '');
    const deadlineMs = spec?.startingDeadlineSeconds === undefined ? Infinity : spec.startingDeadlineSeconds * 1000;
    const { at, missed } = latestDue(schedule, Math.max(last, now - deadlineMs), now);
    if (missed === 'many') {
      const advice = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      this.#context.events.event(cronJob, 'Warning', 'TooManyMissedTimes', `too many missed start times. ${advice}`);
    }
    return at;
  }

  #mayStart(cronJob: CronJob, status: CronJobStatus, { due, now }: { due: number; now: number }): boolean {
    const { events } = this.#context;
    const { startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec;
    if (startingDeadlineSeconds !== undefined && due + startingDeadlineSeconds * 1000 < now) {
      events.event(
        cronJob,
        'Warning',
        'MissSchedule',
        `Missed scheduled time to start a job: ${new Date(due).toUTCString().replace('GMT', '+0000')}`,
      );
      return false;
    }
    if (status.active?.some(({ name }) => name === jobName(cronJob, due))) return false;
    if (concurrencyPolicy !== 'Forbid' || !status.active?.length) return true;
    events.event(
      cronJob,
      'Normal',
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    );
    return false;
  }

  async #stopAll(cronJob: CronJob, jobs: readonly Job[], { active = [] }: CronJobStatus): Promise<void> {
    const running = jobs.filter(({ metadata }) => active.some(({ uid }) => uid === metadata.uid));
    for (const job of running) await this.#delete(cronJob, job);
  }

  /** Each scheduled time has a name of its own, so that none is started twice. */
  async #create(cronJob: CronJob, due: number): Promise<Job | undefined> {
    const { client, events } = this.#context;
    const { namespace, uid } = cronJob.metadata;
    const jobs = client.resource(JOBS, namespace);
    const job = newJob(cronJob, due);
    try {
      const created = await jobs.create(job);
      events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${created.metadata.name}`);
      return created;
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (StatusError.is(error, 'AlreadyExists')) {
        const existing = await jobs.get(job.metadata.name!);
        if (controllerOf(existing)?.uid === uid) return existing;
      }
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Keeps as many finished Jobs as the history limits say, the newest. */
  async #trim(cronJob: CronJob, jobs: readonly Job[]): Promise<void> {
    const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec;
    const oldest = (end: 'Complete' | 'Failed', keep: number): Job[] => {
      const ended = jobs.filter((job) => endOf(job) === end && !job.metadata.deletionTimestamp);
      const sorted = ended.toSorted((a, b) => ((a.status?.startTime ?? '') < (b.status?.startTime ?? '') ? -1 : 1));
      return sorted.slice(0, Math.max(0, ended.length - keep));
    };
    for (const job of [...oldest('Complete', successfulJobsHistoryLimit), ...oldest('Failed', failedJobsHistoryLimit)])
      await this.#delete(cronJob, job);
  }

  async #delete(cronJob: CronJob, { metadata }: Job): Promise<void> {
    const jobs = this.#context.client.resource(JOBS, metadata.namespace);
    try {
      await unlessGone(jobs.delete(metadata.name!, { propagationPolicy: 'Background', preconditions: { uid: metadata.uid! } }));
    } catch (error) {
      this.#context.events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
    this.#context.events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${metadata.name}`);
  }

  async #writeStatus(cronJob: CronJob, status: CronJobStatus): Promise<void> {
    if (semanticEqual(status, cronJob.status ?? {})) return;
    await unlessGone(this.#context.client.resource(CRON_JOBS, cronJob.metadata.namespace).updateStatus({ ...cronJob, status }));
  }
}

function endOf({ status }: Job): 'Complete' | 'Failed' | undefined {
  return status?.conditions?.find(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'))?.type as
    | 'Complete'
    | 'Failed'
    | undefined;
}

/** Minutes since the epoch tell the scheduled times apart. */
function jobName({ metadata }: CronJob, due: number): string {
  return `${metadata.name}-${Math.floor(due / 60_000)}`;
}

function newJob(cronJob: CronJob, due: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  return {
    metadata: {
      name: jobName(cronJob, due),
      namespace: cronJob.metadata.namespace!,
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: timeZone(cronJob.spec.timeZone ?? 'UTC').format(due) },
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      ownerReferences: [controllerReference(cronJob, CRON_JOBS)],
    },
    ...(spec ? { spec } : {}),
  };
}

function referenceTo({ metadata }: Job): ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { kind: 'Job', namespace: namespace!, name: name!, uid: uid!, apiVersion: 'batch/v1', resourceVersion: resourceVersion! };
}
