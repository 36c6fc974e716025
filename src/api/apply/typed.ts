/**
 * How server-side apply sees a value: as one leaf, as fields, or as items with an identity. The schema decides (listType, mapType and
 * structType, KEP-555); where it says nothing, objects are taken apart and lists are not.
 */
import { isRecord } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';

export type View = 'leaf' | 'fields' | 'items';

export function viewOf(value: unknown, schema: Schema | undefined): View {
  if (Array.isArray(value)) return schema?.type === 'array' && (schema.listType === 'map' || schema.listType === 'set') ? 'items' : 'leaf';
  if (!isRecord(value)) return 'leaf';
  if (!schema) return 'fields';
  if (schema.mapType === 'atomic') return 'leaf';
  return schema.type === 'object' || schema.type === 'map' ? 'fields' : 'leaf';
}

/** The schema of a member: a known field's, or what all values of a map share. */
export function memberSchema(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema?.fields && Object.hasOwn(schema.fields, name)) return schema.fields[name]!.schema;
  return schema?.items;
}

/** Whether `name` is a field of a struct, and not a key that users chose. */
export function isNamedField(schema: Schema | undefined, name: string): boolean {
  return schema?.fields !== undefined && Object.hasOwn(schema.fields, name);
}

/** Whether an object of this schema may have a member of that name. */
export function isDeclared(schema: Schema | undefined, name: string): boolean {
  if (schema?.type !== 'object' || schema.preserveUnknownFields || schema.items || isNamedField(schema, name)) return true;
  // A type whose content is free-form has no fields at all.
  if (schema.name && !schema.fields) return true;
  return schema.embeddedResource === true && (name === 'apiVersion' || name === 'kind');
}

/** An applied list that does not identify its items, or a field that there is not. The message ends upstream's `failed to create typed patch object`. */
export class TypedError extends Error {
  override readonly name = 'TypedError';
}

/** The path element of a list's item: `k:{"name":"a"}` or `v:"x"`. A key that is left out stands for its default. */
export function itemElement(item: unknown, list: Schema): string {
  if (list.listType === 'set') return `v:${JSON.stringify(item)}`;
  const keys: JsonRecord = {};
  for (const key of (list.listMapKeys ?? []).toSorted()) {
    const value = isRecord(item) ? (item[key] ?? list.items?.fields?.[key]?.default) : undefined;
    if (value !== undefined) keys[key] = value;
  }
  return `k:${JSON.stringify(keys)}`;
}

/** The items of a list by their path element. Live objects may hold duplicates, which older servers let in. */
export function itemsByElement(list: readonly unknown[], schema: Schema): Map<string, unknown[]> {
  const items = new Map<string, unknown[]>();
  for (const item of list) {
    const element = itemElement(item, schema);
    const known = items.get(element);
    if (known) known.push(item);
    else items.set(element, [item]);
  }
  return items;
}
