import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';
import { timestamp } from '../../api/time.ts';
import { isRecyclable, Recycler } from './recycler.ts';
import { BOUND_BY_CONTROLLER, PROVISIONED_BY } from './storage.ts';

/**
 *     Pending --> Available --claimed--> Bound --claim deleted--> Released --policy Delete--> gone, or Failed
 *                     ^                                              |
 *                     +------------------ scrubbed ----policy Recycle+---> Failed
 *
 * The binder's half that looks from volumes.
 */
export interface VolumeResult {
  /** The key of a claim that must be looked at. */
  claim?: string;
  /** When to look at the volume again. */
  afterMs?: number;
}

/** As often as upstream's binder looks at everything again. */
const RETRY_MS = 15_000;

export class Volumes {
  readonly #context: ComponentContext;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #recycler: Recycler;
  /** When a volume that could not be scrubbed is tried again (monotonic ms), by uid. */
  readonly #retryAt = new Map<string, number>();

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#recycler = new Recycler(context);
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
  }

  async attend(volume: PersistentVolume): Promise<VolumeResult> {
    const reference = volume.spec?.claimRef;
    if (!reference?.uid) {
      await this.#recycler.cleanUp(volume);
      await this.#setPhase(volume, 'Available');
      return reference ? { claim: `${reference.namespace}/${reference.name}` } : {};
    }
    const key = `${reference.namespace}/${reference.name}`;
    const claim = await this.#findClaim(key, reference.uid);
    if (!claim) return this.#release(volume);
    const chosen = claim.spec?.volumeName;
    // The other direction is not written yet.
    if (!chosen) return { claim: key };
    if (chosen === volume.metadata.name) await this.#setPhase(volume, 'Bound');
    else return this.#withdraw(volume);
    return {};
  }

  /** The server is asked before a claim counts as gone: its volume may be deleted for it. */
  async #findClaim(key: string, uid: string): Promise<PersistentVolumeClaim | undefined> {
    const cached = this.#claims.get(key);
    if (cached?.metadata.uid === uid) return cached;
    const [namespace, name] = key.split('/');
    const fresh = await unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, namespace).get(name!));
    return fresh?.metadata.uid === uid ? fresh : undefined;
  }

  async #release(volume: PersistentVolume): Promise<VolumeResult> {
    const phase = volume.status?.phase;
    if (phase === 'Released' || phase === 'Failed') return this.#reclaim(volume);
    await this.#setPhase(volume, 'Released');
    return {};
  }

  /** Volumes of provisioners outside are theirs to delete. */
  async #reclaim(volume: PersistentVolume): Promise<VolumeResult> {
    const { metadata, spec, status } = volume;
    const policy = spec?.persistentVolumeReclaimPolicy ?? 'Retain';
    if (policy === 'Retain' || metadata.deletionTimestamp || metadata.annotations?.[PROVISIONED_BY]) return {};
    if (policy === 'Recycle' && isRecyclable(volume)) return this.#recycle(volume);
    if (status?.phase === 'Failed') return {};
    if (policy === 'Delete') await this.#fail(volume, 'VolumeFailedDelete', noDeleter(volume));
    else await this.#fail(volume, 'VolumeFailedRecycle', 'No recycler plugin found for the volume!');
    return {};
  }

  async #recycle(volume: PersistentVolume): Promise<VolumeResult> {
    const { events, clock } = this.#context;
    const { uid } = volume.metadata;
    const restMs = (this.#retryAt.get(uid!) ?? 0) - clock.monotonic();
    if (restMs > 0) return { afterMs: restMs };
    const step = await this.#recycler.step(volume);
    switch (step.outcome) {
      case 'under way':
        return {};
      case 'in use':
        events.event(volume, 'Normal', 'VolumeFailedRecycle', `Volume is used by pods: ${step.pods.join(',')}`);
        return { afterMs: RETRY_MS };
      case 'done':
        this.#retryAt.delete(uid!);
        events.event(volume, 'Normal', 'VolumeRecycled', 'Volume recycled');
        await this.#unbind(volume);
        await this.#recycler.cleanUp(volume);
        return {};
      case 'failed':
        this.#retryAt.set(uid!, clock.monotonic() + RETRY_MS);
        await this.#fail(volume, 'VolumeFailedRecycle', `Recycle failed: ${step.message}`);
        await this.#recycler.cleanUp(volume);
        return { afterMs: RETRY_MS };
    }
  }

  async #fail(volume: PersistentVolume, reason: string, message: string): Promise<void> {
    await this.#setPhase(volume, 'Failed', message);
    this.#context.events.event(volume, 'Warning', reason, message);
  }

  /** Its claim went with another volume: free again, unless it was made for that claim alone. */
  async #withdraw(volume: PersistentVolume): Promise<VolumeResult> {
    const { metadata, spec } = volume;
    const isMadeForIt = metadata.annotations?.[PROVISIONED_BY] !== undefined && spec?.persistentVolumeReclaimPolicy === 'Delete';
    if (isMadeForIt) return this.#release(volume);
    await this.#unbind(volume);
    return {};
  }

  /** A volume that its author reserved for a claim by name stays reserved. */
  async #unbind(volume: PersistentVolume): Promise<void> {
    const { metadata, spec } = volume;
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

/** Upstream has a deleter for host paths that are under /tmp, on the control plane's own disk; no other kind is deleted from within. */
function noDeleter({ metadata, spec }: PersistentVolume): string {
  const path = spec?.hostPath?.path;
  if (path !== undefined && !path.startsWith('/tmp/')) return `host_path deleter only supports /tmp/.+ but received provided ${path}`;
  return `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`;
}
