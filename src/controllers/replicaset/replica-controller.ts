import { keyOf } from '../../api/meta.ts';
import { timestamp } from '../../api/time.ts';
import type { Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { Expectations } from '../pods/expectations.ts';
import { claim, controllerOf, controllerReference, indexByController, ownedBy, resolveOwner, unlessGone } from '../pods/ownership.ts';
import { BURST_REPLICAS, createPod, deletePod, podFromTemplate, slowStart } from '../pods/pod-control.ts';
import { availableInMs, isActive, isTerminal, isTerminating } from '../pods/pod-state.ts';
import { PodWatcher } from '../pods/pod-watcher.ts';
import { podsToDelete } from '../pods/ranking.ts';
import type { ReplicaKind, ReplicaOwner } from './replica-kind.ts';
import { REPLICA_SET } from './replica-kind.ts';
import { nextStatus, type ReplicaFailure } from './replica-status.ts';

/** Each ReplicaSet has as many pods as it asks for. */
export function createReplicaSetController(context: ComponentContext): Component[] {
  return [createReplicaController(context, REPLICA_SET)];
}

/** Keeps the number of pods of one kind of owner: ReplicaSets, or ReplicationControllers. */
export function createReplicaController<T extends ReplicaOwner>(context: ComponentContext, kind: ReplicaKind<T>): Component {
  return runReconciler(context, new ReplicaController(context, kind));
}

class ReplicaController<T extends ReplicaOwner> implements Reconciler {
  readonly name: string;
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #kind: ReplicaKind<T>;
  readonly #owners: Informer<T>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;

  constructor(context: ComponentContext, kind: ReplicaKind<T>) {
    this.name = kind.controller;
    this.#context = context;
    this.#kind = kind;
    this.#owners = context.client.informer(kind.type);
    this.#pods = context.client.informer(PODS);
    this.#expectations = new Expectations(context.clock);
    indexByController(this.#owners);
    indexByController(this.#pods);
  }

  setup(queue: { add(key: string): void }): void {
    this.#owners.subscribe({
      added: (owner) => queue.add(keyOf(owner)),
      updated: (owner) => queue.add(keyOf(owner)),
      deleted: (owner) => {
        this.#expectations.forget(owner.metadata.uid!);
        queue.add(keyOf(owner));
      },
    });
    const watcher = new PodWatcher({
      expectations: this.#expectations,
      ownerOf: (pod) => resolveOwner(this.#owners, this.#kind.type.kind, pod.metadata.namespace!, controllerOf(pod)),
      wouldAdopt: (pod) => this.#owners.listNamespace(pod.metadata.namespace!).filter((owner) => this.#kind.selectorOf(owner).matches(pod)),
      changed: (owner) => queue.add(keyOf(owner)),
    });
    this.#pods.subscribe(watcher);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const owner = this.#owners.get(key);
    if (!owner) return;
    const { now, waitMs } = { now: this.#context.clock.now(), waitMs: this.#expectations.waitMs(owner.metadata.uid!) };
    const pods = await this.#claim(owner);
    const failure = waitMs === 0 && !owner.metadata.deletionTimestamp ? await this.#manage(owner, pods) : undefined;
    await this.#writeStatus(owner, pods, failure);
    if (failure) throw failure.error;
    const delays = [waitMs, ...pods.map((pod) => availableInMs(pod, owner.spec?.minReadySeconds ?? 0, now) ?? 0)].filter((ms) => ms > 0);
    if (delays.length > 0) return { afterMs: Math.min(...delays) };
  }

  #claim(owner: T): Promise<Pod[]> {
    const { client } = this.#context;
    const selector = this.#kind.selectorOf(owner);
    return claim({
      client,
      owner,
      ownerType: this.#kind.type,
      selector,
      type: PODS,
      informer: this.#pods,
      adoptable: (pod) => !isTerminal(pod),
    });
  }

  async #manage(owner: T, pods: readonly Pod[]): Promise<ReplicaFailure | undefined> {
    const active = pods.filter(isActive);
    const missing = (owner.spec?.replicas ?? 1) - active.length;
    if (missing > 0) return this.#create(owner, Math.min(missing, BURST_REPLICAS));
    if (missing < 0) return this.#delete(owner, active, Math.min(-missing, BURST_REPLICAS));
    return undefined;
  }

  async #create(owner: T, count: number): Promise<ReplicaFailure | undefined> {
    const reference = controllerReference(owner, this.#kind.type);
    const pod = podFromTemplate(owner.spec?.template ?? {}, reference, owner.metadata.name!);
    const uid = owner.metadata.uid!;
    this.#expectations.expectCreations(uid, count);
    let created = 0;
    const { done, error } = await slowStart(count, async () => {
      if (await createPod(this.#context, owner, pod)) created++;
    });
    this.#expectations.creationObserved(uid, count - created);
    return done < count ? { reason: 'FailedCreate', error } : undefined;
  }

  async #delete(owner: T, active: readonly Pod[], count: number): Promise<ReplicaFailure | undefined> {
    const uid = owner.metadata.uid!;
    const sharing = this.#familyOnNodes(owner);
    const chosen = podsToDelete(active, count, (pod) => sharing.get(pod.spec?.nodeName ?? '') ?? 0, this.#context.clock.now());
    this.#expectations.expectDeletions(
      uid,
      chosen.map(({ metadata }) => metadata.uid!),
    );
    const outcomes = await Promise.allSettled(chosen.map((pod) => deletePod(this.#context, owner, pod)));
    const errors: unknown[] = [];
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      errors.push(outcome.reason);
      this.#expectations.deletionObserved(uid, chosen[i]!.metadata.uid!);
    }
    return errors.length > 0 ? { reason: 'FailedDelete', error: errors[0] } : undefined;
  }

  /** How many active pods of this owner and its siblings (the other ReplicaSets of its Deployment) each node has. */
  #familyOnNodes(owner: T): Map<string, number> {
    const parent = controllerOf(owner);
    const siblings = parent ? ownedBy(this.#owners, parent.uid) : [owner];
    const counts = new Map<string, number>();
    for (const sibling of siblings) {
      for (const pod of ownedBy(this.#pods, sibling.metadata.uid!)) {
        const node = pod.spec?.nodeName;
        if (node && isActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    }
    return counts;
  }

  async #writeStatus(owner: T, pods: readonly Pod[], failure: ReplicaFailure | undefined): Promise<void> {
    const { uid } = owner.metadata;
    const now = this.#context.clock.now();
    // Pods that were just deleted serve nobody any more, whatever the cache says: a rollout goes by these counts.
    const asTold = pods.map((pod) => (this.#expectations.awaitsDeletion(uid!, pod.metadata.uid!) ? terminating(pod, now) : pod));
    const status = nextStatus(owner, { pods: asTold, failure, countsTerminating: this.#kind.countsTerminating, now });
    if (!status) return;
    await unlessGone(this.#context.client.resource(this.#kind.type, owner.metadata.namespace).updateStatus({ ...owner, status }));
  }
}

function terminating(pod: Pod, now: number): Pod {
  return isTerminating(pod) ? pod : { ...pod, metadata: { ...pod.metadata, deletionTimestamp: timestamp(now) } };
}
