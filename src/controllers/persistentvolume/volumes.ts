import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';
import { timestamp } from '../../api/time.ts';
import { BOUND_BY_CONTROLLER, PROVISIONED_BY } from './storage.ts';

/**
 *     Pending --> Available --claimed--> Bound --claim deleted--> Released --policy Delete--> gone, or Failed
 *
 * The binder's half that looks from volumes. Returns the key of a claim that must be looked at.
 */
export class Volumes {
  readonly #context: ComponentContext;
  readonly #claims: Informer<PersistentVolumeClaim>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
  }

  async attend(volume: PersistentVolume): Promise<string | undefined> {
    const reference = volume.spec?.claimRef;
    if (!reference?.uid) {
      await this.#setPhase(volume, 'Available');
      return reference && `${reference.namespace}/${reference.name}`;
    }
    const key = `${reference.namespace}/${reference.name}`;
    const claim = await this.#findClaim(key, reference.uid);
    if (!claim) return this.#release(volume);
    const chosen = claim.spec?.volumeName;
    // The other direction is not written yet.
    if (!chosen) return key;
    if (chosen === volume.metadata.name) await this.#setPhase(volume, 'Bound');
    else await this.#withdraw(volume);
    return undefined;
  }

  /** The server is asked before a claim counts as gone: its volume may be deleted for it. */
  async #findClaim(key: string, uid: string): Promise<PersistentVolumeClaim | undefined> {
    const cached = this.#claims.get(key);
    if (cached?.metadata.uid === uid) return cached;
    const [namespace, name] = key.split('/');
    const fresh = await unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, namespace).get(name!));
    return fresh?.metadata.uid === uid ? fresh : undefined;
  }

  async #release(volume: PersistentVolume): Promise<undefined> {
    const phase = volume.status?.phase;
    if (phase !== 'Released' && phase !== 'Failed') await this.#setPhase(volume, 'Released');
    else if (phase === 'Released') await this.#reclaim(volume);
  }

  /** Volumes of provisioners outside are theirs to delete. */
  async #reclaim(volume: PersistentVolume): Promise<void> {
    const { metadata, spec } = volume;
    const policy = spec?.persistentVolumeReclaimPolicy ?? 'Retain';
    if (policy === 'Retain' || metadata.deletionTimestamp || metadata.annotations?.[PROVISIONED_BY]) return;
    const [reason, message] =
      policy === 'Delete'
        ? ['VolumeFailedDelete', `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`]
        : ['VolumeFailedRecycle', 'No recycler plugin found for the volume!'];
    await this.#setPhase(volume, 'Failed', message);
    this.#context.events.event(volume, 'Warning', reason, message);
  }

  /** Its claim went with another volume: free again, unless it was made for that claim alone. */
  async #withdraw(volume: PersistentVolume): Promise<void> {
    const { metadata, spec } = volume;
    const isMadeForIt = metadata.annotations?.[PROVISIONED_BY] !== undefined && spec?.persistentVolumeReclaimPolicy === 'Delete';
    if (isMadeForIt) return await this.#release(volume);
    const { claimRef, ...rest } = spec!;
    const { [BOUND_BY_CONTROLLER]: byController, ...annotations } = metadata.annotations ?? {};
    const { uid: _uid, resourceVersion: _resourceVersion, ...reserved } = claimRef!;
    const nextSpec = byController ? rest : { ...rest, claimRef: reserved };
    await unlessGone(
      this.#context.client.resource(PERSISTENT_VOLUMES).update({ ...volume, metadata: { ...metadata, annotations }, spec: nextSpec }),
    );
  }

  async #setPhase(volume: PersistentVolume, phase: string, message?: string): Promise<void> {
    if (volume.status?.phase === phase) return;
    const status = { phase, ...(message ? { message } : {}), lastPhaseTransitionTime: timestamp(this.#context.clock.now()) };
    await unlessGone(this.#context.client.resource(PERSISTENT_VOLUMES).updateStatus({ ...volume, status }));
  }
}
