import type { Pod, ResourceClaimConsumerReference, ResourceV1ResourceClaim as ResourceClaim } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS, RESOURCE_CLAIMS } from '../../client/resources.ts';
import { controllerOf, unlessGone } from '../pods/ownership.ts';
import { isTerminal } from '../pods/pod-state.ts';

/** Keeps an allocated claim until its devices were given back here. */
const FINALIZER = 'resource.kubernetes.io/delete-protection';

/** The names of the claims that a pod uses, as far as they are known. */
export function claimNames({ spec, status }: Pod): string[] {
  const generated = (status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName);
  const named = (spec?.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName);
  return [...named, ...generated].filter((name) => name !== undefined);
}

/** The pod will not run (any more). */
function isDone(pod: Pod): boolean {
  return isTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec?.nodeName);
}

/** The controller's half that looks from claims: who still uses them, and what is to be done when nobody does. */
export class UsersOfClaims {
  readonly #context: ComponentContext;
  readonly #pods: Informer<Pod>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#pods = context.client.informer(PODS);
  }

  async attend(claim: ResourceClaim): Promise<void> {
    const reservedFor = claim.status?.reservedFor ?? [];
    const valid: ResourceClaimConsumerReference[] = [];
    for (const consumer of reservedFor) if (await this.#isUsing(claim, consumer)) valid.push(consumer);
    const isIdle =
      valid.length === 0 &&
      claim.status?.allocation !== undefined &&
      (reservedFor.length > 0 || claim.metadata.deletionTimestamp !== undefined);
    const kept = isIdle || valid.length !== reservedFor.length ? await this.#write(claim, valid) : claim;
    if (!kept) return;
    // The scheduler puts the finalizer on before it writes the allocation: only what ended here is let go.
    const isOver = isIdle || (kept.metadata.deletionTimestamp !== undefined && valid.length === 0);
    if (isOver && kept.metadata.finalizers?.includes(FINALIZER)) await this.#letGo(kept);
    else if (valid.length === 0) await this.#removeGenerated(kept);
  }

  /** Who reads this cache later than the pod came is not told that the pod is gone: the server is asked. */
  async #isUsing(
    { metadata: { namespace } }: ResourceClaim,
    { name, uid, resource, apiGroup }: ResourceClaimConsumerReference,
  ): Promise<boolean> {
    if (resource !== 'pods' || apiGroup) return true;
    const cached = this.#pods.get(`${namespace}/${name}`);
    const pod = cached?.metadata.uid === uid ? cached : await unlessGone(this.#context.client.resource(PODS, namespace).get(name));
    return pod !== undefined && pod.metadata.uid === uid && !isDone(pod);
  }

  /** Without users the devices are free again. */
  #write(claim: ResourceClaim, reservedFor: ResourceClaimConsumerReference[]): Promise<ResourceClaim | undefined> {
    const { allocation, devices, reservedFor: _before, ...rest } = claim.status ?? {};
    const status =
      reservedFor.length === 0 ? rest : { ...rest, ...(allocation ? { allocation } : {}), ...(devices ? { devices } : {}), reservedFor };
    return unlessGone(this.#context.client.resource(RESOURCE_CLAIMS, claim.metadata.namespace).updateStatus({ ...claim, status }));
  }

  async #letGo(claim: ResourceClaim): Promise<void> {
    const finalizers = claim.metadata.finalizers!.filter((each) => each !== FINALIZER);
    const update = { ...claim, metadata: { ...claim.metadata, finalizers } };
    const updated = await unlessGone(this.#context.client.resource(RESOURCE_CLAIMS, claim.metadata.namespace).update(update));
    if (updated) await this.#removeGenerated(updated);
  }

  /** A claim that was made for a pod goes when its pod has ended, not only when it is deleted. */
  async #removeGenerated({ metadata }: ResourceClaim): Promise<void> {
    const owner = controllerOf({ metadata });
    if (owner?.kind !== 'Pod' || metadata.deletionTimestamp) return;
    const pod = this.#pods.get(`${metadata.namespace}/${owner.name}`);
    if (!pod || (pod.metadata.uid === owner.uid && !isDone(pod))) return;
    await unlessGone(
      this.#context.client.resource(RESOURCE_CLAIMS, metadata.namespace).delete(metadata.name!, { preconditions: { uid: metadata.uid! } }),
    );
  }
}
