/** Volumes and what provides them. */
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../types.gen.ts';
import { AGE, ageOf, column, NAME, NONE, UNSET, wide } from './columns.ts';
import type { Printer } from './columns.ts';

const ACCESS: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** Each mode once, in the order of `ACCESS`. */
function accessModes(modes: readonly string[] | undefined): string {
  return Object.keys(ACCESS)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => ACCESS[mode])
    .join(',');
}

const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class';

export const persistentVolumes: Printer<PersistentVolume> = {
  columns: [
    NAME,
    column('Capacity'),
    column('Access Modes'),
    column('Reclaim Policy'),
    column('Status'),
    column('Claim'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    column('Reason'),
    AGE,
    wide('VolumeMode'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const claim = spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '';
    return [
      metadata.name!,
      spec?.capacity?.['storage'] ?? '',
      accessModes(spec?.accessModes),
      spec?.persistentVolumeReclaimPolicy ?? '',
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
      claim,
      metadata.annotations?.[BETA_CLASS] ?? spec?.storageClassName ?? '',
      spec?.volumeAttributesClassName || UNSET,
      status?.reason ?? '',
      ageOf(object, now),
      spec?.volumeMode ?? UNSET,
    ];
  },
};

export const persistentVolumeClaims: Printer<PersistentVolumeClaim> = {
  columns: [
    NAME,
    column('Status'),
    column('Volume'),
    column('Capacity'),
    column('Access Modes'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    AGE,
    wide('VolumeMode'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const bound = Boolean(spec?.volumeName);
    return [
      metadata.name!,
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
      spec?.volumeName ?? '',
      bound ? (status?.capacity?.['storage'] ?? '') : '',
      bound ? accessModes(status?.accessModes) : '',
      metadata.annotations?.[BETA_CLASS] ?? spec?.storageClassName ?? '',
      spec?.volumeAttributesClassName || UNSET,
      ageOf(object, now),
      spec?.volumeMode ?? UNSET,
    ];
  },
};

const DEFAULT_CLASS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

export const storageClasses: Printer<StorageClass> = {
  columns: [NAME, column('Provisioner'), column('ReclaimPolicy'), column('VolumeBindingMode'), column('AllowVolumeExpansion'), AGE],
  cells: (object, now) => {
    const { metadata, provisioner, reclaimPolicy, volumeBindingMode, allowVolumeExpansion } = object;
    const isDefault = DEFAULT_CLASS.some((key) => metadata.annotations?.[key] === 'true');
    return [
      isDefault ? `${metadata.name} (default)` : metadata.name!,
      provisioner,
      reclaimPolicy ?? 'Delete',
      volumeBindingMode ?? 'Immediate',
      allowVolumeExpansion ?? false,
      ageOf(object, now),
    ];
  },
};

export const volumeAttributesClasses: Printer<VolumeAttributesClass> = {
  columns: [NAME, column('DriverName'), AGE],
  cells: (object, now) => [object.metadata.name!, object.driverName, ageOf(object, now)],
};

export const volumeAttachments: Printer<VolumeAttachment> = {
  columns: [NAME, column('Attacher'), column('PV'), column('Node'), column('Attached', 'boolean'), AGE],
  cells: (object, now) => [
    object.metadata.name!,
    object.spec.attacher,
    object.spec.source.persistentVolumeName ?? '',
    object.spec.nodeName,
    object.status?.attached ?? false,
    ageOf(object, now),
  ],
};

export const csiDrivers: Printer<CSIDriver> = {
  columns: [
    NAME,
    column('AttachRequired', 'boolean'),
    column('PodInfoOnMount', 'boolean'),
    column('StorageCapacity', 'boolean'),
    column('TokenRequests'),
    column('RequiresRepublish', 'boolean'),
    column('Modes'),
    AGE,
  ],
  cells: (object, now) => {
    const { metadata, spec } = object;
    const tokens = (spec.tokenRequests ?? []).map(({ audience }) => audience).join(',') || UNSET;
    return [
      metadata.name!,
      spec.attachRequired ?? true,
      spec.podInfoOnMount ?? false,
      spec.storageCapacity ?? false,
      tokens,
      spec.requiresRepublish ?? false,
      spec.volumeLifecycleModes?.join(',') || NONE,
      ageOf(object, now),
    ];
  },
};

export const csiNodes: Printer<CSINode> = {
  columns: [NAME, column('Drivers', 'integer'), AGE],
  cells: (object, now) => [object.metadata.name!, object.spec.drivers?.length ?? 0, ageOf(object, now)],
};

export const csiStorageCapacities: Printer<CSIStorageCapacity> = {
  columns: [NAME, column('StorageClassName'), column('Capacity'), AGE],
  cells: (object, now) => [object.metadata.name!, object.storageClassName, object.capacity ?? UNSET, ageOf(object, now)],
};
