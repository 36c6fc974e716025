import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { keyOf } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { errorMessage } from '../../lib/errors.ts';
import { classOf, PROVISIONED_BY, PROVISIONER, SELECTED_NODE } from '../persistentvolume/storage.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isToGrow, Resizer } from './resizer.ts';

export const HOST_PATH_PROVISIONER = 'rockpool.dev/hostpath';

export interface HostPathProvisionerOptions {
  /** The folder under which each volume gets one of its own. */
  baseFolder: string;
}

const CLAIM = 'claim ';
const VOLUME = 'volume ';
/** Keeps a volume whose policy is Delete until its folder is gone, also where the volume is deleted before its claim (KEP-2644). */
const FINALIZER = 'external-provisioner.volume.kubernetes.io/finalizer';

/**
 * Makes volumes of class provisioner rockpool.dev/hostpath: a folder on the node for each claim, deleted with it if the class says Delete.
 * Growing one is a word: a folder has no size of its own.
 */
export function createHostPathProvisioner(context: ComponentContext, options: HostPathProvisionerOptions): Component[] {
  return [runReconciler(context, new HostPathProvisioner(context, options))];
}

class HostPathProvisioner implements Reconciler {
  readonly name = 'hostpath-provisioner';
  readonly concurrency = 4;
  readonly #context: ComponentContext;
  readonly #baseFolder: string;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #resizer: Resizer;

  constructor(context: ComponentContext, { baseFolder }: HostPathProvisionerOptions) {
    this.#context = context;
    this.#baseFolder = baseFolder;
    this.#claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = context.client.informer(PERSISTENT_VOLUMES);
    this.#classes = context.client.informer(STORAGE_CLASSES);
    this.#resizer = new Resizer(context);
  }

  setup(queue: { add(key: string): void }): void {
    const noteClaim = (claim: PersistentVolumeClaim): void => {
      const isNew = claim.metadata.annotations?.[PROVISIONER] === HOST_PATH_PROVISIONER && !claim.spec?.volumeName;
      if (isNew || isToGrow(claim)) queue.add(CLAIM + keyOf(claim));
    };
    const noteVolume = (volume: PersistentVolume): void => {
      if (isOurs(volume) && (volume.status?.phase === 'Released' || hasFinalizer(volume) !== isToBeDeleted(volume)))
        queue.add(VOLUME + volume.metadata.name);
    };
    this.#claims.subscribe({ added: noteClaim, updated: noteClaim });
    this.#volumes.subscribe({ added: noteVolume, updated: noteVolume });
  }

  async reconcile(key: string): Promise<void> {
    if (key.startsWith(VOLUME)) return this.#attendVolume(key.slice(VOLUME.length));
    const claim = this.#claims.get(key.slice(CLAIM.length));
    if (!claim) return;
    if (!claim.spec?.volumeName) return this.#provision(claim);
    const volume = this.#volumes.get(claim.spec.volumeName);
    if (volume && isOurs(volume)) await this.#resizer.grow(claim, volume);
  }

  async #provision(claim: PersistentVolumeClaim): Promise<void> {
    const storageClass = this.#classes.get(classOf(claim));
    if (!storageClass || claim.metadata.deletionTimestamp) return;
    const isWaiting = storageClass.volumeBindingMode === 'WaitForFirstConsumer' && !claim.metadata.annotations?.[SELECTED_NODE];
    const name = `pvc-${claim.metadata.uid}`;
    if (isWaiting || this.#volumes.get(name)) return;
    const { events, client } = this.#context;
    events.event(claim, 'Normal', 'Provisioning', `External provisioner is provisioning volume for claim "${keyOf(claim)}"`);
    try {
      if (claim.spec?.volumeMode === 'Block') throw new Error('raw block volumes are not supported; use volumeMode Filesystem');
      const folder = this.#folderOf(name, claim);
      await mkdir(folder, { recursive: true });
      // Containers run as any user; mkdir's mode would be cut by the umask.
      await chmod(folder, 0o777);
      await client.resource(PERSISTENT_VOLUMES).create(newVolume(claim, storageClass, { name, folder }));
    } catch (error) {
      // Made in an earlier round that was cut off before it could say so.
      if (StatusError.is(error, 'AlreadyExists')) return;
      events.event(
        claim,
        'Warning',
        'ProvisioningFailed',
        `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${errorMessage(error)}`,
      );
      throw error;
    }
    events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
  }

