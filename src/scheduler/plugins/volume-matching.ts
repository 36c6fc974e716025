/** Which volume a claim that waits for its first consumer could have on a node, and whether one could be made for it there. */
import { compareQuantities } from '../../api/codec/quantity.ts';
import { labelSelectorOf } from '../../api/selectors.ts';
import type { CSIStorageCapacity, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/types.gen.ts';
import type { NodeInfo } from '../snapshot.ts';
import { matchesSelector } from './node-selection.ts';
import { classNameOf, type VolumeObjects } from './volume-objects.ts';

export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

/** One that is reserved for the claim, else the smallest that fits, of those that the node can reach and that nobody was promised. */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  node: NodeInfo,
  isFree: (name: string) => boolean,
): PersistentVolume | undefined {
  let smallest: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (!isReachable(volume, node) || !isFree(volume.metadata.name!) || !suits(volume, claim)) continue;
    if (volume.spec?.claimRef) {
      if (isReservedFor(volume, claim)) return volume;
      continue;
    }
    if (volume.status?.phase !== 'Available' || !fits(volume, claim)) continue;
    if (!smallest || compareQuantities(sizeOf(volume), sizeOf(smallest)) < 0) smallest = volume;
  }
  return smallest;
}

const sizeOf = ({ spec }: PersistentVolume): string => spec?.capacity?.['storage'] ?? '0';
const requestOf = ({ spec }: PersistentVolumeClaim): string => spec?.resources?.requests?.['storage'] ?? '0';

function isReachable({ metadata, spec }: PersistentVolume, node: NodeInfo): boolean {
  const required = spec?.nodeAffinity?.required;
  return !metadata.deletionTimestamp && (!required || matchesSelector(required, node));
}

function isReservedFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { namespace, name, uid } = spec!.claimRef!;
  return namespace === metadata.namespace && name === metadata.name && (!uid || uid === metadata.uid);
}

function suits({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (
    (spec?.volumeMode ?? 'Filesystem') === (claim.spec?.volumeMode ?? 'Filesystem') &&
    compareQuantities(spec?.capacity?.['storage'] ?? '0', requestOf(claim)) >= 0
  );
}

function fits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (
    (classNameOf(volume) ?? '') === (classNameOf(claim) ?? '') &&
    (volume.spec?.volumeAttributesClassName ?? '') === (claim.spec?.volumeAttributesClassName ?? '') &&
    (!claim.spec?.selector || labelSelectorOf(claim.spec.selector).matchesLabels(volume.metadata.labels)) &&
    (claim.spec?.accessModes ?? []).every((mode) => volume.spec?.accessModes?.includes(mode))
  );
}

/** `no`: the class makes no volumes, or none for this node's topology; `full`: its driver says that there is not enough room. */
export function canProvision(claim: PersistentVolumeClaim, node: NodeInfo, objects: VolumeObjects): 'yes' | 'no' | 'full' {
  const storageClass = objects.classes.get(classNameOf(claim) ?? '');
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER || !allows(storageClass, node)) return 'no';
  const driver = objects.csiDrivers.get(storageClass.provisioner);
  if (!driver?.spec.storageCapacity) return 'yes';
  const isEnough = (capacity: CSIStorageCapacity): boolean =>
    capacity.storageClassName === storageClass.metadata.name &&
    compareQuantities(capacity.maximumVolumeSize ?? capacity.capacity ?? '0', requestOf(claim)) >= 0 &&
    capacity.nodeTopology !== undefined &&
    labelSelectorOf(capacity.nodeTopology).matchesLabels(node.labels);
  return objects.capacities.list().some(isEnough) ? 'yes' : 'full';
}

function allows({ allowedTopologies }: StorageClass, node: NodeInfo): boolean {
  if (!allowedTopologies?.length) return true;
  return allowedTopologies.some((term) =>
    (term.matchLabelExpressions ?? []).every(({ key, values }) => node.labels[key] !== undefined && values.includes(node.labels[key])),
  );
}
