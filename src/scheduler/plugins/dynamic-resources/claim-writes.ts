/** What the scheduler writes into claims. */
import { StatusError } from '../../../api/status.ts';
import type { AllocationResult, Pod, ResourceV1ResourceClaim as ResourceClaim } from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import { RESOURCE_CLAIMS } from '../../../client/resources.ts';
import { consumerOf, isReservedFor, mayReserve } from './pod-claims.ts';

/** Keeps a claim that is allocated until its controller has seen to it. */
const FINALIZER = 'resource.kubernetes.io/delete-protection';
const ATTEMPTS = 3;

/** Allocates the claim, unless it is already, and reserves it for the pod. Throws when somebody else was faster. */
export async function reserveClaim(client: Client, claim: ResourceClaim, pod: Pod, allocation?: AllocationResult): Promise<void> {
  const claims = client.resource(RESOURCE_CLAIMS, claim.metadata.namespace);
  let latest = claim;
  for (let attempt = 1; ; attempt++) {
    try {
      await write(latest);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || !StatusError.is(error, 'Conflict')) throw error;
      latest = await claims.get(claim.metadata.name!);
    }
  }

  async function write(current: ResourceClaim): Promise<void> {
    const { uid, finalizers = [], deletionTimestamp, name } = current.metadata;
    if (uid !== claim.metadata.uid || deletionTimestamp) throw new Error(`claim ${name} got deleted in the meantime`);
    if (allocation && current.status?.allocation) throw new Error(`claim ${name} was allocated elsewhere in the meantime`);
    if (!allocation && !current.status?.allocation) throw new Error(`claim ${name} got deallocated elsewhere in the meantime`);
    if (!mayReserve(current, pod)) throw new Error(`claim ${name} is in use`);
    const kept =
      !allocation || finalizers.includes(FINALIZER)
        ? current
        : await claims.update({ ...current, metadata: { ...current.metadata, finalizers: [...finalizers, FINALIZER] } });
    const { reservedFor = [] } = kept.status ?? {};
    await claims.updateStatus({
      ...kept,
      status: {
        ...kept.status,
        ...(allocation ? { allocation } : {}),
        reservedFor: isReservedFor(kept, pod) ? reservedFor : [...reservedFor, consumerOf(pod)],
      },
    });
  }
}

/** Takes the pod out of the claim's users; a claim that went meanwhile is fine. */
export async function unreserveClaim(client: Client, { metadata }: ResourceClaim, pod: Pod): Promise<void> {
  const patch = { metadata: { uid: metadata.uid }, status: { reservedFor: [{ $patch: 'delete', uid: pod.metadata.uid }] } };
  try {
    await client.resource(RESOURCE_CLAIMS, metadata.namespace).patch(metadata.name!, 'strategic', patch, 'status');
  } catch (error) {
    if (!StatusError.is(error, 'NotFound')) throw error;
  }
}

/** Gives the claim's devices back: where they are, the pod cannot go. */
export async function deallocate(client: Client, claim: ResourceClaim): Promise<void> {
  const { allocation: _allocation, reservedFor: _reservedFor, devices: _devices, ...status } = claim.status ?? {};
  await client.resource(RESOURCE_CLAIMS, claim.metadata.namespace).updateStatus({ ...claim, status });
}
