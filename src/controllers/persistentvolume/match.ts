import { compareQuantities } from '../../api/codec/quantity.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import { matchesNodeSelector } from '../daemonset/node-fit.ts';
import { selectorOf } from '../pods/ownership.ts';
import { classOf, isMeantFor, volumeModeOf } from './storage.ts';

/**
 * The volume for a claim: one that its author reserved for it, else the smallest free one that is big enough and has the claim's class,
 * modes and labels. A claim that waits for its first consumer gets only a reserved one, and once a node was chosen one that can be had there.
 */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { isWaiting, node }: { isWaiting: boolean; node?: Node },
): PersistentVolume | undefined {
  const reserved = volumes.find((volume) => isMeantFor(volume, claim) && !volume.metadata.deletionTimestamp && canServe(volume, claim));
  if (reserved || isWaiting) return reserved;
  const isNear = ({ spec }: PersistentVolume): boolean => {
    const required = spec?.nodeAffinity?.required;
    return !node || !required || matchesNodeSelector(required, node);
  };
  const fitting = volumes.filter((volume) => isFree(volume) && fits(volume, claim) && isNear(volume));
  return fitting.toSorted((a, b) => compareQuantities(sizeOf(a), sizeOf(b)) || (a.metadata.name! < b.metadata.name! ? -1 : 1))[0];
}

/** Of several reasons why a claim cannot have the volume that it names, the first; undefined when it can. */
export function misfit(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (!isBigEnough(volume, claim)) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if (volumeModeOf(volume) !== volumeModeOf(claim)) return 'incompatible volumeMode';
  if (attributesClassOf(volume) !== attributesClassOf(claim)) return 'VolumeAttributesClass does not match';
  return hasModes(volume, claim) ? undefined : 'incompatible accessMode';
}

function isFree({ metadata, spec, status }: PersistentVolume): boolean {
  return !spec?.claimRef && !metadata.deletionTimestamp && status?.phase === 'Available';
}

function fits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (misfit(volume, claim)) return false;
  return claim.spec?.selector === undefined || selectorOf(claim.spec.selector).matches(volume);
}

/** Who reserves a volume by name has chosen: its class and labels are not compared. */
function canServe(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const isSameKind = volumeModeOf(volume) === volumeModeOf(claim) && attributesClassOf(volume) === attributesClassOf(claim);
  return isBigEnough(volume, claim) && isSameKind && hasModes(volume, claim);
}

function attributesClassOf({ spec }: PersistentVolume | PersistentVolumeClaim): string {
  return spec?.volumeAttributesClassName ?? '';
}

function hasModes({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (claim.spec?.accessModes ?? []).every((mode) => spec?.accessModes?.includes(mode));
}

function isBigEnough(volume: PersistentVolume, { spec }: PersistentVolumeClaim): boolean {
  return compareQuantities(sizeOf(volume), spec?.resources?.requests?.['storage'] ?? '0') >= 0;
}

function sizeOf({ spec }: PersistentVolume): string {
  return spec?.capacity?.['storage'] ?? '0';
}
