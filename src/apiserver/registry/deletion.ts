import { deletionGrace } from '../../api/strategy/deletion.ts';
import { conflict } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { CustomResourceDefinition, ObjectMeta } from '../../api/types.gen.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { ServedResource } from '../resources.ts';
import type { Entry } from '../watch/entry.ts';
import { timestamp } from '../../api/time.ts';
import { isDefinition, isNamespace, orphansByDefault } from './kinds.ts';
import type { DeleteOptions } from './options.ts';
import type { Change } from './store.ts';

/**
 * How an object goes. Pure: from the live object and the request to what is stored next.
 *
 *     live --DELETE--> no grace, no finalizers: removed
 *                  \-> grace period (pods): deletionTimestamp in the future, removed by the kubelet with grace 0
 *                   \-> finalizers: deletionTimestamp now, removed by the update that takes the last one away
 */
export const ORPHAN = 'orphan';
export const FOREGROUND = 'foregroundDeletion';
/** Holds a CustomResourceDefinition until its objects are gone. */
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

/** Throws StatusError Conflict when a precondition fails. */
export function planDeletion({ info, stored }: ServedResource, live: Entry, options: DeleteOptions, now: number): Change {
  checkPreconditions(info, live, options);
  if (isNamespace(stored)) return planNamespace(stored, live.object, options, now);
  const { metadata } = live.object;
  const finalizers = isDefinition(stored)
    ? [...new Set([...finalizersFor(info, metadata, options), CLEANUP])]
    : finalizersFor(info, metadata, options);
  const grace = Math.max(deletionGrace(stored, live.object, options.gracePeriodSeconds) ?? 0, 0);
  if (metadata.deletionTimestamp) return again(live.object, isDefinition(stored) ? (metadata.finalizers ?? []) : finalizers, grace);
  if (grace === 0 && finalizers.length === 0) return { remove: true };
  const marked = deleting(live.object, finalizers, grace, now);
  return { put: isDefinition(stored) ? terminatingDefinition(marked, timestamp(now)) : marked };
}

/** Whether an update that leaves `object` so should remove it instead. */
export function finished(info: ResourceInfo, { metadata, ...rest }: KubeObject): boolean {
  if (!metadata.deletionTimestamp || (metadata.finalizers?.length ?? 0) > 0) return false;
  if (!isNamespace(info)) return (metadata.deletionGracePeriodSeconds ?? 0) === 0;
  return ((rest['spec'] as { finalizers?: string[] } | undefined)?.finalizers?.length ?? 0) === 0;
}

function checkPreconditions(info: ResourceInfo, live: Entry, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const actual = live.object.metadata.uid;
  if (uid && uid !== actual) {
    throw conflict(
      info.resource,
      info.group,
      live.name,
      `the UID in the precondition (${uid}) does not match the UID in record (${actual}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion && resourceVersion !== String(live.revision)) {
    throw conflict(
      info.resource,
      info.group,
      live.name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${live.revision}). The object might have been modified`,
    );
  }
}

/** A second DELETE may shorten the grace period and change who is waited for, no more. */
function again(object: KubeObject, finalizers: string[], grace: number): Change {
  const { metadata } = object;
  const before = metadata.deletionGracePeriodSeconds ?? 0;
  const shorter = grace < before;
  if (finalizers.length === 0 && (shorter ? grace : before) === 0) return { remove: true };
  const changed = withFinalizers(metadata, finalizers);
  if (!shorter) return { put: { ...object, metadata: changed } };
  // The new end counts from when deletion began.
  const began = Date.parse(metadata.deletionTimestamp!) - before * 1000;
  return {
    put: { ...object, metadata: { ...changed, deletionTimestamp: timestamp(began + grace * 1000), deletionGracePeriodSeconds: grace } },
  };
}

function deleting(object: KubeObject, finalizers: string[], grace: number, now: number): KubeObject {
  const { metadata } = object;
  const marked: ObjectMeta = {
    ...withFinalizers(metadata, finalizers),
    deletionTimestamp: timestamp(now + grace * 1000),
    deletionGracePeriodSeconds: grace,
    ...(metadata.generation ? { generation: metadata.generation + 1 } : {}),
  };
  return { ...object, metadata: marked };
}

function withFinalizers(metadata: ObjectMeta, finalizers: string[]): ObjectMeta {
  const { finalizers: _before, ...rest } = metadata;
  return finalizers.length > 0 ? { ...rest, finalizers } : rest;
}

/** `orphan` and `foregroundDeletion` as the request and the kind's default want them (deletionFinalizersForGarbageCollection). */
function finalizersFor(info: ResourceInfo, metadata: ObjectMeta, { propagationPolicy }: DeleteOptions): string[] {
  const current = metadata.finalizers ?? [];
  const wanted = propagationPolicy ? finalizerOf(propagationPolicy) : defaultFinalizer(info, current);
  if (wanted === KEEP) return current;
  const others = current.filter((name) => name !== ORPHAN && name !== FOREGROUND);
  return wanted ? [...others, wanted] : others;
}

const KEEP = Symbol('keep');

function finalizerOf(policy: NonNullable<DeleteOptions['propagationPolicy']>): string | undefined {
  if (policy === 'Orphan') return ORPHAN;
  return policy === 'Foreground' ? FOREGROUND : undefined;
}

/** Finalizers that somebody set earlier decide before the kind's default does. */
function defaultFinalizer(info: ResourceInfo, current: readonly string[]): string | undefined | typeof KEEP {
  if (current.includes(ORPHAN) || current.includes(FOREGROUND)) return KEEP;
  return orphansByDefault(info) ? ORPHAN : undefined;
}

/** A definition that is going says so before the first of its objects goes (customresourcedefinition's REST.Delete). */
function terminatingDefinition(object: KubeObject, now: string): KubeObject {
  const status = object['status'] as CustomResourceDefinition['status'];
  const condition = {
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: now,
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  };
  const others = (status?.conditions ?? []).filter(({ type }) => type !== 'Terminating');
  return { ...object, status: { ...status, conditions: [...others, condition] } };
}

function planNamespace(info: ResourceInfo, object: KubeObject, options: DeleteOptions, now: number): Change {
  const finalizers = finalizersFor(info, object.metadata, options);
  if (!object.metadata.deletionTimestamp) {
    const marked = deleting(object, finalizers, 0, now);
    delete marked.metadata.deletionGracePeriodSeconds;
    const terminating = { ...marked, status: { ...(object['status'] as object | undefined), phase: 'Terminating' } };
    return finished(info, terminating) ? { remove: true } : { put: terminating };
  }
  return finished(info, object) ? { remove: true } : { keep: true };
}
