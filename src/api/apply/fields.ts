/** Which fields an applied configuration sets. */
import type { JsonRecord } from '../patch/json.ts';
import { isRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';
import { EMPTY, isEmpty, makeNode, pathsOf } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import { isDeclared, isNamedField, itemElement, memberSchema, TypedError, viewOf } from './typed.ts';

/**
 * The paths of `value`: its leaves, its map entries and its list items. Structs are there only through what they hold. Throws TypedError for a list
 * whose items repeat a key or leave one out, and for
 * a field that the schema does not have.
 */
export function fieldSetOf(value: JsonRecord, schema: Schema): FieldSet {
  return fieldsOf(value, schema, '');
}

function fieldsOf(value: JsonRecord, schema: Schema | undefined, path: string): FieldSet {
  const set: Record<string, FieldSet> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (!isDeclared(schema, name)) throw new TypedError(`${path}.${name}: field not declared in schema`);
    const inner = setOf(member, memberSchema(schema, name), `${path}.${name}`);
    const hollow = member === null || (isRecord(member) && isEmpty(member as FieldSet));
    const node = inner === 'leaf' ? EMPTY : makeNode(hollow || !isNamedField(schema, name), inner);
    if (node) set[`f:${name}`] = node;
  }
  return set;
}

function setOf(value: unknown, schema: Schema | undefined, path: string): FieldSet | 'leaf' {
  switch (viewOf(value, schema)) {
    case 'leaf':
      return 'leaf';
    case 'fields':
      return fieldsOf(value as JsonRecord, schema, path);
    case 'items':
      return itemsOf(value as unknown[], schema!, path);
  }
}

function itemsOf(list: readonly unknown[], schema: Schema, path: string): FieldSet {
  const set: Record<string, FieldSet> = {};
  for (const [index, item] of list.entries()) {
    const missing =
      schema.listType === 'map' &&
      schema.listMapKeys?.find((key) => isRecord(item) && item[key] === undefined && schema.items?.fields?.[key]?.default === undefined);
    if (missing) {
      throw new TypedError(
        `${path}: element ${index}: associative list with keys has an element that omits key field "${missing}" (and doesn't have default value)`,
      );
    }
    const element = itemElement(item, schema);
    if (Object.hasOwn(set, element)) throw new TypedError(`${path}: duplicate entries for key ${pathsOf({ [element]: EMPTY })[0]}`);
    const inner = setOf(item, schema.items, `${path}${pathsOf({ [element]: EMPTY })[0]}`);
    set[element] = makeNode(true, inner === 'leaf' ? EMPTY : inner)!;
  }
  return set;
}
