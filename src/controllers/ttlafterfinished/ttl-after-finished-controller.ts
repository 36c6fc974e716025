import { keyOf } from '../../api/meta.ts';
import type { Job } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { JOBS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';

/** Deletes finished Jobs after their `ttlSecondsAfterFinished` (KEP-592). */
export function createTtlAfterFinishedController(context: ComponentContext): Component[] {
  return [runReconciler(context, new TtlAfterFinished(context))];
}

class TtlAfterFinished implements Reconciler {
  readonly name = 'ttl-after-finished-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #jobs: Informer<Job>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#jobs = context.client.informer(JOBS);
  }

  setup(queue: { add(key: string): void }): void {
    const note = (job: Job): void => {
      if (expiresAt(job) !== undefined && !job.metadata.deletionTimestamp) queue.add(keyOf(job));
    };
    this.#jobs.subscribe({ added: note, updated: note });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const cached = this.#jobs.get(key);
    const { clock, client } = this.#context;
    const leftMs = cached && !cached.metadata.deletionTimestamp ? leftOf(cached, clock.now()) : undefined;
    if (leftMs === undefined) return;
    if (leftMs > 0) return { afterMs: leftMs };
    // The time to live may have been raised since the cache saw it: a deletion cannot be taken back.
    const jobs = client.resource(JOBS, cached!.metadata.namespace);
    const fresh = await unlessGone(jobs.get(cached!.metadata.name!));
    if (!fresh || fresh.metadata.uid !== cached!.metadata.uid || (leftOf(fresh, clock.now()) ?? 1) > 0) return;
    const { uid, resourceVersion } = fresh.metadata;
    const preconditions = { uid: uid!, resourceVersion: resourceVersion! };
    await unlessGone(jobs.delete(fresh.metadata.name!, { propagationPolicy: 'Foreground', preconditions }));
  }
}

function leftOf(job: Job, now: number): number | undefined {
  const at = expiresAt(job);
  return at === undefined ? undefined : Math.max(0, at - now);
}

/** In milliseconds since the epoch; undefined for Jobs that stay, or are not finished. */
function expiresAt({ spec, status }: Job): number | undefined {
  if (spec?.ttlSecondsAfterFinished === undefined) return undefined;
  const finished = status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
  if (!finished?.lastTransitionTime) return undefined;
  return Date.parse(finished.lastTransitionTime) + spec.ttlSecondsAfterFinished * 1000;
}
