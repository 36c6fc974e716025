/** Server-side apply (KEP-555): a client states the fields that it cares about; the server merges, and tells when two disagree. */
import { groupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import { deepEqual } from '../patch/json.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { statusError, StatusError } from '../status.ts';
import type { StatusCause } from '../types.gen.ts';
import { zeroOf } from '../strategy/zero.ts';
import { compareObjects } from './compare.ts';
import { fieldSetOf } from './fields.ts';
import { intersection, isEmpty, pathsOf, sameSet, union } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { dropPaths, managersOf, ownable, sameManager, withManagers } from './managers.ts';
import { timestamp } from '../time.ts';
import type { Manager } from './managers.ts';
import { mergeApplied } from './merge.ts';
import { pruneOwned } from './prune.ts';
import { ignoredFields } from './track.ts';
import { TypedError } from './typed.ts';

export interface ApplyRequest {
  info: ResourceInfo;
  /** What is stored; undefined when the apply creates. */
  live: KubeObject | undefined;
  /** The configuration as decoded, without defaults: what it leaves out, the applier does not own. */
  applied: KubeObject;
  manager: string;
  /** Takes fields from their owners instead of failing. */
  force: boolean;
  subresource: string;
  /** Milliseconds since the epoch. */
  now: number;
}

export interface ApplyResult {
  /** Merged, with managedFields; not yet defaulted or validated. The live object itself when nothing changed at all. */
  object: KubeObject;
  changed: boolean;
}

const BEFORE_FIRST_APPLY = 'before-first-apply';

/** Throws StatusError: 409 with a cause per field when another manager owns what would change, 400 or 500 for what cannot be applied. */
export function applyObject(request: ApplyRequest): ApplyResult {
  const { info, live, applied } = request;
  if (applied.metadata.managedFields?.length) throw statusError('BadRequest', 'metadata.managedFields must be nil');
  const ignored = ignoredFields(info, applied, request.subresource);
  const config = withoutIgnored(applied, ignored);
  const fields = ownable(typedFields(request, config), ignored);
  const known = knownManagers(request);
  const self: Manager = {
    name: request.manager,
    operation: 'Apply',
    apiVersion: groupVersion(info),
    subresource: request.subresource,
    time: timestamp(request.now),
    fields,
  };
  const last = known.find((manager) => sameManager(manager, self));
  const others = known.filter((manager) => manager !== last);

  const merged = mergeApplied(live ?? {}, config, info.schema) as KubeObject;
  const kept = others.reduce((all, manager) => union(all, manager.fields), fields);
  const next = last ? (pruneOwned(merged, info.schema, last.fields, kept) as KubeObject) : merged;

  const remaining = settle(request, others, next, ignored);
  const owners = isEmpty(fields) ? remaining : [...remaining, self];
  if (live && last && sameSet(last.fields, fields) && last.apiVersion === self.apiVersion && deepEqual(live, next))
    return { object: live, changed: false };
  return { object: withManagers(next, owners), changed: true };
}

/** Who keeps what: fails on a conflict, or, forced, takes the contested fields away. Fields that went are nobody's. */
function settle(request: ApplyRequest, others: readonly Manager[], next: KubeObject, ignored: readonly string[]): Manager[] {
  const compared = compareObjects(request.live ?? zeroOf(request.info.schema), next, request.info.schema);
  const changed = ownable(compared.changed, ignored);
  const conflicts = others.flatMap((manager) => {
    const contested = intersection(manager.fields, changed);
    return isEmpty(contested) ? [] : [{ manager, contested }];
  });
  if (conflicts.length > 0 && !request.force) throw applyConflict(conflicts);
  return dropPaths(others, union(changed, ownable(compared.removed, ignored)));
}

function typedFields({ info, applied }: ApplyRequest, config: KubeObject): FieldSet {
  try {
    return fieldSetOf(config, info.schema);
  } catch (error) {
    if (!(error instanceof TypedError)) throw error;
    const { namespace = '', name = '' } = applied.metadata;
    const message = `failed to create typed patch object (${namespace}/${name}; ${groupVersion(info)}, Kind=${info.kind}): ${error.message}`;
    // Upstream gives it no reason, and so the code of what it did not expect.
    throw new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 500 }, { cause: error });
  }
}

/** An object that nobody tracked gets one owner for all that it has, so that a first apply cannot silently take it over. */
function knownManagers({ info, live, subresource }: ApplyRequest): Manager[] {
  if (!live) return [];
  const known = managersOf(live.metadata.managedFields);
  if (known.length > 0) return known;
  const fields = ownable(compareObjects({}, live, info.schema).changed, ignoredFields(info, live, subresource));
  return isEmpty(fields)
    ? []
    : [
        {
          name: BEFORE_FIRST_APPLY,
          operation: 'Update',
          apiVersion: groupVersion(info),
          subresource: '',
          time: live.metadata.creationTimestamp,
          fields,
        },
      ];
}

function withoutIgnored(applied: KubeObject, ignored: readonly string[]): KubeObject {
  const names = new Set(ignored.map((element) => element.slice(2)));
  names.delete('apiVersion');
  names.delete('kind');
  return Object.fromEntries(Object.entries(applied).filter(([name]) => !names.has(name))) as unknown as KubeObject;
}

interface Contest {
  manager: Manager;
  contested: FieldSet;
}

function applyConflict(contests: readonly Contest[]): StatusError {
  const conflicts = contests.flatMap(({ manager, contested }) => pathsOf(contested).map((path) => ({ owner: ownerText(manager), path })));
  const causes: StatusCause[] = conflicts.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${owner}`,
    field: path,
  }));
  return statusError('Conflict', conflictMessage(conflicts), { causes });
}

function conflictMessage(conflicts: readonly { owner: string; path: string }[]): string {
  if (conflicts.length === 1) return `Apply failed with 1 conflict: conflict with ${conflicts[0]!.owner}: ${conflicts[0]!.path}`;
  const owners = [...new Set(conflicts.map(({ owner }) => owner))].toSorted();
  const lines = owners.flatMap((owner) => [
    `conflicts with ${owner}:`,
    ...conflicts.filter((conflict) => conflict.owner === owner).map(({ path }) => `- ${path}`),
  ]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function ownerText({ name, operation, apiVersion, subresource }: Manager): string {
  const owner = subresource ? `"${name}" with subresource "${subresource}"` : `"${name}"`;
  return operation === 'Update' ? `${owner} using ${apiVersion}` : owner;
}
