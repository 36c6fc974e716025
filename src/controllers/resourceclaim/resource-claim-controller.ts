import { keyOf } from '../../api/meta.ts';
import type { Pod, ResourceV1ResourceClaim as ResourceClaim } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { ClaimsOfPods, needsClaims } from './claims-of-pods.ts';
import { claimNames, UsersOfClaims } from './users-of-claims.ts';

/** Makes the ResourceClaims of pods from their templates, and gives devices back when their last pod has ended (KEP-4381). */
export function createResourceClaimController(context: ComponentContext): Component[] {
  return [runReconciler(context, new ResourceClaims(context))];
}

interface Queue {
  add(key: string): void;
}

const POD = 'pod:';
const CLAIM = 'claim:';

class ResourceClaims implements Reconciler {
  readonly name = 'resource-claim-controller';
  readonly concurrency = 10;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<ResourceClaim>;
  readonly #podSide: ClaimsOfPods;
  readonly #claimSide: UsersOfClaims;
  readonly #templates;

  constructor(context: ComponentContext) {
    const { client } = context;
    this.#pods = client.informer(PODS);
    this.#claims = client.informer(RESOURCE_CLAIMS);
    this.#templates = client.informer(RESOURCE_CLAIM_TEMPLATES);
    this.#podSide = new ClaimsOfPods(context);
    this.#claimSide = new UsersOfClaims(context);
  }

  setup(queue: Queue): void {
    const notePod = (pod: Pod): void => {
      if (!pod.spec?.resourceClaims?.length) return;
      if (needsClaims(pod)) queue.add(POD + keyOf(pod));
      for (const name of claimNames(pod)) queue.add(`${CLAIM}${pod.metadata.namespace}/${name}`);
    };
    this.#pods.subscribe({ added: notePod, updated: notePod, deleted: notePod });
    this.#claims.subscribe({
      added: (claim) => queue.add(CLAIM + keyOf(claim)),
      updated: (claim) => queue.add(CLAIM + keyOf(claim)),
      deleted: (claim) => {
        // A pod whose claim was removed before it ran gets another.
        for (const { kind, name } of claim.metadata.ownerReferences ?? [])
          if (kind === 'Pod') queue.add(`${POD}${claim.metadata.namespace}/${name}`);
      },
    });
    this.#templates.subscribe({
      added: ({ metadata }) => {
        for (const pod of this.#pods.listNamespace(metadata.namespace!))
          if (pod.spec?.resourceClaims?.some((each) => each.resourceClaimTemplateName === metadata.name)) notePod(pod);
      },
    });
  }

  async reconcile(key: string): Promise<void> {
    if (key.startsWith(POD)) {
      const pod = this.#pods.get(key.slice(POD.length));
      if (pod) await this.#podSide.attend(pod);
      return;
    }
    const claim = this.#claims.get(key.slice(CLAIM.length));
    if (claim) await this.#claimSide.attend(claim);
  }
}
