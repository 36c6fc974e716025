import { keyOf } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { claim, controllerOf, indexByController, ownedBy, resolveOwner, selectorOf, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { deadlineOf, findCondition, progressDeadlineMs, PROGRESS_DEADLINE_EXCEEDED, withCondition } from './conditions.ts';
import { allOf, countedStatus, rolloutStatus, withConditions, type Family } from './deployment-status.ts';
import { isRollingUpdate, newReplicaSetSize, sum } from './limits.ts';
import { proportionalSizes } from './proportions.ts';
import { ReplicaSets, type Draft } from './replica-sets.ts';
import { byAge, DESIRED_REPLICAS, numberAnnotation } from './revisions.ts';
import { rollBack, rollbackRevision } from './rollback.ts';
import { shrinkOld } from './rolling-update.ts';

/** Rolls a Deployment's template out: a ReplicaSet for each template, scaled up and down as the strategy allows. */
export function createDeploymentController(context: ComponentContext): Component[] {
  return [runReconciler(context, new DeploymentController(context))];
}

class DeploymentController implements Reconciler {
  readonly name = 'deployment-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #deployments: Informer<Deployment>;
  readonly #replicaSets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #writes: ReplicaSets;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#deployments = context.client.informer(DEPLOYMENTS);
    this.#replicaSets = context.client.informer(REPLICA_SETS);
    this.#pods = context.client.informer(PODS);
    this.#writes = new ReplicaSets(context);
    indexByController(this.#replicaSets);
    indexByController(this.#pods);
  }

  setup(queue: { add(key: string): void }): void {
    const add = (deployment: Deployment): void => queue.add(keyOf(deployment));
    this.#deployments.subscribe({ added: add, updated: add, deleted: (deployment) => this.#writes.forgetAll(deployment) });
    const note = (replicaSet: ReplicaSet): void => this.#deploymentsOf(replicaSet).forEach(add);
    this.#replicaSets.subscribe({
      added: note,
      updated: (replicaSet, previous) => {
        if (controllerOf(previous)?.uid !== controllerOf(replicaSet)?.uid) note(previous);
        note(replicaSet);
      },
      deleted: (replicaSet) => {
        this.#writes.forget(replicaSet);
        note(replicaSet);
      },
    });
    // Recreate waits until the last old pod is gone; a rolling update goes by the ReplicaSets' counts.
    const notePod = (pod: Pod): void => {
      const replicaSet = resolveOwner(this.#replicaSets, 'ReplicaSet', pod.metadata.namespace!, controllerOf(pod));
      const deployment = replicaSet && this.#ownerOf(replicaSet);
      if (deployment && !isRollingUpdate(deployment)) add(deployment);
    };
    this.#pods.subscribe({ deleted: notePod, updated: (pod) => isTerminal(pod) && notePod(pod) });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const deployment = this.#deployments.get(key);
    if (!deployment) return;
    const selector = selectorOf(deployment.spec?.selector);
    if (selector.everything) return this.#refuseEverything(deployment);
    const { client } = this.#context;
    const informer = this.#replicaSets;
    const claimed = await claim({ client, owner: deployment, ownerType: DEPLOYMENTS, selector, type: REPLICA_SETS, informer });
    const replicaSets = this.#writes.newest(deployment, claimed);
    try {
      const revision = deployment.metadata.deletionTimestamp || deployment.spec?.paused ? undefined : rollbackRevision(deployment);
      if (revision !== undefined) return await this.#rollBack(deployment, replicaSets, revision);
      const { draft, status } = await this.#advance(deployment, replicaSets);
      await this.#write(deployment, draft, status);
      return this.#untilDeadline(deployment, status);
    } catch (error) {
      // Its ReplicaSet can never be made, and soon the Deployment is gone too.
      if (!isNamespaceTerminating(error)) throw error;
    }
  }

  /** One step towards what is wanted; each change of a ReplicaSet leads here again. */
  async #advance(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Promise<{ draft: Deployment; status: DeploymentStatus }> {
    const now = this.#context.clock.now();
    if (deployment.metadata.deletionTimestamp) {
      const { deployment: draft, family } = await this.#writes.sort(deployment, replicaSets);
      return { draft, status: countedStatus(draft, family, now) };
    }
    const noted = this.#withPause(deployment);
    // Recreate does not share pods out among versions: with several of them, which it may have adopted, it goes on to leave one.
    const mayResize = isRollingUpdate(noted) || replicaSets.filter(hasSize).length <= 1;
    if (noted.spec?.paused || (mayResize && isBeingScaled(noted, replicaSets))) {
      const { deployment: draft, family } = await this.#resize(await this.#writes.sort(noted, replicaSets));
      if (noted.spec?.paused) await this.#writes.cleanUp(noted, family.old);
      return { draft, status: countedStatus(draft, family, now) };
    }
    const { deployment: draft, family } = isRollingUpdate(noted)
      ? await this.#roll(noted, replicaSets)
      : await this.#recreate(noted, replicaSets);
    return { draft, status: rolloutStatus(draft, family, now) };
  }

  /** Only the Deployment is changed, which leads here again: its ReplicaSets follow when nothing is asked for any more. */
  async #rollBack(deployment: Deployment, replicaSets: readonly ReplicaSet[], revision: bigint): Promise<void> {
    const draft = await this.#writes.ensure(deployment, replicaSets);
    const { deployment: next, event } = rollBack(draft.deployment, allOf(draft.family), revision);
    const written = await unlessGone(this.#context.client.resource(DEPLOYMENTS, deployment.metadata.namespace).update(next));
    if (written) this.#context.events.event(deployment, event.type, event.reason, event.message);
  }

  async #roll(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Promise<Draft> {
    const draft = await this.#writes.ensure(deployment, replicaSets);
    const { family } = draft;
    const current = family.current!;
    const size = current.spec?.replicas ?? 0;
    const wanted = deployment.spec?.replicas ?? 1;
    const next = size > wanted ? wanted : newReplicaSetSize(deployment, allOf(family), size);
    if (next !== size) return { ...draft, family: { ...family, current: await this.#writes.scale(deployment, current, next) } };
    const shrunk = shrinkOld(deployment, family);
    if (shrunk.size > 0) await this.#writes.scaleAll(deployment, shrunk);
    else await this.#cleanUpWhenDone(deployment, family);
    return draft;
  }

  async #recreate(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Promise<Draft> {
    const draft = await this.#writes.sort(deployment, replicaSets);
    const active = draft.family.old.filter(hasSize);
    if (active.length > 0) {
      await this.#writes.scaleAll(
        deployment,
        active.map((replicaSet) => [replicaSet, 0]),
      );
      return draft;
    }
    if (this.#hasPods(draft.family.old)) return draft;
    const ready = draft.family.current ? draft : await this.#writes.ensure(deployment, replicaSets);
    const current = await this.#writes.scale(deployment, ready.family.current!, deployment.spec?.replicas ?? 1);
    await this.#cleanUpWhenDone(deployment, ready.family);
    return { ...ready, family: { ...ready.family, current } };
  }

  /** Brings the ReplicaSets to the wanted size without rolling anything out. */
  async #resize(draft: Draft): Promise<Draft> {
    const { deployment, family } = draft;
    const wanted = deployment.spec?.replicas ?? 1;
    const active = allOf(family).filter(hasSize);
    const only = active.length === 0 ? (family.current ?? byAge(family.old).at(-1)) : active.length === 1 ? active[0] : undefined;
    if (only) {
      // Two versions at once is what Recreate rules out, also while the rollout is paused.
      const others = allOf(family).filter((each) => each !== only);
      if (!isRollingUpdate(deployment) && !hasSize(only) && this.#hasPods(others)) return draft;
      const scaled = await this.#writes.scale(deployment, only, wanted);
      return only === family.current ? { deployment, family: { ...family, current: scaled } } : draft;
    }
    if (isSaturated(deployment, family.current)) {
      await this.#writes.scaleAll(
        deployment,
        family.old.filter(hasSize).map((replicaSet) => [replicaSet, 0]),
      );
    } else if (isRollingUpdate(deployment)) {
      await this.#writes.scaleAll(deployment, proportionalSizes(deployment, active));
    }
    return draft;
  }

  async #cleanUpWhenDone(deployment: Deployment, family: Family): Promise<void> {
    const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, observedGeneration = 0 } = deployment.status ?? {};
    const wanted = deployment.spec?.replicas ?? 1;
    const isDone =
      [replicas, updatedReplicas, availableReplicas].every((count) => count === wanted) &&
      observedGeneration >= (deployment.metadata.generation ?? 0);
    if (isDone) await this.#writes.cleanUp(deployment, family.old);
  }

  #hasPods(replicaSets: readonly ReplicaSet[]): boolean {
    if (sum(replicaSets, ({ status }) => status?.replicas ?? 0) > 0) return true;
    return replicaSets.some(({ metadata }) => ownedBy(this.#pods, metadata.uid!).some((pod) => !isTerminal(pod)));
  }

  /** A pause stops the clock of the progress deadline. */
  #withPause(deployment: Deployment): Deployment {
    const { spec, status = {} } = deployment;
    const progressing = findCondition(status.conditions, 'Progressing');
    if (progressDeadlineMs(deployment) === undefined || progressing?.reason === PROGRESS_DEADLINE_EXCEEDED) return deployment;
    const wasPaused = progressing?.reason === 'DeploymentPaused';
    if (wasPaused === (spec?.paused ?? false)) return deployment;
    const condition = spec?.paused
      ? ({ status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' } as const)
      : ({ status: 'Unknown', reason: 'DeploymentResumed', message: 'Deployment is resumed' } as const);
    return {
      ...deployment,
      status: withConditions(status, withCondition(status.conditions ?? [], 'Progressing', condition, this.#context.clock.now())),
    };
  }

  async #write(deployment: Deployment, draft: Deployment, status: DeploymentStatus): Promise<void> {
    if (semanticEqual(status, deployment.status ?? {}) && semanticEqual(draft.metadata.annotations, deployment.metadata.annotations))
      return;
    await unlessGone(this.#context.client.resource(DEPLOYMENTS, deployment.metadata.namespace).updateStatus({ ...draft, status }));
  }

  #untilDeadline(deployment: Deployment, status: DeploymentStatus): ReconcileResult {
    const deadline = deadlineOf(deployment, status.conditions ?? []);
    const reason = findCondition(status.conditions, 'Progressing')?.reason;
    if (deadline === undefined || reason === PROGRESS_DEADLINE_EXCEEDED || deployment.spec?.paused) return undefined;
    // Times in conditions are whole seconds: one more makes sure that the deadline has passed by then.
    return { afterMs: Math.max(0, deadline - this.#context.clock.now()) + 1000 };
  }

  async #refuseEverything(deployment: Deployment): Promise<void> {
    const { metadata, status } = deployment;
    this.#context.events.event(
      deployment,
      'Warning',
      'SelectingAll',
      'This deployment is selecting all pods. A non-empty selector is required.',
    );
    if ((status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)) return;
    await this.#write(deployment, deployment, { ...status, observedGeneration: metadata.generation! });
  }

  #ownerOf(replicaSet: ReplicaSet): Deployment | undefined {
    return resolveOwner(this.#deployments, 'Deployment', replicaSet.metadata.namespace!, controllerOf(replicaSet));
  }

  /** Its controller, or all that would adopt it. */
  #deploymentsOf(replicaSet: ReplicaSet): Deployment[] {
    if (!controllerOf(replicaSet)) {
      return this.#deployments
        .listNamespace(replicaSet.metadata.namespace!)
        .filter(({ spec }) => selectorOf(spec?.selector).matches(replicaSet));
    }
    const owner = this.#ownerOf(replicaSet);
    return owner ? [owner] : [];
  }
}

function hasSize({ spec }: ReplicaSet): boolean {
  return (spec?.replicas ?? 0) > 0;
}

/** Some ReplicaSet was last sized for another number of replicas than is wanted now. */
function isBeingScaled({ spec }: Deployment, replicaSets: readonly ReplicaSet[]): boolean {
  return replicaSets.filter(hasSize).some((replicaSet) => {
    const desired = numberAnnotation(replicaSet, DESIRED_REPLICAS);
    return desired !== undefined && desired !== (spec?.replicas ?? 1);
  });
}

/** The present ReplicaSet has all the pods that are wanted, and all are available. */
function isSaturated({ spec }: Deployment, current: ReplicaSet | undefined): boolean {
  const wanted = spec?.replicas ?? 1;
  if (!current || numberAnnotation(current, DESIRED_REPLICAS) !== wanted) return false;
  return current.spec?.replicas === wanted && (current.status?.availableReplicas ?? 0) === wanted;
}
