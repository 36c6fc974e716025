import { compareQuantities } from '../../api/codec/quantity.ts';
import { timestamp } from '../../api/time.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimCondition,
  PersistentVolumeClaimStatus,
} from '../../api/types.gen.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';

/** The claim is bound and asks for more than it has; that its class allows it was checked at admission. */
export function isToGrow({ spec, status }: PersistentVolumeClaim): boolean {
  const [wanted, has] = [spec?.resources?.requests?.['storage'], status?.capacity?.['storage']];
  return status?.phase === 'Bound' && wanted !== undefined && has !== undefined && compareQuantities(wanted, has) > 0;
}

/**
 * Grows volumes as an external resizer does (KEP-284, KEP-1790): the claim says what is under way, then the volume has its new size, then
 * the claim. Each step follows from what the one before has written. The file system is the node's: there is nothing for a kubelet to do.
 */
export class Resizer {
  readonly #context: ComponentContext;

  constructor(context: ComponentContext) {
    this.#context = context;
  }

  async grow(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<void> {
    const { client, events } = this.#context;
    const size = claim.spec!.resources!.requests!['storage']!;
    if (!isToGrow(claim) || !volume.spec || volume.spec.claimRef?.uid !== claim.metadata.uid) return;
    const marked = isMarked(claim, size) ? claim : await this.#mark(claim, size);
    if (!marked) return;
    if (compareQuantities(size, volume.spec.capacity?.['storage'] ?? '0') > 0) {
      events.event(claim, 'Normal', 'Resizing', `External resizer is resizing volume ${volume.metadata.name}`);
      const capacity = { ...volume.spec.capacity, storage: size };
      await unlessGone(client.resource(PERSISTENT_VOLUMES).update({ ...volume, spec: { ...volume.spec, capacity } }));
    }
    const { storage: _done, ...statuses } = marked.status?.allocatedResourceStatuses ?? {};
    const grown = await this.#setStatus(marked, {
      conditions: withoutResizing(marked),
      capacity: { ...marked.status?.capacity, storage: size },
      allocatedResourceStatuses: statuses,
    });
    if (grown) events.event(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded');
  }

  #mark(claim: PersistentVolumeClaim, size: string): Promise<PersistentVolumeClaim | undefined> {
    const condition = { type: 'Resizing', status: 'True', lastTransitionTime: timestamp(this.#context.clock.now()) };
    return this.#setStatus(claim, {
      conditions: [...withoutResizing(claim), condition],
      allocatedResources: { ...claim.status?.allocatedResources, storage: size },
      allocatedResourceStatuses: { ...claim.status?.allocatedResourceStatuses, storage: 'ControllerResizeInProgress' },
    });
  }

  #setStatus(claim: PersistentVolumeClaim, change: PersistentVolumeClaimStatus): Promise<PersistentVolumeClaim | undefined> {
    const status = Object.fromEntries(
      Object.entries({ ...claim.status, ...change }).filter(([, value]) => typeof value !== 'object' || Object.keys(value).length > 0),
    );
    return unlessGone(this.#context.client.resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace).updateStatus({ ...claim, status }));
  }
}

function isMarked({ status }: PersistentVolumeClaim, size: string): boolean {
  const isResizing = status?.conditions?.some(({ type, status: value }) => type === 'Resizing' && value === 'True') ?? false;
  return isResizing && status?.allocatedResources?.['storage'] === size;
}

function withoutResizing({ status }: PersistentVolumeClaim): PersistentVolumeClaimCondition[] {
  return (status?.conditions ?? []).filter(({ type }) => type !== 'Resizing');
}
