import { compareQuantities } from '../../api/codec/quantity.ts';
import { keyOf } from '../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { isMeantFor } from '../persistentvolume/storage.ts';

/**
 * Claims that ask for more than they have. No kind of volume that is left in Kubernetes grows from within: the driver's external resizer
 * (or our provisioner of host paths) does it, and this says so on the claim, as upstream's controller.
 */
export function createExpandController(context: ComponentContext): Component[] {
  return [runReconciler(context, new Expand(context))];
}

const MESSAGE =
  "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to process this PVC.";

class Expand implements Reconciler {
  readonly name = 'volume-expand-controller';
  readonly #context: ComponentContext;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = context.client.informer(PERSISTENT_VOLUMES);
  }

  setup(queue: { add(key: string): void }): void {
    this.#claims.subscribe({
      // only the author's change: each status that a resizer writes would say it again
      updated: (claim, before) => sizeOf(claim) !== sizeOf(before) && wantsMore(claim) && queue.add(keyOf(claim)),
    });
  }

  reconcile(key: string): Promise<void> {
    const claim = this.#claims.get(key);
    const volume = claim && this.#volumes.get(claim.spec?.volumeName ?? '');
    if (claim && volume && wantsMore(claim) && isMeantFor(volume, claim))
      this.#context.events.event(claim, volume.spec?.csi ? 'Normal' : 'Warning', 'ExternalExpanding', MESSAGE);
    return Promise.resolve();
  }
}

function sizeOf({ spec }: PersistentVolumeClaim): string | undefined {
  return spec?.resources?.requests?.['storage'];
}

function wantsMore(claim: PersistentVolumeClaim): boolean {
  const [wanted, has] = [sizeOf(claim), claim.status?.capacity?.['storage']];
  return claim.status?.phase === 'Bound' && wanted !== undefined && has !== undefined && compareQuantities(wanted, has) > 0;
}
