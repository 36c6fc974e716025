import { semanticEqual } from '../../api/patch/json.ts';
import { StatusError } from '../../api/status.ts';
import type { Deployment, ReplicaSet } from '../../api/types.gen.ts';
import type { ResourceClient } from '../../client/client.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { DEPLOYMENTS, REPLICA_SETS } from '../../client/resources.ts';
import { controllerOf, controllerReference, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating, messageOf } from '../pods/pod-control.ts';
import { stableHash } from '../rollout/template-hash.ts';
import { findCondition, progressDeadlineMs, withCondition, type NewCondition } from './conditions.ts';
import { withConditions, type Family } from './deployment-status.ts';
import { newReplicaSetSize } from './limits.ts';
import {
  findNewReplicaSet,
  HASH_LABEL,
  newReplicaSetAnnotations,
  earlierRevisionFirst,
  nextRevision,
  replicasAnnotations,
  REVISION,
  revisionOf,
  sameTemplate,
} from './revisions.ts';

/** A Deployment with what is to be written of its status and annotations, and its ReplicaSets. */
export interface Draft {
  deployment: Deployment;
  family: Family;
}

/** All writes to the ReplicaSets of Deployments. */
export class ReplicaSets {
  readonly #context: ComponentContext;
  /** By the uids of Deployment and ReplicaSet, as last written: the cache may not show it yet, and sizes must be added up as they are. */
  readonly #written = new Map<string, Map<string, ReplicaSet>>();

  constructor(context: ComponentContext) {
    this.#context = context;
  }

  /** A Deployment's ReplicaSets of the cache, each as it was last written here if that is newer. */
  newest({ metadata }: Deployment, cached: readonly ReplicaSet[]): ReplicaSet[] {
    const written = this.#written.get(metadata.uid!);
    if (!written) return [...cached];
    for (const replicaSet of cached) {
      const uid = replicaSet.metadata.uid!;
      const ours = written.get(uid);
      if (!ours || revisionNumber(replicaSet) >= revisionNumber(ours)) written.set(uid, replicaSet);
    }
    const newest = [...written.values()];
    if (cached.length === newest.length && cached.every((each) => written.get(each.metadata.uid!) === each))
      this.#written.delete(metadata.uid!);
    return newest;
  }

  /** It is gone. */
  forget(replicaSet: ReplicaSet): void {
    this.#written.get(controllerOf(replicaSet)?.uid ?? '')?.delete(replicaSet.metadata.uid!);
  }

  /** The Deployment is gone. */
  forgetAll({ metadata }: Deployment): void {
    this.#written.delete(metadata.uid!);
  }

