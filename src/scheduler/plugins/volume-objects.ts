/** The collections that plugins for volumes read, watched from the first pod that has a claim. */
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
} from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import {
  CSI_DRIVERS,
  CSI_NODES,
  CSI_STORAGE_CAPACITIES,
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from '../../client/resources.ts';
import type { ClusterEvent, Rejection } from '../framework.ts';

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class';

export interface VolumeObjects {
  client: Client;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
  csiNodes: Informer<CSINode>;
  csiDrivers: Informer<CSIDriver>;
  capacities: Informer<CSIStorageCapacity>;
  attachments: Informer<VolumeAttachment>;
  readonly synced: boolean;
  /** Resolves when all hold their first list; then `onEvent` is told of every change. */
  start(onEvent: (event: ClusterEvent) => void): Promise<void>;
  stop(): void;
}

export function volumeObjects(client: Client): VolumeObjects {
  const claims = client.informer(PERSISTENT_VOLUME_CLAIMS);
  const volumes = client.informer(PERSISTENT_VOLUMES);
  const classes = client.informer(STORAGE_CLASSES);
  const csiNodes = client.informer(CSI_NODES);
  const csiDrivers = client.informer(CSI_DRIVERS);
  const capacities = client.informer(CSI_STORAGE_CAPACITIES);
  const attachments = client.informer(VOLUME_ATTACHMENTS);
  const told = [
    [claims, 'PersistentVolumeClaim'],
    [volumes, 'PersistentVolume'],
    [classes, 'StorageClass'],
    [csiNodes, 'CSINode'],
    [csiDrivers, 'CSIDriver'],
    [capacities, 'CSIStorageCapacity'],
    [attachments, 'VolumeAttachment'],
  ] as const;
  const unsubscribe: (() => void)[] = [];
  let isStarted = false;
  return {
    client,
    claims,
    volumes,
    classes,
    csiNodes,
    csiDrivers,
    capacities,
    attachments,
    get synced() {
      return told.every(([informer]) => informer.synced);
    },
    start: async (onEvent) => {
      await Promise.all(told.map(([informer]) => informer.start()));
      if (isStarted) return;
      isStarted = true;
      for (const [informer, resource] of told) {
        const tell = (action: ClusterEvent['action']) => (): void => onEvent({ resource, action });
        unsubscribe.push(informer.subscribe({ added: tell('add'), updated: tell('update'), deleted: tell('delete') }));
      }
    },
    stop: () => {
      for (const each of unsubscribe.splice(0)) each();
    },
  };
}

/** A plugin rejects the pod whatever the node. */
export const everywhere = (reason: string): { reject: Rejection } => ({
  reject: { code: 'UnschedulableAndUnresolvable', reasons: [reason] },
});

export function isBound(claim: PersistentVolumeClaim | undefined): boolean {
  return Boolean(claim?.spec?.volumeName) && claim?.metadata.annotations?.[BIND_COMPLETED] !== undefined;
}

/** The class that a claim or volume names; undefined when none. */
export function classNameOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string | undefined {
  return metadata.annotations?.[BETA_CLASS] ?? spec?.storageClassName;
}
