import { StatusError } from '../../api/status.ts';
import { keyOf } from '../../api/meta.ts';
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PODS } from '../../client/resources.ts';
import type { Expectations } from '../pods/expectations.ts';
import { controllerOf, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating, messageOf } from '../pods/pod-control.ts';
import { claimsFor, identityLabels, newPod, ordinalOf } from './identity.ts';
import { isLeftToEarlierPod, retainedOwners } from './retention.ts';

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

  /** The claims first, so that the pod can be scheduled. Nothing is made while a claim has still to go with the pod before. */
  async create(set: StatefulSet, revision: ControllerRevision, ordinal: number): Promise<void> {
    const pod = newPod(set, revision, ordinal);
    const { uid, namespace, name: setName } = set.metadata;
    const claims = claimsFor(set, ordinal);
    const found = claims.map((claim) => this.#claims.get(keyOf(claim)));
    if (found.some((claim) => claim && isLeftToEarlierPod(claim, pod.metadata.name!))) return;
    for (const claim of claims) await this.#createClaim(set, claim, pod);
    this.#expectations.expectCreations(uid!, 1);
    try {
      await this.#context.client.resource(PODS, namespace).create(pod);
      this.#event(set, 'Normal', 'SuccessfulCreate', `create Pod ${pod.metadata.name} in StatefulSet ${setName} successful`);
    } catch (error) {
      this.#expectations.creationObserved(uid!);
      if (isNamespaceTerminating(error)) return;
      if (StatusError.is(error, 'AlreadyExists')) return this.#excuse(set, pod, error);
      this.#event(
        set,
        'Warning',
        'FailedCreate',
        `create Pod ${pod.metadata.name} in StatefulSet ${setName} failed error: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  /** Our own pod that the cache does not show yet leads here again; a pod of another that has the name does not, even when it goes. */
  async #excuse({ metadata: { uid, namespace } }: StatefulSet, { metadata: { name } }: Pod, taken: StatusError): Promise<void> {
    const found = await unlessGone(this.#context.client.resource(PODS, namespace).get(name!));
    if (!found || controllerOf(found)?.uid !== uid) throw taken;
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

  /** The claims that a pod which waits to be started lacks: somebody deleted them since it was made. */
  async restoreClaims(set: StatefulSet, pod: Pod): Promise<void> {
    for (const claim of claimsFor(set, ordinalOf(pod, set)!)) await this.#createClaim(set, claim, pod);
  }

  /** Gives a pod that was adopted the labels of its place in the set. */
  async identify(set: StatefulSet, pod: Pod): Promise<void> {
    const { namespace, name, labels } = pod.metadata;
    const own = identityLabels(name!, ordinalOf(pod, set)!);
    if (Object.entries(own).every(([key, value]) => labels?.[key] === value)) return;
    const updated = { ...pod, metadata: { ...pod.metadata, labels: { ...labels, ...own } } };
    const written = await unlessGone(this.#context.client.resource(PODS, namespace).update(updated));
    if (written) this.#event(set, 'Normal', 'SuccessfulUpdate', `update Pod ${name} in StatefulSet ${set.metadata.name} successful`);
  }

  /** Carries out the retention policy on the claims of these pods. */
  async retain(set: StatefulSet, pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      for (const wanted of claimsFor(set, ordinalOf(pod, set)!)) {
        const claim = this.#claims.get(keyOf(wanted));
        const ownerReferences = claim && retainedOwners(set, pod, claim);
        if (!ownerReferences) continue;
        const update = { ...claim, metadata: { ...claim.metadata, ownerReferences } };
        await unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).update(update));
      }
    }
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
