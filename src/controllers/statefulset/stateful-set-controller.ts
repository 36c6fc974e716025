import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { ControllerRevision, Pod, StatefulSet } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { Expectations } from '../pods/expectations.ts';
import { claim, controllerOf, indexByController, ownedBy, resolveOwner, selectorOf, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { availableInMs, isTerminating } from '../pods/pod-state.ts';
import { PodWatcher } from '../pods/pod-watcher.ts';
import { ensureRevision, RevisionCollision, trimRevisions } from '../rollout/controller-revisions.ts';
import { isClaimOf, ordinalOf, revisionNameOf } from './identity.ts';
import { hasOrdinal, planSet, type Revisions } from './plan.ts';
import { SetPods } from './set-pods.ts';
import { nextStatus } from './set-status.ts';

/** Numbered pods, each with a name and volumes of its own that outlive it. */
export function createStatefulSetController(context: ComponentContext): Component[] {
  return [runReconciler(context, new StatefulSetController(context))];
}

class StatefulSetController implements Reconciler {
  readonly name = 'statefulset-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #sets: Informer<StatefulSet>;
  readonly #pods: Informer<Pod>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #expectations: Expectations;
  readonly #podWrites: SetPods;

  constructor(context: ComponentContext) {
    const { client, clock } = context;
    this.#context = context;
    this.#sets = client.informer(STATEFUL_SETS);
    this.#pods = client.informer(PODS);
    this.#revisions = client.informer(CONTROLLER_REVISIONS);
    this.#expectations = new Expectations(clock);
    this.#podWrites = new SetPods(context, this.#expectations);
    indexByController(this.#pods);
    indexByController(this.#revisions);
  }

  setup(queue: { add(key: string): void }): void {
    const add = (set: StatefulSet): void => queue.add(keyOf(set));
    this.#sets.subscribe({ added: add, updated: add, deleted: ({ metadata }) => this.#expectations.forget(metadata.uid!) });
    this.#pods.subscribe(
      new PodWatcher({
        expectations: this.#expectations,
        ownerOf: (pod) => resolveOwner(this.#sets, 'StatefulSet', pod.metadata.namespace!, controllerOf(pod)),
        wouldAdopt: (pod) =>
          this.#sets.listNamespace(pod.metadata.namespace!).filter(({ spec }) => selectorOf(spec?.selector).matches(pod)),
        changed: add,
      }),
    );
    this.#watchClaims(add);
  }

  /** A claim that was deleted is made again for a pod that waits for it, and a new pod may wait for an old claim to go. */
  #watchClaims(add: (set: StatefulSet) => void): void {
    this.#context.client.informer(PERSISTENT_VOLUME_CLAIMS).subscribe({
      deleted: (claim) =>
        this.#sets
          .listNamespace(claim.metadata.namespace!)
          .filter((set) => isClaimOf(set, claim))
          .forEach(add),
    });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const set = this.#sets.get(key);
    if (!set) return;
    const { client, clock } = this.#context;
    const selector = selectorOf(set.spec?.selector);
    const isMember = (pod: Pod): boolean => ordinalOf(pod, set) !== undefined;
    // Asked before the pods are looked at: what comes to be seen in between is not among them.
    const waitMs = this.#expectations.waitMs(set.metadata.uid!);
    const claimed = await claim({
      client,
      owner: set,
      ownerType: STATEFUL_SETS,
      selector,
      type: PODS,
      informer: this.#pods,
      adoptable: isMember,
    });
    const pods = claimed.filter(isMember);
    const found = await this.#revisionsOf(set);
    if (!found) return;
    const revisions = { current: found.current.metadata.name!, update: found.update.metadata.name! };
    // What is seen is written down even when a pod cannot be made; then the queue tries again.
    try {
      if (waitMs === 0 && !set.metadata.deletionTimestamp) await this.#advance(set, pods, found);
    } finally {
      await this.#writeStatus(set, pods, revisions);
    }
    await this.#trim(set, pods, revisions);
    const delays = [waitMs, ...pods.map((pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, clock.now()) ?? 0)].filter(
      (ms) => ms > 0,
    );
    if (delays.length > 0) return { afterMs: Math.min(...delays) };
  }

  async #advance(
    set: StatefulSet,
    pods: readonly Pod[],
    revisions: { current: ControllerRevision; update: ControllerRevision },
  ): Promise<void> {
    const names = { current: revisions.current.metadata.name!, update: revisions.update.metadata.name! };
    const plan = planSet(set, pods, names, this.#context.clock.now());
    await this.#podWrites.retain(set, pods);
    for (const pod of pods.filter((each) => !isTerminating(each) && hasOrdinal(set, ordinalOf(each, set)!))) {
      await this.#podWrites.identify(set, pod);
      if (pod.status?.phase === 'Pending') await this.#podWrites.restoreClaims(set, pod);
    }
    const results = await Promise.allSettled([
      ...plan.create.map(({ ordinal, revision }) => this.#podWrites.create(set, revisions[revision], ordinal)),
      ...plan.delete.map((pod) => this.#podWrites.delete(set, pod)),
    ]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** The revision of the present template, and the one that all pods had when the last update was finished. */
  async #revisionsOf(set: StatefulSet): Promise<{ current: ControllerRevision; update: ControllerRevision } | undefined> {
    const { metadata, spec, status } = set;
    const revisions = ownedBy(this.#revisions, metadata.uid!);
    const collisionCount = status?.collisionCount || undefined;
    try {
      const update = await ensureRevision(this.#context, {
        owner: set,
        ownerType: STATEFUL_SETS,
        template: spec!.template,
        revisions,
        collisionCount,
      });
      const current = revisions.find((revision) => revision.metadata.name === status?.currentRevision) ?? update;
      return { current, update };
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (error instanceof RevisionCollision) {
        const counted = { replicas: 0, ...status, collisionCount: (collisionCount ?? 0) + 1 };
        await this.#context.client.resource(STATEFUL_SETS, metadata.namespace).updateStatus({ ...set, status: counted });
      }
      throw error;
    }
  }

  async #trim(set: StatefulSet, pods: readonly Pod[], { current, update }: Revisions): Promise<void> {
    const live = new Set([current, update, ...pods.map((pod) => revisionNameOf(pod) ?? '')]);
    await trimRevisions(this.#context, ownedBy(this.#revisions, set.metadata.uid!), live, set.spec?.revisionHistoryLimit ?? 10);
  }

  async #writeStatus(set: StatefulSet, pods: readonly Pod[], revisions: Revisions): Promise<void> {
    const status = nextStatus(set, pods, revisions, this.#context.clock.now());
    if (semanticEqual(status, set.status)) return;
    await unlessGone(this.#context.client.resource(STATEFUL_SETS, set.metadata.namespace).updateStatus({ ...set, status }));
  }
}
