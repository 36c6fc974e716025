/** Takes away what a manager applied before and no longer wants. */
import { isRecord, setOwn } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';
import { below, EMPTY, isEmpty, isMember } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { isNamedField, itemElement, memberSchema } from './typed.ts';

/**
 * `object` without the paths of `last` that `kept` has nothing of, at or below them: `kept` is what anyone owns now, the applied configuration
 * included. A struct goes when all that made it wanted has gone. Builds new containers where something goes, shares the rest.
 */
export function pruneOwned(object: JsonRecord, schema: Schema | undefined, last: FieldSet, kept: FieldSet): JsonRecord {
  let result = object;
  for (const [element, node] of Object.entries(below(last))) {
    const name = element.slice(2);
    if (!element.startsWith('f:') || !Object.hasOwn(object, name)) continue;
    const inner = memberSchema(schema, name);
    const goes = kept[element] === undefined && (isMember(node) || isNamedField(schema, name));
    const value = goes ? undefined : pruneValue(object[name], inner, node, kept[element] ?? EMPTY);
    if (value === object[name]) continue;
    if (result === object) result = { ...object };
    if (value === undefined) delete result[name];
    else setOwn(result, name, value);
  }
  return result;
}

function pruneValue(value: unknown, schema: Schema | undefined, last: FieldSet, kept: FieldSet): unknown {
  if (isEmpty(below(last))) return value;
  if (isRecord(value)) return pruneOwned(value, schema, last, kept);
  return Array.isArray(value) && schema ? pruneItems(value, schema, last, kept) : value;
}

function pruneItems(list: readonly unknown[], schema: Schema, last: FieldSet, kept: FieldSet): readonly unknown[] {
  let touched = false;
  const result = list.flatMap((item) => {
    const element = itemElement(item, schema);
    const node = last[element];
    if (node === undefined) return [item];
    if (kept[element] === undefined && isMember(node)) {
      touched = true;
      return [];
    }
    const pruned = pruneValue(item, schema.items, node, kept[element] ?? EMPTY);
    touched ||= pruned !== item;
    return [pruned];
  });
  return touched ? result : list;
}
