import { keyOf } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { controllerOf, controllerReference } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { isActive } from '../pods/pod-state.ts';

/** Makes the claims of pods' ephemeral volumes; each lives and goes with its pod (KEP-1698). */
export function createEphemeralVolumeController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EphemeralVolumes(context))];
}

class EphemeralVolumes implements Reconciler {
  readonly name = 'ephemeral-volume-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#pods = context.client.informer(PODS);
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
  }

  setup(queue: { add(key: string): void }): void {
    // The volumes of a pod never change.
    this.#pods.subscribe({ added: (pod) => ephemeralVolumes(pod).length > 0 && queue.add(keyOf(pod)) });
    this.#claims.subscribe({
      deleted: (claim) => {
        const owner = controllerOf(claim);
        if (owner?.kind === 'Pod') queue.add(`${claim.metadata.namespace}/${owner.name}`);
      },
    });
  }

  async reconcile(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    if (!pod || !isActive(pod)) return;
    for (const volume of ephemeralVolumes(pod)) await this.#ensure(pod, volume);
  }

  async #ensure(pod: Pod, { name: volumeName, ephemeral }: Volume): Promise<void> {
    const { namespace, name: podName, uid } = pod.metadata;
    const name = `${podName}-${volumeName}`;
    const claims = this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, namespace);
    let existing = this.#claims.get(`${namespace}/${name}`);
    if (!existing) {
      const { metadata, spec } = ephemeral!.volumeClaimTemplate!;
      const { labels, annotations } = metadata ?? {};
      const own = {
        name,
        namespace: namespace!,
        ownerReferences: [controllerReference(pod, PODS)],
        ...(labels ? { labels } : {}),
        ...(annotations ? { annotations } : {}),
      };
      try {
        await claims.create({ metadata: own, spec });
        return;
      } catch (error) {
        if (isNamespaceTerminating(error)) return;
        if (!StatusError.is(error, 'AlreadyExists')) throw error;
        existing = await claims.get(name);
      }
    }
    // Somebody else's data must not end up in this pod, nor be deleted with it.
    if (controllerOf(existing)?.uid !== uid)
      throw new Error(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`);
  }
}

function ephemeralVolumes({ spec }: Pod): Volume[] {
  return (spec?.volumes ?? []).filter(({ ephemeral }) => ephemeral?.volumeClaimTemplate !== undefined);
}
