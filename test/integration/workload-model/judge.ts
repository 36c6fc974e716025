/**
 * Judges every write at the moment it is stored. What controllers do may rest on what was true a while ago (`world.horizonMs`), so a limit
 * that a user has just lowered still holds for that long; what only a user or misfortune did is nobody's fault.
 */
import type { DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet } from '../../../src/api/types.gen.ts';
import { DESIRED_REPLICAS } from '../../../src/controllers/deployment/revisions.ts';
import { resolveIntOrPercent } from '../../../src/controllers/rollout/int-or-percent.ts';
import { controllerUid, hasEnded, isActive, isAvailable, type Change, type Kind } from './truth.ts';
import type { World } from './world.ts';

export class Judge {
  /** What was broken, in order. */
  readonly findings: string[] = [];
  /** When pods last went without the controllers' doing, ms. */
  disturbedAt = -Infinity;
  readonly #world: World;
  /** By owner uid: what its spec allowed, and since when. */
  readonly #limits = new Map<string, { at: number; most: number; least: number }[]>();
  /** By StatefulSet and ordinal: when that pod was last seen to serve. */
  readonly #served = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    world.truth.listen((change) => this.#see(change));
  }

  /** For what serves without any write: time alone makes pods available. */
  look(): void {
    for (const set of this.#world.truth.all('statefulsets')) {
      for (const pod of this.#podsOf(set.metadata.uid!))
        if (this.#serves(pod, set)) this.#served.set(`${set.metadata.uid}/${pod.metadata.name}`, this.#now);
    }
  }

  get #now(): number {
    return this.#world.clock.now();
  }

  #find(text: string): void {
    this.findings.push(text);
  }

  #see(change: Change): void {
    const { kind, before, after } = change;
    this.look();
    if (before && after) this.#checkAdoption(kind, before.metadata, after.metadata);
    if (kind === 'deployments' && after) this.#noteDeployment(after as Deployment);
    if (kind === 'replicasets') this.#seeReplicaSet(before as ReplicaSet | undefined, after as ReplicaSet | undefined);
    if (kind === 'controllers' && after) this.#note(after.metadata.uid!, (after as ReplicaSet).spec?.replicas ?? 1);
    if (kind === 'jobs' && after) this.#seeJob(after as Job);
    if (kind === 'pods' && after) this.#seePod(before as Pod | undefined, after as Pod);
    this.look();
  }

  #checkAdoption(kind: Kind, before: Pod['metadata'], after: Pod['metadata']): void {
    const [was, is] = [controllerUid({ metadata: before }), controllerUid({ metadata: after })];
    if (before.uid === after.uid && was && is && was !== is) this.#find(`${kind}/${after.name} was taken from its controller by another`);
  }

  // Limits

  #note(uid: string, most: number, least = 0): void {
    const limits = this.#limits.get(uid) ?? [];
    this.#limits.set(uid, [...limits, { at: this.#now, most, least }]);
  }

  #noteDeployment({ metadata, spec }: Deployment): void {
    const replicas = spec?.replicas ?? 1;
    const { maxSurge, maxUnavailable } = spec?.strategy?.rollingUpdate ?? {};
    const rolls = spec?.strategy?.type === 'RollingUpdate';
    const surge = rolls ? resolveIntOrPercent(maxSurge, replicas, 'up') : 0;
    const missing = rolls ? Math.max(resolveIntOrPercent(maxUnavailable, replicas, 'down'), surge === 0 ? 1 : 0) : replicas;
    this.#note(metadata.uid!, replicas + surge, replicas - missing);
  }

  /** The loosest of what was allowed within the horizon. */
  #limit(uid: string): { most: number; least: number } {
    const limits = this.#limits.get(uid) ?? [];
    const since = this.#now - this.#world.horizonMs;
    const from = Math.max(
      0,
      limits.findLastIndex(({ at }) => at <= since),
    );
    const valid = limits.slice(from);
    return { most: Math.max(...valid.map(({ most }) => most)), least: Math.min(...valid.map(({ least }) => least)) };
  }

  // ReplicaSets and their Deployments

  #seeReplicaSet(before: ReplicaSet | undefined, after: ReplicaSet | undefined): void {
    if (after) this.#note(after.metadata.uid!, after.spec?.replicas ?? 1);
    const [was, is] = [before?.spec?.replicas ?? 0, after?.spec?.replicas ?? 0];
    const deployment = after && this.#deploymentOf(after);
    if (!deployment || was === is || (before && !controllerUid(before))) return;
    const family = this.#world.truth.controlledBy('replicasets', deployment.metadata.uid!);
    const limit = this.#limit(deployment.metadata.uid!);
    const total = family.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
    const name = `${after.metadata.name} was scaled from ${was} to ${is}`;
    if (is > was && total > limit.most) this.#find(`${name}: ${total} pods are asked for, ${limit.most} are allowed`);
    // Scaling in the middle of a rollout takes from all versions by their size, whether they serve or not.
    const isScaling = before?.metadata.annotations?.[DESIRED_REPLICAS] !== after.metadata.annotations?.[DESIRED_REPLICAS];
    if (is < was && !isScaling && deployment.spec?.strategy?.type === 'RollingUpdate')
      this.#checkAvailability(name, { family, shrunk: after, was, least: limit.least });
  }

  #checkAvailability(
    name: string,
    { family, shrunk, was, least }: { family: ReplicaSet[]; shrunk: ReplicaSet; was: number; least: number },
  ): void {
    if (this.#now - this.disturbedAt < this.#world.horizonMs + 10_000) return;
    // Who becomes available in this second counts for the controller: it may have seen it, or not yet.
    const left = (sizeOfShrunk: number, at: number): number =>
      family.reduce((sum, each) => {
        const size = each.metadata.uid === shrunk.metadata.uid ? sizeOfShrunk : (each.spec?.replicas ?? 0);
        const available = this.#podsOf(each.metadata.uid!).filter((pod) => isAvailable(pod, each.spec?.minReadySeconds ?? 0, at));
        return sum + Math.min(size, available.length);
      }, 0);
    const [now, next] = [left(was, this.#now - 1000), left(shrunk.spec?.replicas ?? 0, this.#now + 1000)];
    if (next < now && next < least) this.#find(`${name}: ${next} of ${now} pods stay available, ${least} are needed`);
  }

  #deploymentOf(replicaSet: ReplicaSet): Deployment | undefined {
    const uid = controllerUid(replicaSet);
    return this.#world.truth.all('deployments').find(({ metadata }) => metadata.uid === uid);
  }

  // Pods

  #podsOf(uid: string): Pod[] {
    return this.#world.truth.controlledBy('pods', uid);
  }

  #seePod(before: Pod | undefined, pod: Pod): void {
    const reference = pod.metadata.ownerReferences?.find(({ controller }) => controller);
    if (before && !before.metadata.deletionTimestamp && pod.metadata.deletionTimestamp) this.#seeDeletion(before);
    // A pod that is adopted brought itself; one that is created was made by its owner.
    if (before || !reference) return;
    const { truth } = this.#world;
    if (reference.kind === 'ReplicaSet' || reference.kind === 'ReplicationController')
      this.#checkNumber(pod, reference.uid, reference.name);
    if (reference.kind === 'ReplicaSet') this.#checkRecreate(pod, reference.uid);
    const set = reference.kind === 'StatefulSet' ? truth.get('statefulsets', reference.name) : undefined;
    if (set?.metadata.uid === reference.uid) this.#checkOrder(set, pod);
    const daemonSet = reference.kind === 'DaemonSet' ? truth.get('daemonsets', reference.name) : undefined;
    if (daemonSet?.metadata.uid === reference.uid) this.#checkNode(daemonSet, pod);
    const job = reference.kind === 'Job' ? truth.get('jobs', reference.name) : undefined;
    if (job?.metadata.uid === reference.uid) this.#checkWorkers(job, pod);
  }

  #checkNumber({ metadata: { name } }: Pod, uid: string, owner: string): void {
    const active = this.#podsOf(uid).filter(isActive).length;
    const { most } = this.#limit(uid);
    if (active > most) this.#find(`${name} is the ${active}th pod of ${owner}, which asks for ${most}`);
  }

  #checkRecreate({ metadata: { name } }: Pod, uid: string): void {
    const replicaSet = this.#world.truth.all('replicasets').find(({ metadata }) => metadata.uid === uid);
    const deployment = replicaSet && this.#deploymentOf(replicaSet);
    if (deployment?.spec?.strategy?.type !== 'Recreate') return;
    // A pod that was lost is replaced, also among several versions that a Deployment has adopted.
    if (this.#podsOf(uid).filter((pod) => !hasEnded(pod)).length > 1) return;
    const others = this.#world.truth.controlledBy('replicasets', deployment.metadata.uid!).filter(({ metadata }) => metadata.uid !== uid);
    const since = this.#now - this.#world.horizonMs;
    const known = others
      .flatMap(({ metadata }) => this.#podsOf(metadata.uid!))
      .filter((pod) => Date.parse(pod.metadata.creationTimestamp!) <= since);
    const old = known.find((pod) => !hasEnded(pod));
    if (old) this.#find(`${name} was made while ${old.metadata.name} of the version before was there (Recreate)`);
  }

  #serves(pod: Pod, { spec }: StatefulSet): boolean {
    return isAvailable(pod, spec?.minReadySeconds ?? 0, this.#now + 1000);
  }

  #checkOrder(set: StatefulSet, { metadata, spec }: Pod): void {
    const start = set.spec?.ordinals?.start ?? 0;
    const ordinal = Number(metadata.name!.slice(set.metadata.name!.length + 1));
    if (metadata.labels?.['statefulset.kubernetes.io/pod-name'] !== metadata.name || spec?.hostname !== metadata.name)
      this.#find(`${metadata.name} has not the identity of its name`);
    if (metadata.labels?.['apps.kubernetes.io/pod-index'] !== String(ordinal)) this.#find(`${metadata.name} has not its index`);
    if (set.spec?.podManagementPolicy === 'Parallel') return;
    for (let lower = start; lower < ordinal; lower++) {
      const seen = this.#served.get(`${set.metadata.uid}/${set.metadata.name}-${lower}`) ?? -Infinity;
      if (this.#now - seen > this.#world.horizonMs) this.#find(`${metadata.name} was made before ${set.metadata.name}-${lower} served`);
    }
  }

  /** Ordered sets shrink from the end. */
  #seeDeletion({ metadata }: Pod): void {
    const reference = metadata.ownerReferences?.find(({ kind }) => kind === 'StatefulSet');
    const set = reference && this.#world.truth.get('statefulsets', reference.name);
    if (!set || set.metadata.uid !== reference.uid || set.metadata.deletionTimestamp || this.#isDisturbed) return;
    const of = (name: string): number => Number(name.slice(set.metadata.name!.length + 1));
    const end = (set.spec?.ordinals?.start ?? 0) + (set.spec?.replicas ?? 1);
    if (set.spec?.podManagementPolicy === 'Parallel' || of(metadata.name!) < end) return;
    const later = this.#podsOf(reference.uid).find((pod) => isActive(pod) && of(pod.metadata.name!) > of(metadata.name!));
    if (later) this.#find(`${metadata.name} was deleted before ${later.metadata.name}`);
  }

  get #isDisturbed(): boolean {
    return this.#now - this.disturbedAt < this.#world.horizonMs;
  }

  #checkNode({ metadata, spec }: DaemonSet, pod: Pod): void {
    const node = nodeOf(pod);
    // Strays that were adopted have no revision, and may come to a node after the decision.
    const made = this.#podsOf(metadata.uid!).filter((each) => each.metadata.labels?.['controller-revision-hash'] !== undefined);
    const there = made.filter((each) => isActive(each) && nodeOf(each) === node);
    const surge = resolveIntOrPercent(spec?.updateStrategy?.rollingUpdate?.maxSurge, 4, 'up');
    if (there.length > (surge > 0 ? 2 : 1)) this.#find(`${pod.metadata.name} is the ${there.length}th pod of ${metadata.name} on ${node}`);
    const hash = pod.metadata.labels?.['controller-revision-hash'];
    const twins = there.filter((each) => each.metadata.labels?.['controller-revision-hash'] === hash);
    if (twins.length > 1) this.#find(`${pod.metadata.name} is a second pod of the same version of ${metadata.name} on ${node}`);
  }

  // Jobs

  #seeJob({ metadata, spec, status }: Job): void {
    this.#note(metadata.uid!, spec?.suspend ? 0 : (spec?.parallelism ?? 1));
    const { completions, completionMode } = spec!;
    if (completionMode === 'Indexed' && (status?.succeeded ?? 0) > completions!)
      this.#find(`${metadata.name} counts ${status!.succeeded} of ${completions} indexes`);
  }

  #checkWorkers(job: Job, { metadata: { name, uid, annotations } }: Pod): void {
    const active = this.#podsOf(job.metadata.uid!).filter(isActive);
    const { most } = this.#limit(job.metadata.uid!);
    if (active.length > most) this.#find(`${name} is the ${active.length}th pod at work for ${job.metadata.name}, which allows ${most}`);
    const index = annotations?.['batch.kubernetes.io/job-completion-index'];
    const twin = active.find(
      (each) =>
        each.metadata.uid !== uid &&
        index !== undefined &&
        each.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] === index,
    );
    if (twin) this.#find(`${name} works on index ${index} beside ${twin.metadata.name}`);
    if (
      job.status?.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True') &&
      this.#world.horizonMs <= 1000
    )
      this.#find(`${name} was made for ${job.metadata.name}, which is over`);
  }
}

export function nodeOf({ spec }: Pod): string | undefined {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return spec?.nodeName ?? terms?.[0]?.matchFields?.[0]?.values?.[0];
}
