import { StatusError } from '../../api/status.ts';
import { keyOf } from '../../api/meta.ts';
import type { ControllerRevision, OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PODS } from '../../client/resources.ts';
import type { Expectations } from '../pods/expectations.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating, messageOf } from '../pods/pod-control.ts';
import { claimsFor, newPod, ordinalOf } from './identity.ts';

/** All writes to the pods and claims of StatefulSets, with upstream's events. */
export class SetPods {
  readonly #context: ComponentContext;
  readonly #expectations: Expectations;
  readonly #claims: Informer<PersistentVolumeClaim>;

  constructor(context: ComponentContext, expectations: Expectations) {
    this.#context = context;
    this.#expectations = expectations;
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
  }

  /** The claims first, so that the pod can be scheduled. */
  async create(set: StatefulSet, revision: ControllerRevision, ordinal: number): Promise<void> {
    const pod = newPod(set, revision, ordinal);
    const { uid, namespace, name: setName } = set.metadata;
    for (const claim of claimsFor(set, ordinal)) await this.#createClaim(set, claim, pod);
    this.#expectations.expectCreations(uid!, 1);
    try {
      await this.#context.client.resource(PODS, namespace).create(pod);
      this.#event(set, 'Normal', 'SuccessfulCreate', `create Pod ${pod.metadata.name} in StatefulSet ${setName} successful`);
    } catch (error) {
      this.#expectations.creationObserved(uid!);
      // The cache does not show it yet, or a pod of another has the name: then its event leads here again.
      if (StatusError.is(error, 'AlreadyExists') || isNamespaceTerminating(error)) return;
      this.#event(
        set,
        'Warning',
        'FailedCreate',
        `create Pod ${pod.metadata.name} in StatefulSet ${setName} failed error: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  async delete(set: StatefulSet, pod: Pod): Promise<void> {
    const { uid, namespace, name: setName } = set.metadata;
    const { name, uid: podUid } = pod.metadata;
    this.#expectations.expectDeletions(uid!, [podUid!]);
    try {
      await this.#context.client.resource(PODS, namespace).delete(name!, { preconditions: { uid: podUid! } });
      this.#event(set, 'Normal', 'SuccessfulDelete', `delete Pod ${name} in StatefulSet ${setName} successful`);
    } catch (error) {
      this.#expectations.deletionObserved(uid!, podUid!);
      if (StatusError.is(error, 'NotFound') || StatusError.is(error, 'Conflict')) return;
      this.#event(set, 'Warning', 'FailedDelete', `delete Pod ${name} in StatefulSet ${setName} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Owner references on the claims carry out the retention policy (KEP-1847): the garbage collector deletes what the policy says. */
  async retain(set: StatefulSet, pods: readonly Pod[], condemned: readonly Pod[]): Promise<void> {
    if ((set.spec?.volumeClaimTemplates ?? []).length === 0) return;
    const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
    for (const pod of pods) {
      const owners: OwnerReference[] = [];
      if (whenScaled === 'Delete' && condemned.includes(pod)) owners.push(plainReference('v1', 'Pod', pod));
      else if (whenDeleted === 'Delete') owners.push(plainReference('apps/v1', 'StatefulSet', set));
      for (const { metadata } of claimsFor(set, ordinalOf(pod, set)!))
        await this.#setOwners(set, pod, { key: `${metadata.namespace}/${metadata.name}`, owners });
    }
  }

  async #setOwners(set: StatefulSet, pod: Pod, { key, owners }: { key: string; owners: OwnerReference[] }): Promise<void> {
    const claim = this.#claims.get(key);
    if (!claim) return;
    const before = claim.metadata.ownerReferences ?? [];
    const isOurs = ({ kind, uid, name }: OwnerReference): boolean =>
      uid === set.metadata.uid || uid === pod.metadata.uid || (kind === 'Pod' && name === pod.metadata.name);
    const next = [...before.filter((each) => !isOurs(each)), ...owners];
    if (next.map(({ uid }) => uid).join() === before.map(({ uid }) => uid).join()) return;
    const { ownerReferences: _before, ...metadata } = claim.metadata;
    const update = { ...claim, metadata: next.length > 0 ? { ...metadata, ownerReferences: next } : metadata };
    await unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).update(update));
  }

  async #createClaim(set: StatefulSet, claim: PersistentVolumeClaim, pod: Pod): Promise<void> {
    if (this.#claims.get(keyOf(claim))) return;
    const what = `Claim ${claim.metadata.name} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
    try {
      await this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).create(claim);
      this.#event(set, 'Normal', 'SuccessfulCreate', `create ${what} success`);
    } catch (error) {
      if (StatusError.is(error, 'AlreadyExists') || isNamespaceTerminating(error)) return;
      this.#event(set, 'Warning', 'FailedCreate', `create ${what} failed error: ${messageOf(error)}`);
      throw error;
    }
  }

  #event(set: StatefulSet, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(set, type, reason, message);
  }
}

function plainReference(apiVersion: string, kind: string, { metadata }: Pod | StatefulSet): OwnerReference {
  return { apiVersion, kind, name: metadata.name!, uid: metadata.uid! };
}
