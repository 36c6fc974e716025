/** Defaults of volumes that outlive pods. */
import type { CSIDriver, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../types.gen.ts';

export function defaultPersistentVolume(volume: PersistentVolume): void {
  volume.status ??= {};
  volume.status.phase ||= 'Pending';
  if (!volume.spec) return;
  volume.spec.persistentVolumeReclaimPolicy ||= 'Retain';
  volume.spec.volumeMode ??= 'Filesystem';
  if (volume.spec.hostPath) volume.spec.hostPath.type ??= '';
}

export function defaultPersistentVolumeClaim(claim: PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
  if (claim.spec) claim.spec.volumeMode ??= 'Filesystem';
}

export function defaultStorageClass(storageClass: StorageClass): void {
  storageClass.reclaimPolicy ??= 'Delete';
  storageClass.volumeBindingMode ??= 'Immediate';
}

export function defaultCSIDriver({ spec }: CSIDriver): void {
  if (!spec) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
}
