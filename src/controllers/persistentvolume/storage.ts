/** What claims and volumes say of each other, in annotations and fields. */
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.gen.ts';

export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
export const PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
export const PROVISIONER_BETA = 'volume.beta.kubernetes.io/storage-provisioner';
const CLASS_BETA = 'volume.beta.kubernetes.io/storage-class';
const DEFAULT_CLASS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** The name of the class, '' for none. */
export function classOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string {
  return metadata.annotations?.[CLASS_BETA] ?? spec?.storageClassName ?? '';
}

/** The author left the choice of a class to the cluster. */
export function leavesClassOpen({ metadata, spec }: PersistentVolumeClaim): boolean {
  return spec?.storageClassName === undefined && metadata.annotations?.[CLASS_BETA] === undefined;
}

/** The newest of the classes that are marked as the default. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const marked = classes.filter(({ metadata }) => DEFAULT_CLASS.some((name) => metadata.annotations?.[name] === 'true'));
  return marked.toSorted(({ metadata: a }, { metadata: b }) => (a.creationTimestamp! > b.creationTimestamp! ? -1 : 1))[0];
}

/** The volume is for this claim: already, or because its author said so by name. */
export function isMeantFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const reference = spec?.claimRef;
  if (!reference || reference.name !== metadata.name || reference.namespace !== metadata.namespace) return false;
  return !reference.uid || reference.uid === metadata.uid;
}

export function volumeModeOf({ spec }: PersistentVolumeClaim | PersistentVolume): string {
  return spec?.volumeMode ?? 'Filesystem';
}

export function withAnnotations<T extends { metadata: PersistentVolume['metadata'] }>(object: T, annotations: Record<string, string>): T {
  return { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, ...annotations } } };
}
