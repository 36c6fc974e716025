/** Names that the control plane and kubelets must make alike for the volumes of CSI drivers (upstream's pkg/volume/csi). */
import { createHash } from 'node:crypto';

export interface CsiVolumeId {
  driver: string;
  /** As the driver calls the volume. */
  volumeHandle: string;
}

/** Of the VolumeAttachment: one for one volume on one node, so that nothing is attached twice. */
export function csiAttachmentName({ driver, volumeHandle }: CsiVolumeId, nodeName: string): string {
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${nodeName}`).digest('hex')}`;
}

/** As a Node's status.volumesAttached and status.volumesInUse name it. */
export function csiUniqueVolumeName({ driver, volumeHandle }: CsiVolumeId): string {
  return `kubernetes.io/csi/${driver}^${volumeHandle}`;
}
