/** Which ResourceClaims a pod uses, and whether it may. */
import type { Pod, ResourceClaimConsumerReference, ResourceV1ResourceClaim as ResourceClaim } from '../../../api/types.gen.ts';
import type { Informer } from '../../../client/informer.ts';

const MAX_CONSUMERS = 256;

/** The claims in the order of spec.resourceClaims, or why they cannot be had (yet). */
export function claimsOfPod(pod: Pod, claims: Informer<ResourceClaim>): ResourceClaim[] | { problem: string } {
  const { namespace, name: podName, uid } = pod.metadata;
  const found: ResourceClaim[] = [];
  for (const { name, resourceClaimName, resourceClaimTemplateName } of pod.spec!.resourceClaims ?? []) {
    const status = pod.status?.resourceClaimStatuses?.find((each) => each.name === name);
    if (resourceClaimTemplateName && !status) return { problem: `pod "${namespace}/${podName}": ResourceClaim not created yet` };
    const claimName = resourceClaimTemplateName ? status!.resourceClaimName : resourceClaimName;
    // The controller found that none is needed.
    if (!claimName) continue;
    const claim = claims.get(`${namespace}/${claimName}`);
    if (!claim) return { problem: `resourceclaim.resource.k8s.io "${claimName}" not found` };
    if (claim.metadata.deletionTimestamp) return { problem: `resourceclaim "${claimName}" is being deleted` };
    const owner = claim.metadata.ownerReferences?.find(({ controller }) => controller);
    if (resourceClaimTemplateName && owner?.uid !== uid)
      return { problem: `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${podName} (pod is not owner)` };
    found.push(claim);
  }
  return found;
}

export function isReservedFor({ status }: ResourceClaim, pod: Pod): boolean {
  return (status?.reservedFor ?? []).some(({ uid }) => uid === pod.metadata.uid);
}

export function mayReserve(claim: ResourceClaim, pod: Pod): boolean {
  return isReservedFor(claim, pod) || (claim.status?.reservedFor ?? []).length < MAX_CONSUMERS;
}

export function consumerOf({ metadata }: Pod): ResourceClaimConsumerReference {
  return { resource: 'pods', name: metadata.name!, uid: metadata.uid! };
}