  async #attendVolume(name: string): Promise<void> {
    const volume = this.#volumes.get(name);
    if (!volume) return;
    if (volume.status?.phase === 'Released' && isToBeDeleted(volume)) return this.#delete(volume);
    // The policy may be changed at any time; nothing new may hold back what is being deleted.
    if (hasFinalizer(volume) === isToBeDeleted(volume)) return;
    if (isToBeDeleted(volume) && volume.metadata.deletionTimestamp) return;
    await this.#setFinalizer(volume, isToBeDeleted(volume));
  }

  async #delete(volume: PersistentVolume): Promise<void> {
    const { name, uid } = volume.metadata;
    const volumes = this.#context.client.resource(PERSISTENT_VOLUMES);
    try {
      await this.#removeFolder(volume);
      if (!volume.metadata.deletionTimestamp) await unlessGone(volumes.delete(name!, { preconditions: { uid: uid! } }));
      const left = hasFinalizer(volume) ? await unlessGone(volumes.get(name!)) : undefined;
      if (left?.metadata.uid === uid) await this.#setFinalizer(left!, false);
    } catch (error) {
      this.#context.events.event(volume, 'Warning', 'VolumeFailedDelete', errorMessage(error));
      throw error;
    }
  }

  /** What somebody edited into the volume must not make us delete anything else. */
  async #removeFolder({ metadata, spec }: PersistentVolume): Promise<void> {
    const folder = spec?.hostPath?.path;
    if (!folder || path.dirname(folder) !== path.resolve(this.#baseFolder) || !path.basename(folder).startsWith(metadata.name!)) return;
    await rm(folder, { recursive: true, force: true });
  }

  async #setFinalizer(volume: PersistentVolume, isWanted: boolean): Promise<void> {
    const others = (volume.metadata.finalizers ?? []).filter((each) => each !== FINALIZER);
    const metadata = { ...volume.metadata, finalizers: isWanted ? [...others, FINALIZER] : others };
    await unlessGone(this.#context.client.resource(PERSISTENT_VOLUMES).update({ ...volume, metadata }));
  }

  /** Unique by the claim's uid, and people can see whose it is. */
  #folderOf(volumeName: string, { metadata }: PersistentVolumeClaim): string {
    return path.join(path.resolve(this.#baseFolder), `${volumeName}_${metadata.namespace}_${metadata.name}`);
  }
}

function newVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  { name, folder }: { name: string; folder: string },
): PersistentVolume {
  const { metadata, spec } = claim;
  const node = metadata.annotations?.[SELECTED_NODE];
  const onNode = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node!] }] };
  const reclaimPolicy = storageClass.reclaimPolicy ?? 'Delete';
  return {
    metadata: { name, annotations: { [PROVISIONED_BY]: HOST_PATH_PROVISIONER }, finalizers: reclaimPolicy === 'Delete' ? [FINALIZER] : [] },
    spec: {
      accessModes: spec?.accessModes ?? [],
      capacity: { storage: spec?.resources?.requests?.['storage'] ?? '0' },
      claimRef: {
        kind: 'PersistentVolumeClaim',
        apiVersion: 'v1',
        namespace: metadata.namespace!,
        name: metadata.name!,
        uid: metadata.uid!,
        resourceVersion: metadata.resourceVersion!,
      },
      hostPath: { path: folder, type: 'DirectoryOrCreate' },
      ...(node ? { nodeAffinity: { required: { nodeSelectorTerms: [onNode] } } } : {}),
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata.name!,
      volumeMode: 'Filesystem',
    },
  };
}

function isOurs({ metadata }: PersistentVolume): boolean {
  return metadata.annotations?.[PROVISIONED_BY] === HOST_PATH_PROVISIONER;
}

function hasFinalizer({ metadata }: PersistentVolume): boolean {
  return metadata.finalizers?.includes(FINALIZER) ?? false;
}

function isToBeDeleted({ spec }: PersistentVolume): boolean {
  return spec?.persistentVolumeReclaimPolicy === 'Delete';
}
