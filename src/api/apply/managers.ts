/** The entries of metadata.managedFields: who owns which fields. */
import type { KubeObject } from '../meta.ts';
import type { ManagedFieldsEntry } from '../types.gen.ts';
import { difference, EMPTY, isEmpty, sorted, union, without } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/** One owner. Update owners are apart by apiVersion too; an applier is the same in whichever version it applies. */
export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldSet;
  /** The entry that this was read from, to be written back as it is while its fields are. */
  readonly entry?: ManagedFieldsEntry;
}

/** More Update owners than this in one version are too many to keep apart: the oldest are merged. */
const MAX_UPDATE_MANAGERS = 10;
const ANCIENT = 'ancient-changes';

/** Fields that nobody owns: identity, and what only the server writes. */
const UNOWNED_META = [
  'f:name',
  'f:namespace',
  'f:creationTimestamp',
  'f:selfLink',
  'f:uid',
  'f:clusterName',
  'f:generation',
  'f:managedFields',
  'f:resourceVersion',
];

export function managersOf(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] {
  return (entries ?? []).map((entry) => ({
    name: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: (entry.fieldsV1 as FieldSet | undefined) ?? EMPTY,
    entry,
  }));
}

/** `[{}]` and `[]` are how a client asks to forget who owned what. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  if (entries === undefined) return false;
  return entries.length === 0 || (entries.length === 1 && Object.keys(entries[0]!).length === 0);
}

export function sameManager(a: Manager, b: Manager): boolean {
  return (
    a.name === b.name &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** A set without the fields that nobody owns, and without those that this write could not have changed. */
export function ownable(set: FieldSet, ignored: readonly string[]): FieldSet {
  const rest = without(set, ['f:apiVersion', 'f:kind', ...ignored]);
  const metadata = rest['f:metadata'];
  if (metadata === undefined) return rest;
  const kept = without(metadata, ['.', ...UNOWNED_META]);
  return isEmpty(kept) ? without(rest, ['f:metadata']) : { ...rest, 'f:metadata': kept };
}

/** The managers without these paths; those who own nothing more are gone. */
export function dropPaths(managers: readonly Manager[], paths: FieldSet): Manager[] {
  if (isEmpty(paths)) return [...managers];
  return managers.flatMap((manager) => {
    const fields = difference(manager.fields, paths);
    if (isEmpty(fields)) return [];
    return [fields === manager.fields ? manager : { ...manager, fields }];
  });
}

/** The object with these managers, in upstream's order: appliers first, then by time and name. Builds new metadata. */
export function withManagers(object: KubeObject, managers: readonly Manager[]): KubeObject {
  const { managedFields: _before, ...metadata } = object.metadata;
  if (managers.length === 0) return { ...object, metadata };
  return { ...object, metadata: { ...metadata, managedFields: capped(managers).toSorted(byAge).map(toEntry) } };
}

function byAge(a: Manager, b: Manager): number {
  return (
    compare(a.operation, b.operation) ||
    compare(a.time ?? '', b.time ?? '') ||
    compare(a.name, b.name) ||
    compare(a.apiVersion, b.apiVersion) ||
    compare(a.subresource, b.subresource)
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function toEntry(manager: Manager): ManagedFieldsEntry {
  const { entry: read } = manager;
  if (read && read.fieldsV1 === manager.fields && read.time === manager.time && read.manager === manager.name) return read;
  const entry: ManagedFieldsEntry = {
    manager: manager.name,
    operation: manager.operation,
    apiVersion: manager.apiVersion,
    time: manager.time,
    fieldsType: 'FieldsV1',
    fieldsV1: sorted(manager.fields),
  };
  if (manager.subresource) entry.subresource = manager.subresource;
  if (manager.time === undefined) delete entry.time;
  return entry;
}

function capped(managers: readonly Manager[]): Manager[] {
  const updates = managers.filter(({ operation }) => operation === 'Update').toSorted(byAge);
  if (updates.length <= MAX_UPDATE_MANAGERS) return [...managers];
  const gone = new Set(updates.slice(0, updates.length - MAX_UPDATE_MANAGERS + 1));
  const merged = new Map<string, Manager>();
  for (const manager of gone) {
    const fields = union(merged.get(manager.apiVersion)?.fields ?? EMPTY, manager.fields);
    merged.set(manager.apiVersion, { ...manager, name: ANCIENT, subresource: '', fields });
  }
  return [...managers.filter((manager) => !gone.has(manager)), ...merged.values()];
}
