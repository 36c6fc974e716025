/** Which owners a claim of a StatefulSet has by its retention policy (KEP-1847): the garbage collector deletes what has lost its owner. */
import { deepEqual } from '../../api/patch/json.ts';
import type { GroupVersionKind, ObjectWithMeta } from '../../api/meta.ts';
import { groupVersion } from '../../api/meta.ts';
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/types.gen.ts';
import { PODS, STATEFUL_SETS } from '../../client/resources.ts';
import { controllerReference } from '../pods/ownership.ts';
import { ordinalOf } from './identity.ts';
import { hasOrdinal } from './plan.ts';

/**
 * The owner references that a claim of `pod` should have; undefined where it has them. A claim that somebody else controls is left to
 * them: it gets none of ours.
 */
export function retainedOwners(set: StatefulSet, pod: Pod, { metadata }: PersistentVolumeClaim): OwnerReference[] | undefined {
  const before = metadata.ownerReferences ?? [];
  const others = before.filter((reference) => !isTo(reference, STATEFUL_SETS, set) && !isTo(reference, PODS, pod));
  const owner = isControlledByOther(set, pod, before) ? undefined : ownerOf(set, pod);
  const next = owner ? [...others, owner] : others;
  return deepEqual(next, before) ? undefined : next;
}

/** The claim is to go with an earlier pod of this name, and must not be given to the next. */
export function isLeftToEarlierPod({ metadata }: PersistentVolumeClaim, podName: string): boolean {
  return metadata.ownerReferences?.some(({ kind, name }) => kind === 'Pod' && name === podName) ?? false;
}

function ownerOf(set: StatefulSet, pod: Pod): OwnerReference | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  if (whenScaled === 'Delete' && !hasOrdinal(set, ordinalOf(pod, set)!)) return controllerReference(pod, PODS);
  return whenDeleted === 'Delete' ? controllerReference(set, STATEFUL_SETS) : undefined;
}

function isControlledByOther(set: StatefulSet, pod: Pod, references: readonly OwnerReference[]): boolean {
  return references.some((reference) => {
    if (isTo(reference, STATEFUL_SETS, set)) return reference.uid !== set.metadata.uid;
    if (isTo(reference, PODS, pod)) return reference.uid !== pod.metadata.uid;
    return reference.controller;
  });
}

/** By name: the uid may be that of an earlier object. */
function isTo({ apiVersion, kind, name }: OwnerReference, type: GroupVersionKind, { metadata }: ObjectWithMeta): boolean {
  return apiVersion === groupVersion(type) && kind === type.kind && name === metadata.name;
}
