import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { ControllerRevision, DaemonSet, DaemonSetStatus, Node, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS } from '../../client/resources.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Component } from '../../lib/component.ts';
import { Expectations } from '../pods/expectations.ts';
import {
  claim,
  controllerOf,
  controllerReference,
  indexByController,
  ownedBy,
  resolveOwner,
  selectorOf,
  unlessGone,
} from '../pods/ownership.ts';
import { BURST_REPLICAS, createPod, deletePod, isNamespaceTerminating, podFromTemplate, slowStart } from '../pods/pod-control.ts';
import { availableInMs, isAvailable, isReady } from '../pods/pod-state.ts';
import { PodWatcher } from '../pods/pod-watcher.ts';
import { ensureRevision, REVISION_HASH, RevisionCollision, trimRevisions } from '../rollout/controller-revisions.ts';
import { fitOn, pinnedTo } from './node-fit.ts';
import { boundAndOldestFirst, nodeStates, planNodes, planUpdate, type NodeState, type Plan } from './plan.ts';

const TEMPLATE_GENERATION = 'pod-template-generation';
const DEPRECATED_TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';
const FAILED_POD_BACKOFF = { baseMs: 1000, maxMs: 900_000 };

/** One pod of each DaemonSet on every node that it fits. */
export function createDaemonSetController(context: ComponentContext): Component[] {
  return [runReconciler(context, new DaemonSetController(context))];
}

class DaemonSetController implements Reconciler {
  readonly name = 'daemonset-controller';
  readonly concurrency = 2;
  readonly #context: ComponentContext;
  readonly #daemonSets: Informer<DaemonSet>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #revisions: Informer<ControllerRevision>;
  readonly #expectations: Expectations;
  /** By DaemonSet uid and node: how often its pod failed, and when the last was deleted (monotonic ms). */
  readonly #failures = new Map<string, { count: number; at: number }>();

