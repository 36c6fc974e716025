/** What a write changed, as sets of paths. */
import { deepEqual, isRecord } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';
import { EMPTY, isEmpty, makeNode } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { itemsByElement, memberSchema, viewOf } from './typed.ts';

export interface Comparison {
  /** Paths that the new object has and the old one lacks, or has with another value. */
  changed: FieldSet;
  /** Paths that only the old object has. */
  removed: FieldSet;
}

/** Compares two objects of one schema, but for the top-level fields that are `ignored` (`f:status`). Parts that both share by identity cost nothing. */
export function compareObjects(
  old: JsonRecord,
  next: JsonRecord,
  schema: Schema,
  ignored: readonly string[] = NOTHING_IGNORED,
): Comparison {
  return compareFields(old, next, schema, ignored);
}

const NOTHING_IGNORED: readonly string[] = [];
const SAME: Comparison = { changed: EMPTY, removed: EMPTY };

/** What became of one node: is it a member of changed or removed itself, and what of the nodes below. */
interface NodeComparison {
  changed?: FieldSet | undefined;
  removed?: FieldSet | undefined;
}

function compareFields(
  old: JsonRecord,
  next: JsonRecord,
  schema: Schema | undefined,
  ignored: readonly string[] = NOTHING_IGNORED,
): Comparison {
  if (old === next) return SAME;
  const changed: Record<string, FieldSet> = {};
  const removed: Record<string, FieldSet> = {};
  const visit = (name: string): void => {
    const before = old[name];
    const after = next[name];
    if (before === after || (ignored.length > 0 && ignored.includes(`f:${name}`))) return;
    collect(changed, removed, `f:${name}`, compareNode(before, after, memberSchema(schema, name)));
  };
  for (const name in next) visit(name);
  for (const name in old) if (!Object.hasOwn(next, name)) visit(name);
  return { changed, removed };
}

function collect(changed: Record<string, FieldSet>, removed: Record<string, FieldSet>, element: string, node: NodeComparison): void {
  if (node.changed) changed[element] = node.changed;
  if (node.removed) removed[element] = node.removed;
}

/** A container that came or went is a member itself, besides all that it holds: the `.` in managedFields. */
function compareNode(before: unknown, after: unknown, schema: Schema | undefined): NodeComparison {
  const sample = after === undefined || after === null ? before : after;
  const view = viewOf(sample, schema);
  if (view === 'leaf' || (isHollow(before) === isHollow(after) && isHollow(before))) return compareLeaf(before, after);
  if (before !== undefined && before !== null && viewOf(before, schema) !== view) return compareLeaf(before, after);
  const inner =
    view === 'fields'
      ? compareFields((before ?? {}) as JsonRecord, (after ?? {}) as JsonRecord, schema)
      : compareItems((before ?? []) as unknown[], (after ?? []) as unknown[], schema!);
  return { changed: makeNode(before === undefined, inner.changed), removed: makeNode(after === undefined, inner.removed) };
}

/** Nothing inside to tell apart: then the difference between absent and empty counts. */
function isHollow(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && isEmpty(value as FieldSet);
}

function compareLeaf(before: unknown, after: unknown): NodeComparison {
  if (deepEqual(before, after)) return {};
  return after === undefined ? { removed: EMPTY } : { changed: EMPTY };
}

function compareItems(old: readonly unknown[], next: readonly unknown[], schema: Schema): Comparison {
  // Most lists of most writes are as they were; finding out is far cheaper than naming each item.
  if (deepEqual(old, next)) return SAME;
  const changed: Record<string, FieldSet> = {};
  const removed: Record<string, FieldSet> = {};
  const before = itemsByElement(old, schema);
  const after = itemsByElement(next, schema);
  for (const element of new Set([...before.keys(), ...after.keys()])) {
    collect(changed, removed, element, compareItem(before.get(element), after.get(element), schema.items));
  }
  return { changed, removed };
}

/** Items that share a key cannot be told apart: they are compared as one. */
function compareItem(
  before: readonly unknown[] | undefined,
  after: readonly unknown[] | undefined,
  schema: Schema | undefined,
): NodeComparison {
  const repeated = (before?.length ?? 0) > 1 || (after?.length ?? 0) > 1;
  return repeated ? compareLeaf(before, after) : compareNode(before?.[0], after?.[0], schema);
}
