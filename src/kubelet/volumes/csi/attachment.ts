/** Waits until the control plane has attached a volume to this node. */
import { csiAttachmentName } from '../../../api/csi-names.ts';
import { NODES, VOLUME_ATTACHMENTS } from '../../../client/resources.ts';
import type { WatchedObjects } from '../objects.ts';
import { VolumeWait } from '../payload.ts';
import { uniqueVolumeName, type VolumeNote } from './places.ts';

export interface Attachments {
  /** What the attacher has to say to the driver's node side. Throws VolumeWait until the volume is attached; then the pod is woken when that may have changed. */
  publishContext(podUid: string, note: VolumeNote): Promise<Record<string, string>>;
  close(): void;
}

/** A kubelet reads attachments one by one and watches only its own Node, whose status.volumesAttached tells when to read. */
export function createAttachments(options: { objects: WatchedObjects; nodeName: string; changed: (podUid: string) => void }): Attachments {
  const { objects, nodeName, changed } = options;
  const node = { type: NODES, namespace: '', name: nodeName };
  const waiting = new Set<string>();
  let release: (() => void) | undefined;
  const watchNode = (): void => {
    release ??= objects.watch(node, () => {
      for (const podUid of waiting) changed(podUid);
    });
  };
  const close = (): void => {
    release?.();
    release = undefined;
  };
  return {
    close,
    async publishContext(podUid, note) {
      const name = csiAttachmentName({ driver: note.driverName, volumeHandle: note.volumeHandle }, nodeName);
      waiting.add(podUid);
      watchNode();
      const attached = (await objects.get(node))?.status?.volumesAttached?.some((one) => one.name === uniqueVolumeName(note));
      if (!attached) throw new VolumeWait(`volume attachment of ${note.volumeHandle} is being waited for`);
      const attachment = await objects.fresh({ type: VOLUME_ATTACHMENTS, namespace: '', name });
      if (!attachment?.status?.attached) throw new VolumeWait(`volume attachment ${name} is not attached yet`);
      waiting.delete(podUid);
      if (waiting.size === 0) close();
      return attachment.status.attachmentMetadata ?? {};
    },
  };
}