  constructor(context: ComponentContext) {
    const { client, clock } = context;
    this.#context = context;
    this.#daemonSets = client.informer(DAEMON_SETS);
    this.#pods = client.informer(PODS);
    this.#nodes = client.informer(NODES);
    this.#revisions = client.informer(CONTROLLER_REVISIONS);
    this.#expectations = new Expectations(clock);
    indexByController(this.#pods);
    indexByController(this.#revisions);
  }

  setup(queue: { add(key: string): void }): void {
    const add = (daemonSet: DaemonSet): void => queue.add(keyOf(daemonSet));
    this.#daemonSets.subscribe({
      added: add,
      updated: add,
      deleted: ({ metadata }) => {
        this.#expectations.forget(metadata.uid!);
        for (const key of this.#failures.keys()) if (key.startsWith(metadata.uid!)) this.#failures.delete(key);
      },
    });
    this.#pods.subscribe(
      new PodWatcher({
        expectations: this.#expectations,
        ownerOf: (pod) => resolveOwner(this.#daemonSets, 'DaemonSet', pod.metadata.namespace!, controllerOf(pod)),
        wouldAdopt: (pod) =>
          this.#daemonSets.listNamespace(pod.metadata.namespace!).filter(({ spec }) => selectorOf(spec?.selector).matches(pod)),
        changed: add,
      }),
    );
    // Only those that the node concerns: where there are a thousand nodes, each change of one would otherwise look at all for every DaemonSet.
    const addWhere = (isConcerned: (daemonSet: DaemonSet) => boolean): void => this.#daemonSets.list().filter(isConcerned).forEach(add);
    this.#nodes.subscribe({
      added: (node) => addWhere((daemonSet) => fitOn(daemonSet, node).shouldRun),
      // Heartbeats change neither.
      updated: (node, before) => {
        if (semanticEqual(node.metadata.labels, before.metadata.labels) && semanticEqual(node.spec?.taints, before.spec?.taints)) return;
        addWhere((daemonSet) => {
          const [was, is] = [fitOn(daemonSet, before), fitOn(daemonSet, node)];
          return was.shouldRun !== is.shouldRun || was.mayStay !== is.mayStay;
        });
      },
      deleted: (node) => addWhere((daemonSet) => fitOn(daemonSet, node).mayStay),
    });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const daemonSet = this.#daemonSets.get(key);
    if (!daemonSet || daemonSet.metadata.deletionTimestamp) return;
    const selector = selectorOf(daemonSet.spec?.selector);
    if (selector.everything) {
      this.#context.events.event(
        daemonSet,
        'Warning',
        'SelectingAll',
        'This daemon set is selecting all pods. A non-empty selector is required.',
      );
      return;
    }
    const { client, clock } = this.#context;
    // Asked before the pods are looked at: what comes to be seen in between is not among them.
    const expectMs = this.#expectations.waitMs(daemonSet.metadata.uid!);
    const pods = await claim({ client, owner: daemonSet, ownerType: DAEMON_SETS, selector, type: PODS, informer: this.#pods });
    const revision = await this.#revision(daemonSet);
    if (!revision) return;
    const hash = revision.metadata.labels![REVISION_HASH]!;
    const nodes = nodeStates(daemonSet, this.#nodes.list(), pods);
    let waitMs = expectMs;
    if (expectMs === 0) {
      const input = { daemonSet, nodes, hash, now: clock.now() };
      waitMs = await this.#carryOut(daemonSet, hash, planNodes(input));
      const isSettled = this.#expectations.waitMs(daemonSet.metadata.uid!) === 0;
      if (isSettled && daemonSet.spec?.updateStrategy?.type === 'RollingUpdate') await this.#carryOut(daemonSet, hash, planUpdate(input));
      await this.#trim(daemonSet, pods, revision);
    }
    await this.#writeStatus(daemonSet, nodes, hash);
    const delays = [waitMs, ...pods.map((pod) => availableInMs(pod, daemonSet.spec?.minReadySeconds ?? 0, clock.now()) ?? 0)].filter(
      (ms) => ms > 0,
    );
    if (delays.length > 0) return { afterMs: Math.min(...delays) };
  }

  async #revision(daemonSet: DaemonSet): Promise<ControllerRevision | undefined> {
    const { metadata, spec, status } = daemonSet;
    const revisions = ownedBy(this.#revisions, metadata.uid!);
    const history = {
      owner: daemonSet,
      ownerType: DAEMON_SETS,
      template: spec!.template,
      revisions,
      collisionCount: status?.collisionCount,
    };
    try {
      return await ensureRevision(this.#context, history);
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      if (error instanceof RevisionCollision) {
        const counted = { ...emptyStatus, ...status, collisionCount: (status?.collisionCount ?? 0) + 1 };
        await this.#context.client.resource(DAEMON_SETS, metadata.namespace).updateStatus({ ...daemonSet, status: counted });
      }
      throw error;
    }
  }

  async #trim(daemonSet: DaemonSet, pods: readonly Pod[], current: ControllerRevision): Promise<void> {
    const live = new Set(pods.map((pod) => `${daemonSet.metadata.name}-${pod.metadata.labels?.[REVISION_HASH]}`)).add(
      current.metadata.name!,
    );
    await trimRevisions(this.#context, ownedBy(this.#revisions, daemonSet.metadata.uid!), live, daemonSet.spec?.revisionHistoryLimit ?? 10);
  }

  /** Returns the milliseconds until a failed pod that must wait may be replaced; 0 where none waits. */
  async #carryOut(daemonSet: DaemonSet, hash: string, plan: Plan): Promise<number> {
    const { events } = this.#context;
    const { due, waitMs } = this.#failedNow(daemonSet, plan.failed);
    for (const pod of due)
      events.event(
        daemonSet,
        'Warning',
        'FailedDaemonPod',
        `Found failed daemon pod ${keyOf(pod)} on node ${pod.spec?.nodeName}, will try to kill it`,
      );
    for (const pod of plan.succeeded)
      events.event(
        daemonSet,
        'Normal',
        'SucceededDaemonPod',
        `Found succeeded daemon pod ${keyOf(pod)} on node ${pod.spec?.nodeName}, will try to delete it`,
      );
    await this.#delete(daemonSet, [...plan.delete, ...due, ...plan.succeeded].slice(0, BURST_REPLICAS));
    await this.#create(daemonSet, hash, plan.create.slice(0, BURST_REPLICAS));
    return waitMs;
  }

  /** A daemon that fails at once would otherwise be made again and again without end. */
  #failedNow({ metadata }: DaemonSet, failed: readonly Pod[]): { due: Pod[]; waitMs: number } {
    const now = this.#context.clock.monotonic();
    const due: Pod[] = [];
    let waitMs = 0;
    for (const pod of failed) {
      const key = `${metadata.uid}/${pod.spec?.nodeName}`;
      const { count, at } = this.#failures.get(key) ?? { count: 0, at: -Infinity };
      const left = count === 0 ? 0 : at + backoffDelay(count - 1, FAILED_POD_BACKOFF) - now;
      if (left > 0) waitMs = waitMs === 0 ? left : Math.min(waitMs, left);
      else {
        this.#failures.set(key, { count: count + 1, at: now });
        due.push(pod);
      }
    }
    return { due, waitMs };
  }

  async #delete(daemonSet: DaemonSet, pods: readonly Pod[]): Promise<void> {
    const uid = daemonSet.metadata.uid!;
    this.#expectations.expectDeletions(
      uid,
      pods.map(({ metadata }) => metadata.uid!),
    );
    const outcomes = await Promise.allSettled(pods.map((pod) => deletePod(this.#context, daemonSet, pod)));
    const errors: unknown[] = [];
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      this.#expectations.deletionObserved(uid, pods[i]!.metadata.uid!);
      errors.push(outcome.reason);
    }
    if (errors.length > 0) throw errors[0];
  }

  async #create(daemonSet: DaemonSet, hash: string, nodes: readonly string[]): Promise<void> {
    const { metadata, spec } = daemonSet;
    const pod = podFromTemplate(spec!.template, controllerReference(daemonSet, DAEMON_SETS), metadata.name!);
    const generation = metadata.annotations?.[DEPRECATED_TEMPLATE_GENERATION];
    pod.metadata.labels = { ...pod.metadata.labels, [REVISION_HASH]: hash, ...(generation ? { [TEMPLATE_GENERATION]: generation } : {}) };
    this.#expectations.expectCreations(metadata.uid!, nodes.length);
    let created = 0;
    const { done, error } = await slowStart(nodes.length, async (i) => {
      if (await createPod(this.#context, daemonSet, { ...pod, spec: pinnedTo(pod.spec!, nodes[i]!) })) created++;
    });
    this.#expectations.creationObserved(metadata.uid!, nodes.length - created);
    if (done < nodes.length) throw error;
  }

  async #writeStatus(daemonSet: DaemonSet, nodes: readonly NodeState[], hash: string): Promise<void> {
    const status = nextStatus(daemonSet, nodes, { hash, now: this.#context.clock.now() });
    if (semanticEqual(status, daemonSet.status)) return;
    await unlessGone(this.#context.client.resource(DAEMON_SETS, daemonSet.metadata.namespace).updateStatus({ ...daemonSet, status }));
  }
}

const emptyStatus: DaemonSetStatus = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };

function nextStatus(
  { metadata, spec, status }: DaemonSet,
  nodes: readonly NodeState[],
  { hash, now }: { hash: string; now: number },
): DaemonSetStatus {
  const next: DaemonSetStatus = { ...emptyStatus };
  let updated = 0;
  let available = 0;
  for (const { fit, pods } of nodes) {
    const [pod] = pods.toSorted(boundAndOldestFirst);
    if (!fit.shouldRun) {
      if (pod) next.numberMisscheduled++;
      continue;
    }
    next.desiredNumberScheduled++;
    if (!pod) continue;
    next.currentNumberScheduled++;
    const serving = pods.find((each) => isReady(each));
    if (serving) next.numberReady++;
    if (serving && isAvailable(serving, spec?.minReadySeconds ?? 0, now)) available++;
    if (pods.some((each) => each.metadata.labels?.[REVISION_HASH] === hash)) updated++;
  }
  const unavailable = next.desiredNumberScheduled - available;
  return {
    ...next,
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
    ...(available > 0 ? { numberAvailable: available } : {}),
    ...(unavailable > 0 ? { numberUnavailable: unavailable } : {}),
    ...(status?.collisionCount !== undefined ? { collisionCount: status.collisionCount } : {}),
    ...(status?.conditions ? { conditions: status.conditions } : {}),
    observedGeneration: metadata.generation ?? 0,
  };
}