  /** Tells the present ReplicaSet from the old ones, and brings its revision and annotations up to date. */
  async sort(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Promise<Draft> {
    const found = findNewReplicaSet(deployment, replicaSets);
    const old = replicaSets.filter((replicaSet) => replicaSet !== found);
    if (!found) return { deployment, family: { current: undefined, old } };
    const current = await this.#bringUpToDate(deployment, found, nextRevision(old));
    const message = `Found new replica set "${current.metadata.name}"`;
    const known = findCondition(deployment.status?.conditions, 'Progressing');
    const noted = known ? deployment : this.#progressing(deployment, { status: 'True', reason: 'FoundNewReplicaSet', message });
    return { deployment: withRevision(noted, String(revisionOf(current))), family: { current, old } };
  }

  /** As `sort`, and makes the ReplicaSet of the present template where there is none. */
  async ensure(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Promise<Draft> {
    const draft = await this.sort(deployment, replicaSets);
    if (draft.family.current) return draft;
    const { old } = draft.family;
    const revision = nextRevision(old);
    const wanted = this.#newReplicaSet(deployment, old, revision);
    const { replicaSet: current, isNew } = await this.#create(deployment, wanted);
    const size = current.spec?.replicas ?? 0;
    if (isNew && size > 0) this.#event(deployment, `Scaled up replica set ${current.metadata.name} from 0 to ${size}`);
    const message = `Created new replica set "${current.metadata.name}"`;
    const noted = isNew ? this.#progressing(deployment, { status: 'True', reason: 'NewReplicaSetCreated', message }) : deployment;
    return { deployment: withRevision(noted, String(revision)), family: { current, old } };
  }

  /** Sets the size, and notes how big the Deployment is now. Returns the ReplicaSet as it then is. */
  async scale(deployment: Deployment, replicaSet: ReplicaSet, size: number): Promise<ReplicaSet> {
    const { metadata, spec } = replicaSet;
    const annotations = { ...metadata.annotations, ...replicasAnnotations(deployment) };
    const before = spec?.replicas ?? 0;
    if (before === size && semanticEqual(annotations, metadata.annotations)) return replicaSet;
    const updated = await unlessGone(
      this.#of(replicaSet).update({ ...replicaSet, metadata: { ...metadata, annotations }, spec: { ...spec!, replicas: size } }),
    );
    if (!updated) {
      this.forget(replicaSet);
      return replicaSet;
    }
    this.#note(updated);
    if (before !== size)
      this.#event(deployment, `Scaled ${size > before ? 'up' : 'down'} replica set ${metadata.name} from ${before} to ${size}`);
    return updated;
  }

  async scaleAll(deployment: Deployment, sizes: Iterable<readonly [ReplicaSet, number]>): Promise<void> {
    await Promise.all(Array.from(sizes, ([replicaSet, size]) => this.scale(deployment, replicaSet, size)));
  }

  /** Deletes the oldest revisions beyond the limit; those that still have pods, or changes not yet seen, stay. */
  async cleanUp({ spec }: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const limit = spec?.revisionHistoryLimit ?? 2 ** 31 - 1;
    const alive = old.filter(({ metadata }) => !metadata.deletionTimestamp);
    const surplus = alive.toSorted(earlierRevisionFirst).slice(0, Math.max(0, alive.length - limit));
    const idle = surplus.filter(({ metadata, spec, status }) => {
      const hasPods = (status?.replicas ?? 0) !== 0 || spec?.replicas !== 0;
      return !hasPods && (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0);
    });
    await Promise.all(idle.map((replicaSet) => unlessGone(this.#of(replicaSet).delete(replicaSet.metadata.name!))));
  }

  async #bringUpToDate(deployment: Deployment, replicaSet: ReplicaSet, revision: bigint): Promise<ReplicaSet> {
    const { metadata, spec } = replicaSet;
    const annotations = newReplicaSetAnnotations(deployment, metadata.annotations ?? {}, revision);
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (semanticEqual(annotations, metadata.annotations ?? {}) && minReadySeconds === (spec?.minReadySeconds ?? 0)) return replicaSet;
    return this.#note(
      await this.#of(replicaSet).update({ ...replicaSet, metadata: { ...metadata, annotations }, spec: { ...spec!, minReadySeconds } }),
    );
  }

  #newReplicaSet(deployment: Deployment, old: readonly ReplicaSet[], revision: bigint): ReplicaSet {
    const { metadata, spec, status } = deployment;
    const template = spec!.template;
    const hash = stableHash(template, status?.collisionCount);
    const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
    const annotations = { ...newReplicaSetAnnotations(deployment, {}, revision), ...replicasAnnotations(deployment) };
    return {
      metadata: {
        name: `${metadata.name}-${hash}`,
        namespace: metadata.namespace!,
        labels,
        annotations,
        ownerReferences: [controllerReference(deployment, DEPLOYMENTS)],
      },
      spec: {
        replicas: newReplicaSetSize(deployment, old, 0),
        ...(spec!.minReadySeconds ? { minReadySeconds: spec!.minReadySeconds } : {}),
        selector: { ...spec!.selector, matchLabels: { ...spec!.selector.matchLabels, [HASH_LABEL]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
  }

  async #create(deployment: Deployment, wanted: ReplicaSet): Promise<{ replicaSet: ReplicaSet; isNew: boolean }> {
    try {
      return { replicaSet: this.#note(await this.#of(wanted).create(wanted)), isNew: true };
    } catch (error) {
      if (StatusError.is(error, 'AlreadyExists')) return { replicaSet: await this.#takeExisting(deployment, wanted), isNew: false };
      if (!isNamespaceTerminating(error)) await this.#noteFailure(deployment, wanted, error);
      throw error;
    }
  }

  /** The name is taken: by the very ReplicaSet that the cache does not show yet, or by another, and then the hash must change. */
  async #takeExisting(deployment: Deployment, wanted: ReplicaSet): Promise<ReplicaSet> {
    const found = await this.#of(wanted).get(wanted.metadata.name!);
    const isOurs = controllerOf(found)?.uid === deployment.metadata.uid && sameTemplate(found.spec?.template, deployment.spec?.template);
    if (isOurs) return found;
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    await this.#context.client.resource(DEPLOYMENTS, deployment.metadata.namespace).updateStatus({ ...deployment, status });
    throw new Error(`the name of replica set "${wanted.metadata.name}" is taken by another; trying the next hash`);
  }

  async #noteFailure(deployment: Deployment, wanted: ReplicaSet, error: unknown): Promise<void> {
    const message = `Failed to create new replica set "${wanted.metadata.name}": ${messageOf(error)}`;
    const noted = this.#progressing(deployment, { status: 'False', reason: 'ReplicaSetCreateError', message });
    this.#context.events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
    if (!semanticEqual(noted.status, deployment.status)) {
      await this.#context.client.resource(DEPLOYMENTS, deployment.metadata.namespace).updateStatus(noted);
    }
  }

  #progressing(deployment: Deployment, condition: NewCondition): Deployment {
    if (progressDeadlineMs(deployment) === undefined) return deployment;
    const { status = {} } = deployment;
    const conditions = withCondition(status.conditions ?? [], 'Progressing', condition, this.#context.clock.now());
    return { ...deployment, status: withConditions(status, conditions) };
  }

  #note(replicaSet: ReplicaSet): ReplicaSet {
    const owner = controllerOf(replicaSet)?.uid;
    if (owner === undefined) return replicaSet;
    const written = this.#written.get(owner) ?? new Map<string, ReplicaSet>();
    this.#written.set(owner, written.set(replicaSet.metadata.uid!, replicaSet));
    return replicaSet;
  }

  #event(deployment: Deployment, message: string): void {
    this.#context.events.event(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  #of({ metadata }: ReplicaSet): ResourceClient<ReplicaSet> {
    return this.#context.client.resource(REPLICA_SETS, metadata.namespace);
  }
}

function revisionNumber({ metadata }: ReplicaSet): number {
  return Number(metadata.resourceVersion);
}

function withRevision(deployment: Deployment, revision: string): Deployment {
  const { metadata } = deployment;
  if (metadata.annotations?.[REVISION] === revision) return deployment;
  return { ...deployment, metadata: { ...metadata, annotations: { ...metadata.annotations, [REVISION]: revision } } };
}
