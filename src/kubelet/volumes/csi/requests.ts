/** What is told to a CSI driver about a volume and the pod that wants it. Pure. */
import type { CSIDriver, PersistentVolume, Pod } from '../../../api/types.gen.ts';
import type { Encodable } from '../../runtime/cri/wire.ts';
import type { DriverClient } from './driver-client.ts';
import { ACCESS_MODE, NODE_CAPABILITY, type VolumeCapability } from './messages.ts';

type Capability = Encodable<typeof VolumeCapability>;

export interface CapabilityFacts {
  accessMode: string;
  block: boolean;
  fsType: string;
  mountOptions: readonly string[];
  /** Handed to drivers that mount for a group themselves. */
  fsGroup?: number;
}

/** How the volume is to be used. A driver that tells one pod from several on a node is told so too (KEP-2485). */
export function capabilityOf(
  { accessMode, block, fsType, mountOptions, fsGroup }: CapabilityFacts,
  { capabilities }: Pick<DriverClient, 'capabilities'>,
): Capability {
  const mode = { mode: modeOf(accessMode, capabilities.has(NODE_CAPABILITY.SINGLE_NODE_MULTI_WRITER)) };
  if (block) return { block: {}, accessMode: mode };
  const group = fsGroup !== undefined && capabilities.has(NODE_CAPABILITY.VOLUME_MOUNT_GROUP) ? { volumeMountGroup: String(fsGroup) } : {};
  return { mount: { fsType, mountFlags: [...mountOptions], ...group }, accessMode: mode };
}

function modeOf(accessMode: string, tellsWriters: boolean): number {
  switch (accessMode) {
    case 'ReadOnlyMany':
      return ACCESS_MODE.MULTI_NODE_READER_ONLY;
    case 'ReadWriteMany':
      return ACCESS_MODE.MULTI_NODE_MULTI_WRITER;
    case 'ReadWriteOncePod':
      return tellsWriters ? ACCESS_MODE.SINGLE_NODE_SINGLE_WRITER : ACCESS_MODE.SINGLE_NODE_WRITER;
    default:
      return tellsWriters ? ACCESS_MODE.SINGLE_NODE_MULTI_WRITER : ACCESS_MODE.SINGLE_NODE_WRITER;
  }
}

/** For drivers with `podInfoOnMount`. */
export function podContext({ metadata, spec }: Pod, ephemeral: boolean): Record<string, string> {
  return {
    'csi.storage.k8s.io/pod.name': metadata.name!,
    'csi.storage.k8s.io/pod.namespace': metadata.namespace!,
    'csi.storage.k8s.io/pod.uid': metadata.uid!,
    'csi.storage.k8s.io/serviceAccount.name': spec?.serviceAccountName ?? 'default',
    'csi.storage.k8s.io/ephemeral': String(ephemeral),
  };
}

/** Whether the kubelet hands the files to the pod's fsGroup, by the driver's fsGroupPolicy. */
export function mayChangeGroup(
  driver: CSIDriver | undefined,
  facts: { fsType: string; accessModes: readonly string[]; inline: boolean },
): boolean {
  const policy = driver?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType';
  if (policy !== 'ReadWriteOnceWithFSType') return policy === 'File';
  if (facts.inline) return true;
  return facts.fsType !== '' && facts.accessModes.some((mode) => mode === 'ReadWriteOnce' || mode === 'ReadWriteOncePod');
}

/** A driver without a CSIDriver object attaches, as upstream's default. Ephemeral volumes never do. */
export function needsAttach(driver: CSIDriver | undefined): boolean {
  return driver?.spec.attachRequired ?? true;
}

export function capacityOf(volume: PersistentVolume): string {
  return volume.spec?.capacity?.['storage'] ?? '0';
}
