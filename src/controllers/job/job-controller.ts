import { keyOf, splitKey } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { Job, JobCondition, JobStatus, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { JOBS, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { Expectations } from '../pods/expectations.ts';
import { claim, controllerOf, indexByController, ownedBy, resolveOwner, selectorOf, unlessGone } from '../pods/ownership.ts';
import { isActive, isReady, isTerminal, isTerminating } from '../pods/pod-state.ts';
import { PodWatcher } from '../pods/pod-watcher.ts';
import { timestamp } from '../../api/time.ts';
import { settle, statusOf, takeAccount, type Account } from './account.ts';
import { isTracked, TRACKING } from './job-pod.ts';
import { JobPods, type PodsChange } from './job-pods.ts';
import { deadlineInMs, isFinished, judge, type End } from './verdict.ts';

const CONTROLLER_NAME = 'kubernetes.io/job-controller';
/** Queue keys of pods whose Job is gone; Jobs go by `namespace/name`. */
const LEFT_BEHIND = 'pod ';
const NOTHING_DONE: PodsChange = { created: 0, deleted: new Set(), waitMs: 0 };

/** Runs the pods of a Job until enough have succeeded or too many failed. */
export function createJobController(context: ComponentContext): Component[] {
  return [runReconciler(context, new JobController(context))];
}

class JobController implements Reconciler {
  readonly name = 'job-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #jobs: Informer<Job>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  readonly #podWrites: JobPods;
  /** uids of pods whose finalizer was taken and whom the cache may still show with it. */
  readonly #released = new Set<string>();
  /** By Job uid, the revision that the cache must have reached: the counts in an older status are wrong. */
  readonly #written = new Map<string, number>();

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#jobs = context.client.informer(JOBS);
    this.#pods = context.client.informer(PODS);
    this.#expectations = new Expectations(context.clock);
    this.#podWrites = new JobPods(context, this.#expectations);
    indexByController(this.#pods);
  }

  setup(queue: { add(key: string): void }): void {
    this.#jobs.subscribe({
      added: (job) => queue.add(keyOf(job)),
      updated: (job) => queue.add(keyOf(job)),
      deleted: (job) => {
        this.#expectations.forget(job.metadata.uid!);
        this.#written.delete(job.metadata.uid!);
        for (const pod of ownedBy(this.#pods, job.metadata.uid!)) if (isTracked(pod)) queue.add(LEFT_BEHIND + keyOf(pod));
      },
    });
    this.#pods.subscribe(
      new PodWatcher({
        expectations: this.#expectations,
        ownerOf: (pod) => resolveOwner(this.#jobs, 'Job', pod.metadata.namespace!, controllerOf(pod)),
        wouldAdopt: (pod) =>
          this.#jobs.listNamespace(pod.metadata.namespace!).filter(({ spec }) => selectorOf(spec?.selector).matches(pod)),
        changed: (job) => queue.add(keyOf(job)),
      }),
    );
    const look = (pod: Pod): void => {
      if (!isTracked(pod)) this.#released.delete(pod.metadata.uid!);
      else if (this.#ownerIsMissing(pod)) queue.add(LEFT_BEHIND + keyOf(pod));
    };
    this.#pods.subscribe({ added: look, updated: look, deleted: ({ metadata }) => void this.#released.delete(metadata.uid!) });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    if (key.startsWith(LEFT_BEHIND)) return this.#letGo(key.slice(LEFT_BEHIND.length));
    const job = this.#jobs.get(key);
    if (!job || isFinished(job) || isManagedElsewhere(job)) return;
    // The cache's next event comes here again.
    if (Number(job.metadata.resourceVersion) < (this.#written.get(job.metadata.uid!) ?? 0)) return;
    return this.#advance(withStart(job, this.#context.clock.now()), job);
  }

  /** One round: enter ends, judge, create or delete pods, write, let counted pods go, write what is settled. */
  async #advance(job: Job, stored: Job): Promise<ReconcileResult> {
    const now = this.#context.clock.now();
    // Asked before the pods are looked at: what comes to be seen in between is not among them.
    const expectMs = this.#expectations.waitMs(job.metadata.uid!);
    const pods = await this.#claim(job);
    const account = takeAccount(job, pods, this.#released);
    const end = judge(job, account, pods, now);
    const { change, error } = await this.#changePods(job, pods, { account, end, mayAdjust: expectMs === 0 });
    const written = await this.#write(stored, this.#status(job, { pods, account, change, end }));
    await Promise.all(account.toRelease.map((pod) => this.#release(pod)));
    const settled = settle(account);
    const isOver = end !== undefined && isQuiet(pods, change) && account.isWhole && error === undefined;
    const status = this.#status(written, { pods, account: settled, change, end });
    await this.#write(written, isOver ? this.#finished(written, status, end) : status);
    if (isOver) this.#announce(job, end);
    if (error !== undefined) throw error;
    const waits = [expectMs, change.waitMs, deadlineInMs(job, now) ?? 0].filter((ms) => ms > 0);
    if (!account.isWhole) return { afterMs: 0 };
    if (waits.length > 0 && !isOver) return { afterMs: Math.min(...waits) };
  }

  async #changePods(
    job: Job,
    pods: readonly Pod[],
    { account, end, mayAdjust }: { account: Account; end: End | undefined; mayAdjust: boolean },
  ): Promise<{ change: PodsChange; error?: unknown }> {
    if (!mayAdjust || job.metadata.deletionTimestamp) return { change: NOTHING_DONE };
    try {
      return { change: end ? await this.#podWrites.stop(job, pods) : await this.#podWrites.adjust(job, pods, account) };
    } catch (error) {
      // What is known of the pods is written down first; then the queue tries again.
      return { change: NOTHING_DONE, error };
    }
  }

  #claim(job: Job): Promise<Pod[]> {
    const { client } = this.#context;
    const selector = selectorOf(job.spec?.selector);
    return claim({ client, owner: job, ownerType: JOBS, selector, type: PODS, informer: this.#pods, finalizer: TRACKING });
  }

  #status(
    job: Job,
    { pods, account, change, end }: { pods: readonly Pod[]; account: Account; change: PodsChange; end: End | undefined },
  ): JobStatus {
    const { active: _active, ...status } = statusOf(job, account);
    const staying = pods.filter((pod) => isActive(pod) && !change.deleted.has(pod.metadata.uid!));
    const active = staying.length + change.created;
    const next: JobStatus = {
      ...status,
      ...(active > 0 ? { active } : {}),
      ready: staying.filter(isReady).length,
      terminating: pods.filter((pod) => !isTerminal(pod) && (isTerminating(pod) || change.deleted.has(pod.metadata.uid!))).length,
    };
    const conditions = this.#conditions(job, end);
    if (conditions.length > 0) next.conditions = conditions;
    return next;
  }

  #conditions(job: Job, end: End | undefined): JobCondition[] {
    const conditions = job.status?.conditions ?? [];
    if (end) return this.#withCondition(conditions, { type: end.interim, status: 'True', reason: end.reason, message: end.message });
    const suspended = conditions.find(({ type }) => type === 'Suspended');
    if (job.spec?.suspend)
      return this.#withCondition(conditions, { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' });
    if (!suspended) return conditions;
    return this.#withCondition(conditions, { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' });
  }

  #withCondition(conditions: readonly JobCondition[], condition: JobCondition): JobCondition[] {
    if (conditions.some(({ type, status }) => type === condition.type && status === condition.status)) return [...conditions];
    const time = timestamp(this.#context.clock.now());
    const others = conditions.filter(({ type }) => type !== condition.type);
    return [...others, { ...condition, lastProbeTime: time, lastTransitionTime: time }];
  }

  #finished(job: Job, status: JobStatus, { final, reason, message }: End): JobStatus {
    const conditions = this.#withCondition(status.conditions ?? [], { type: final, status: 'True', reason, message });
    const completionTime = final === 'Complete' ? { completionTime: timestamp(this.#context.clock.now()) } : {};
    return { ...status, conditions, ...completionTime };
  }

  #announce(job: Job, { final, reason, message }: End): void {
    if (final === 'Complete') this.#context.events.event(job, 'Normal', 'Completed', 'Job completed');
    else this.#context.events.event(job, 'Warning', reason, message);
  }

  async #write(job: Job, status: JobStatus): Promise<Job> {
    if (semanticEqual(status, job.status)) return job;
    const written = await unlessGone(this.#context.client.resource(JOBS, job.metadata.namespace).updateStatus({ ...job, status }));
    if (!written) return job;
    this.#written.set(job.metadata.uid!, Number(written.metadata.resourceVersion));
    this.#noteSuspension(job, written);
    return written;
  }

  #noteSuspension(job: Job, written: Job): void {
    const of = ({ status }: Job): string | undefined => status?.conditions?.find(({ type }) => type === 'Suspended')?.status;
    if (of(job) === of(written)) return;
    const isSuspended = of(written) === 'True';
    this.#context.events.event(job, 'Normal', isSuspended ? 'Suspended' : 'Resumed', isSuspended ? 'Job suspended' : 'Job resumed');
  }

  async #release(pod: Pod): Promise<void> {
    await this.#podWrites.release(pod);
    const cached = this.#pods.get(keyOf(pod));
    if (cached && cached.metadata.uid === pod.metadata.uid && isTracked(cached)) this.#released.add(pod.metadata.uid!);
  }

  #ownerIsMissing(pod: Pod): boolean {
    const controller = controllerOf(pod);
    return !controller || (controller.kind === 'Job' && !resolveOwner(this.#jobs, 'Job', pod.metadata.namespace!, controller));
  }

  /** A pod whose Job is gone would stay for ever; the server is asked, since the cache may not have the Job yet. */
  async #letGo(podKey: string): Promise<void> {
    const pod = this.#pods.get(podKey);
    if (!pod || !isTracked(pod) || !this.#ownerIsMissing(pod)) return;
    const { namespace } = splitKey(podKey);
    const controller = controllerOf(pod);
    const job = controller && (await unlessGone(this.#context.client.resource(JOBS, namespace).get(controller.name)));
    if (!job || job.metadata.uid !== controller.uid) await this.#release(pod);
  }
}

function isManagedElsewhere({ spec }: Job): boolean {
  return spec?.managedBy !== undefined && spec.managedBy !== CONTROLLER_NAME;
}

/** The clock of the deadline starts when the Job first runs, and again when it is resumed. */
function withStart(job: Job, now: number): Job {
  const { spec, status = {} } = job;
  const isResumed = status.conditions?.some(({ type, status }) => type === 'Suspended' && status === 'True') ?? false;
  if (spec?.suspend || (status.startTime && !isResumed)) return job;
  return { ...job, status: { ...status, startTime: timestamp(now) } };
}

/** No pod runs or is stopping any more. */
function isQuiet(pods: readonly Pod[], { deleted, created }: PodsChange): boolean {
  return created === 0 && deleted.size === 0 && pods.every(isTerminal);
}
