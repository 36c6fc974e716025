import type { Job, Pod } from '../../api/types.gen.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';
import type { Expectations } from '../pods/expectations.ts';
import { unlessGone } from '../pods/ownership.ts';
import { BURST_REPLICAS, createPod, deletePod, slowStart } from '../pods/pod-control.ts';
import { isActive } from '../pods/pod-state.ts';
import { podsToDelete } from '../pods/ranking.ts';
import type { Account } from './account.ts';
import { backoffMs, failuresByIndex } from './backoff.ts';
import { activePods, indexOf, isIndexed, isTracked, newPod, replacesOnlyFailed, TRACKING, type NewPod } from './job-pod.ts';

/** How the pods of a Job changed by what was done now. */
export interface PodsChange {
  created: number;
  /** uids */
  deleted: Set<string>;
  /** Milliseconds until more may be created. */
  waitMs: number;
}

/** All writes to the pods of Jobs. */
export class JobPods {
  readonly #context: ComponentContext;
  readonly #expectations: Expectations;

  constructor(context: ComponentContext, expectations: Expectations) {
    this.#context = context;
    this.#expectations = expectations;
  }

  /** Brings the number of active pods to what the Job wants now. Throws the first failure, when all is tried. */
  async adjust(job: Job, pods: readonly Pod[], account: Account): Promise<PodsChange> {
    const active = activePods(pods);
    if (job.spec?.suspend) return this.#takeBack(job, active);
    const wanted = wantedActive(job, account, active.length);
    const surplus = [...duplicates(job, active)];
    const others = active.filter((pod) => !surplus.includes(pod));
    surplus.push(...podsToDelete(others, Math.max(0, others.length - wanted), () => 0, this.#context.clock.now()));
    if (surplus.length > 0) return this.#takeBack(job, surplus.slice(0, BURST_REPLICAS));
    const terminating = replacesOnlyFailed(job) ? pods.filter(isStillStopping).length : 0;
    const missing = Math.min(wanted - active.length - terminating, BURST_REPLICAS);
    if (missing <= 0) return { created: 0, deleted: new Set(), waitMs: 0 };
    return this.#create(job, this.#plan(job, pods, account, missing));
  }

  /** Deletes the active pods of a Job that is over; their ends still count. */
  async stop(job: Job, pods: readonly Pod[]): Promise<PodsChange> {
    return { created: 0, deleted: await this.#delete(job, activePods(pods)), waitMs: 0 };
  }

  /** Lets a pod go whose end is counted. */
  async release({ metadata }: Pod): Promise<void> {
    const patch = { metadata: { uid: metadata.uid, '$deleteFromPrimitiveList/finalizers': [TRACKING] } };
    await unlessGone(this.#context.client.resource(PODS, metadata.namespace).patch(metadata.name!, 'strategic', patch));
  }

  /** Which pods to make: the first indexes that are neither done nor at work, or just so many. */
  #plan(job: Job, pods: readonly Pod[], account: Account, missing: number): { pods: NewPod[]; waitMs: number } {
    const now = this.#context.clock.now();
    const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
    const waitMs = perIndex ? 0 : backoffMs(job, pods, now);
    if (waitMs > 0) return { pods: [], waitMs };
    if (!isIndexed(job)) return { pods: Array.from({ length: missing }, () => ({})), waitMs: 0 };
    const failures = perIndex ? failuresByIndex(job, pods, now) : undefined;
    const atWork = new Set(
      pods.filter((pod) => isActive(pod) || (replacesOnlyFailed(job) && isStillStopping(pod))).map((pod) => indexOf(pod, job)),
    );
    const plan: NewPod[] = [];
    const waits: number[] = [];
    for (let index = 0; index < (job.spec?.completions ?? 0) && plan.length < missing; index++) {
      if (atWork.has(index) || account.completedIndexes.has(index) || account.failedIndexes.has(index)) continue;
      const failed = failures?.get(index);
      if (failed && failed.waitMs > 0) waits.push(failed.waitMs);
      else plan.push(failures ? { index, failures: failed ?? { counted: 0, ignored: 0 } } : { index });
    }
    return { pods: plan, waitMs: waits.length > 0 ? Math.min(...waits) : 0 };
  }

  async #create(job: Job, { pods, waitMs }: { pods: NewPod[]; waitMs: number }): Promise<PodsChange> {
    const uid = job.metadata.uid!;
    this.#expectations.expectCreations(uid, pods.length);
    let created = 0;
    const { done, error } = await slowStart(pods.length, async (i) => {
      if (await createPod(this.#context, job, newPod(job, pods[i]!))) created++;
    });
    this.#expectations.creationObserved(uid, pods.length - created);
    if (done < pods.length) throw error;
    return { created, deleted: new Set(), waitMs };
  }

  /** Deletes pods as if they had never been: neither failed nor succeeded. */
  async #takeBack(job: Job, pods: readonly Pod[]): Promise<PodsChange> {
    await Promise.all(pods.filter(isTracked).map((pod) => this.release(pod)));
    return { created: 0, deleted: await this.#delete(job, pods), waitMs: 0 };
  }

  async #delete(job: Job, pods: readonly Pod[]): Promise<Set<string>> {
    const uids = pods.map(({ metadata }) => metadata.uid!);
    this.#expectations.expectDeletions(job.metadata.uid!, uids);
    const outcomes = await Promise.allSettled(pods.map((pod) => deletePod(this.#context, job, pod)));
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    for (const [i, { status }] of outcomes.entries())
      if (status === 'rejected') this.#expectations.deletionObserved(job.metadata.uid!, uids[i]!);
    if (failed.length > 0) throw failed[0]!.reason;
    return new Set(uids);
  }
}

/** As many as may work side by side, and no more than there is work left. */
function wantedActive({ spec }: Job, { succeeded, failedIndexes }: Account, active: number): number {
  const parallelism = spec?.parallelism ?? 1;
  if (spec?.completions === undefined) return succeeded > 0 ? Math.min(active, parallelism) : parallelism;
  return Math.max(0, Math.min(spec.completions - succeeded - failedIndexes.size, parallelism));
}

/** Active pods of an indexed Job without a valid index, or with one that an older pod has. */
function duplicates(job: Job, active: readonly Pod[]): Set<Pod> {
  const surplus = new Set<Pod>();
  if (!isIndexed(job)) return surplus;
  const seen = new Set<number>();
  for (const pod of active.toSorted(({ metadata: a }, { metadata: b }) => (a.creationTimestamp! < b.creationTimestamp! ? -1 : 1))) {
    const index = indexOf(pod, job);
    if (index === undefined || seen.has(index)) surplus.add(pod);
    else seen.add(index);
  }
  return surplus;
}

function isStillStopping({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && status?.phase !== 'Failed' && status?.phase !== 'Succeeded';
}
