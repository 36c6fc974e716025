/** Keeps metadata.managedFields true for every write that is no apply. */
import { groupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { zeroOf } from '../strategy/zero.ts';
import { compareObjects } from './compare.ts';
import { EMPTY, isEmpty, union } from './field-set.ts';
import { dropPaths, isReset, managersOf, ownable, sameManager, withManagers } from './managers.ts';
import { timestamp } from '../time.ts';
import type { Manager } from './managers.ts';

export interface UpdateTracking {
  info: ResourceInfo;
  /** What is stored; undefined on create. */
  live: KubeObject | undefined;
  /**
   * What the client asks for: decoded and defaulted, before admission, allocators and preparation. What those add is the server's doing and
   * belongs to nobody (a Job's selector, a Service's clusterIP, a pod's token volume), or a later apply could take it away.
   */
  updated: KubeObject;
  /** The field manager's name: `fieldManager`, else the user agent up to the first `/`. */
  manager: string;
  /** '' for the object itself. */
  subresource: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * `updated` with managedFields: the manager takes every field that this write added or changed; other owners lose those and what was
 * removed. Nothing changed means nothing is touched, times included. Objects whose managedFields were reset stay without until an
 * apply. Never throws for what is in the objects; shares parts with both. Fields that this write cannot set may be absent from `updated`.
 */
export function trackUpdate(tracking: UpdateTracking): KubeObject {
  const { info, live, updated, subresource } = tracking;
  const known = knownManagers(tracking);
  if (live && known.length === 0) return withManagers(updated, []);
  const before = live ?? zeroOf(info.schema);
  const ignored = ignoredFields(info, live ?? updated, subresource);
  const compared = compareObjects(before, updated, info.schema, ignored);
  const taken = ownable(compared.changed, ignored);
  const removed = ownable(compared.removed, ignored);
  const lost = isEmpty(removed) ? taken : union(taken, removed);
  if (isEmpty(lost)) return keepEntries(tracking, known);
  return withManagers(updated, withTaker(known, tracking, taken, lost));
}

function withTaker(known: readonly Manager[], tracking: UpdateTracking, taken: Manager['fields'], lost: Manager['fields']): Manager[] {
  const { info, manager, subresource, now } = tracking;
  const self: Manager = {
    name: manager,
    operation: 'Update',
    apiVersion: groupVersion(info),
    subresource,
    time: timestamp(now),
    fields: EMPTY,
  };
  const previous = known.find((other) => sameManager(other, self));
  const others = dropPaths(
    known.filter((other) => other !== previous),
    lost,
  );
  if (isEmpty(taken)) return previous ? [...others, ...dropPaths([previous], lost)] : others;
  const [kept] = previous ? dropPaths([previous], lost) : [];
  return [...others, { ...self, fields: union(kept?.fields ?? EMPTY, taken) }];
}

/** Clients may edit managedFields through the object itself, not through a subresource; leaving them out changes nothing. */
function knownManagers({ live, updated, subresource }: UpdateTracking): Manager[] {
  if (!live) return [];
  const sent = updated.metadata.managedFields;
  if (subresource === '' && isReset(sent)) return [];
  const edited = subresource === '' && sent !== undefined && sent !== live.metadata.managedFields;
  return managersOf(edited ? sent : live.metadata.managedFields);
}

function keepEntries({ live, updated }: UpdateTracking, known: readonly Manager[]): KubeObject {
  const entries = live?.metadata.managedFields;
  if (updated.metadata.managedFields === entries) return updated;
  if (updated.metadata.managedFields === undefined && entries !== undefined)
    return { ...updated, metadata: { ...updated.metadata, managedFields: entries } };
  return withManagers(updated, known);
}

/** Top-level fields that this write cannot set, as the resource's strategy resets them: the status through the object, the rest through the status. */
export function ignoredFields(info: ResourceInfo, object: KubeObject, subresource: string): string[] {
  if (subresource === '') return info.subresources.some(({ name }) => name === 'status') ? ['f:status'] : [];
  if (subresource !== 'status') return [];
  return Object.keys({ ...info.schema.fields, ...object })
    .filter((name) => name !== 'status' && name !== 'metadata')
    .map((name) => `f:${name}`);
}
