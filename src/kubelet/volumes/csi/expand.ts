/** The node's part of growing a volume (KEP-1790, KEP-556): the file system, and the claim's word that it is done. */
import { bytesOf, compareQuantities } from '../../../api/codec/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import type { EventRecorder } from '../../../client/events.ts';
import { PERSISTENT_VOLUME_CLAIMS } from '../../../client/resources.ts';
import { errorMessage } from '../../../lib/errors.ts';
import { podReference } from '../../containers/events.ts';
import type { Encodable } from '../../runtime/cri/wire.ts';
import type { DriverClient } from './driver-client.ts';
import { NODE_CAPABILITY, NODE_EXPAND_VOLUME } from './messages.ts';
import { capacityOf } from './requests.ts';

export interface Expansion {
  pod: Pod;
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
  driver: DriverClient;
  request: Encodable<(typeof NODE_EXPAND_VOLUME)['request']>;
}

/** The volume has become bigger than the claim says that its file system is. */
export function isToExpand(volume: PersistentVolume, { status }: PersistentVolumeClaim, driver: DriverClient): boolean {
  const shown = status?.capacity?.['storage'];
  return driver.capabilities.has(NODE_CAPABILITY.EXPAND_VOLUME) && shown !== undefined && compareQuantities(capacityOf(volume), shown) > 0;
}

/** Throws VolumeError when the driver cannot; the volume goes on being used at its old size. */
export async function expandOnNode(
  expansion: Expansion,
  services: { client: Client; events: EventRecorder; nodeName: string },
): Promise<void> {
  const { pod, claim, volume, driver, request } = expansion;
  const { events, nodeName } = services;
  const name = volume.metadata.name!;
  const claims = services.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace);
  const size = capacityOf(volume);
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void => {
    events.event(podReference(pod), type, reason, message);
    events.event(claim, type, reason, message);
  };
  await claims.patch(
    claim.metadata.name!,
    'merge',
    { status: { allocatedResourceStatuses: { storage: 'NodeResizeInProgress' } } },
    'status',
  );
  try {
    await driver.call(NODE_EXPAND_VOLUME, { ...request, capacityRange: { requiredBytes: bytesOf(size) } });
  } catch (error) {
    tell(
      'Warning',
      'VolumeResizeFailed',
      `MountVolume.NodeExpandVolume failed for volume "${name}" : Expander.NodeExpand failed to expand the volume : ${errorMessage(error)}`,
    );
    throw error;
  }
  const pending = new Set(['FileSystemResizePending', 'Resizing']);
  const conditions = (claim.status?.conditions ?? []).filter(({ type }) => !pending.has(type));
  const status = { capacity: { storage: size }, conditions, allocatedResourceStatuses: null, allocatedResources: { storage: size } };
  await claims.patch(claim.metadata.name!, 'merge', { status }, 'status');
  tell('Normal', 'FileSystemResizeSuccessful', `MountVolume.NodeExpandVolume succeeded for volume "${name}" ${nodeName}`);
}
