import { keyOf } from '../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { Claims } from './claims.ts';
import { claimsOf, indexByClaim } from './pods-of-claims.ts';
import { recycledBy } from './recycler.ts';
import { classOf } from './storage.ts';
import { Volumes } from './volumes.ts';

type Queue = Parameters<Reconciler['setup']>[0];

const CLAIM = 'claim ';
const VOLUME = 'volume ';

/** Binds claims to volumes, asks provisioners for those that are missing, and releases volumes whose claims are gone. */
export function createPersistentVolumeBinder(context: ComponentContext): Component[] {
  return [runReconciler(context, new PersistentVolumeBinder(context))];
}

/** Keys are `claim <namespace>/<name>` and `volume <name>`. One at a time: each binding changes what is free for the next. */
class PersistentVolumeBinder implements Reconciler {
  readonly name = 'persistentvolume-controller';
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #claimSide: Claims;
  readonly #volumeSide: Volumes;
  #queue: Queue | undefined;

  constructor(context: ComponentContext) {
    const { client } = context;
    this.#pods = client.informer(PODS);
    this.#claims = client.informer(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = client.informer(PERSISTENT_VOLUMES);
    this.#classes = client.informer(STORAGE_CLASSES);
    this.#claimSide = new Claims(context);
    this.#volumeSide = new Volumes(context);
    indexByClaim(this.#pods);
  }

  setup(queue: Queue): void {
    this.#queue = queue;
    const addClaim = (claim: PersistentVolumeClaim): void => queue.add(CLAIM + keyOf(claim));
    const addVolumeOf = (claim: PersistentVolumeClaim): void => {
      if (claim.spec?.volumeName) queue.add(VOLUME + claim.spec.volumeName);
    };
    this.#claims.subscribe({
      added: addClaim,
      updated: (claim) => {
        addClaim(claim);
        addVolumeOf(claim);
      },
      deleted: (claim) => {
        addVolumeOf(claim);
        for (const volume of this.#volumes.list())
          if (volume.spec?.claimRef?.uid === claim.metadata.uid) queue.add(VOLUME + volume.metadata.name);
      },
    });
    this.#volumes.subscribe({
      added: (volume) => this.#noteVolume(volume),
      updated: (volume) => this.#noteVolume(volume),
      deleted: ({ spec }) => spec?.claimRef && queue.add(`${CLAIM}${spec.claimRef.namespace}/${spec.claimRef.name}`),
    });
    // A class that comes, or becomes the default, may be what claims wait for.
    const addPending = (): void => this.#pending().forEach(addClaim);
    this.#classes.subscribe({ added: addPending, updated: addPending });
    // The event of a claim that waits for a consumer names its pods.
    this.#pods.subscribe({
      added: (pod) => {
        this.#noteConsumer(pod);
        this.#noteRecycler(pod);
      },
      updated: (pod) => this.#noteRecycler(pod),
      deleted: (pod) => this.#noteRecycler(pod),
    });
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    if (key.startsWith(CLAIM)) {
      const claim = this.#claims.get(key.slice(CLAIM.length));
      if (claim) await this.#claimSide.attend(claim);
      return undefined;
    }
    const volume = this.#volumes.get(key.slice(VOLUME.length));
    const { claim, afterMs } = volume ? await this.#volumeSide.attend(volume) : {};
    if (claim) this.#queue!.add(CLAIM + claim);
    return afterMs === undefined ? undefined : { afterMs };
  }

  /** A free volume may be what some claims of its class wait for. */
  #noteVolume(volume: PersistentVolume): void {
    this.#queue!.add(VOLUME + volume.metadata.name);
    const reference = volume.spec?.claimRef;
    if (reference) this.#queue!.add(`${CLAIM}${reference.namespace}/${reference.name}`);
    else if (volume.status?.phase === 'Available') {
      for (const claim of this.#pending()) {
        if (claim.spec?.volumeName === volume.metadata.name || classOf(claim) === classOf(volume)) this.#queue!.add(CLAIM + keyOf(claim));
      }
    }
  }

  #noteConsumer(pod: Pod): void {
    for (const key of claimsOf(pod)) if (this.#claims.get(key)?.status?.phase === 'Pending') this.#queue!.add(CLAIM + key);
  }

  #noteRecycler(pod: Pod): void {
    const volume = recycledBy(pod);
    if (volume !== undefined) this.#queue!.add(VOLUME + volume);
  }

  #pending(): PersistentVolumeClaim[] {
    return this.#claims.list().filter(({ status }) => status?.phase !== 'Bound' && status?.phase !== 'Lost');
  }
}
