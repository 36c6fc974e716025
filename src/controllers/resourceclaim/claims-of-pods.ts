import { errorMessage } from '../../lib/errors.ts';
import type {
  Pod,
  PodResourceClaim,
  PodResourceClaimStatus,
  ResourceClaimTemplate,
  ResourceV1ResourceClaim as ResourceClaim,
} from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS } from '../../client/resources.ts';
import { controllerReference, indexByController, ownedBy, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isActive } from '../pods/pod-state.ts';

/** Which of its pod's claims a generated claim is. */
const POD_CLAIM_NAME = 'resource.kubernetes.io/pod-claim-name';

/** Whether a claim is still to be made for the pod, or was lost. */
export function needsClaims(pod: Pod): boolean {
  return isActive(pod) && (pod.spec?.resourceClaims ?? []).some(({ resourceClaimTemplateName }) => resourceClaimTemplateName !== undefined);
}

/** The controller's half that looks from pods: claims made from templates. */
export class ClaimsOfPods {
  readonly #context: ComponentContext;
  readonly #claims: Informer<ResourceClaim>;
  readonly #templates: Informer<ResourceClaimTemplate>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#claims = context.client.informer(RESOURCE_CLAIMS);
    this.#templates = context.client.informer(RESOURCE_CLAIM_TEMPLATES);
    indexByController(this.#claims);
  }

  /** Makes what is missing, and writes the names into the pod's status: the scheduler and the kubelet find claims by those. */
  async attend(pod: Pod): Promise<void> {
    if (!needsClaims(pod)) return;
    const found: PodResourceClaimStatus[] = [];
    for (const podClaim of pod.spec!.resourceClaims!) {
      if (podClaim.resourceClaimTemplateName === undefined) continue;
      const known = pod.status?.resourceClaimStatuses?.find(({ name }) => name === podClaim.name);
      const isThere =
        known?.resourceClaimName !== undefined && this.#claims.get(`${pod.metadata.namespace}/${known.resourceClaimName}`) !== undefined;
      if (isThere) continue;
      const claim = this.#existing(pod, podClaim) ?? (await this.#create(pod, podClaim));
      if (claim) found.push({ name: podClaim.name, resourceClaimName: claim.metadata.name! });
    }
    if (found.length === 0) return;
    const patch = { metadata: { uid: pod.metadata.uid }, status: { resourceClaimStatuses: found } };
    await unlessGone(this.#context.client.resource(PODS, pod.metadata.namespace).patch(pod.metadata.name!, 'strategic', patch, 'status'));
  }

  /** One that was made, and whose name did not get into the pod's status. */
  #existing(pod: Pod, { name }: PodResourceClaim): ResourceClaim | undefined {
    return ownedBy(this.#claims, pod.metadata.uid!).find(
      ({ metadata }) => metadata.annotations?.[POD_CLAIM_NAME] === name && !metadata.deletionTimestamp,
    );
  }

  async #create(pod: Pod, podClaim: PodResourceClaim): Promise<ResourceClaim | undefined> {
    const { namespace, name: podName } = pod.metadata;
    try {
      const template = this.#templates.get(`${namespace}/${podClaim.resourceClaimTemplateName}`);
      if (!template) {
        const wanted = podClaim.resourceClaimTemplateName;
        throw new Error(`resource claim template "${wanted}": resourceclaimtemplate.resource.k8s.io "${wanted}" not found`);
      }
      const { metadata = {}, spec } = template.spec;
      const { labels, annotations } = metadata;
      return await this.#context.client.resource(RESOURCE_CLAIMS, namespace).create({
        apiVersion: 'resource.k8s.io/v1',
        kind: 'ResourceClaim',
        metadata: {
          generateName: `${podName}-${podClaim.name}-`,
          namespace: namespace!,
          ownerReferences: [controllerReference(pod, PODS)],
          ...(labels ? { labels } : {}),
          annotations: { ...annotations, [POD_CLAIM_NAME]: podClaim.name },
        },
        spec,
      });
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      this.#context.events.event(
        pod,
        'Warning',
        'FailedResourceClaimCreation',
        `PodResourceClaim ${podClaim.name}: ${errorMessage(error)}`,
      );
      throw error;
    }
  }
}
