/**
 * Objects with every field set, made from the schema. What excludes each other is spread over variants: the fields that all variants of a
 * kind show together are all that the kind has.
 */
import type { Schema } from '../../src/api/schema/schema.ts';
import { LISTED, UNIONS, VALUES } from './field-values.ts';

export interface Sampling {
  /** Which member of each union is set. */
  variant: number;
  /** The kind's name: some values depend on it. */
  kind: string;
}

interface Place extends Sampling {
  depth: number;
  /** Types that are open above, for those that hold themselves. */
  within: readonly string[];
}

/** A value for `schema`; fields get the values of the table, or something of their type. */
export function sampleOf(schema: Schema, sampling: Sampling): unknown {
  return sample(schema, { ...sampling, depth: 0, within: [] }, 'value');
}

/** `io.k8s.api.core.v1.PodSpec` is `PodSpec`. */
export function typeName(schema: Schema): string {
  return schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? '';
}

function sample(schema: Schema, place: Place, name: string): unknown {
  switch (schema.type) {
    case 'object':
      return objectOf(schema, place);
    case 'array':
      return arrayOf(schema.items!, place, name);
    case 'map':
      return { key: sample(schema.items!, place, name) };
    default:
      return scalarOf(schema, name);
  }
}

function arrayOf(items: Schema, place: Place, name: string): unknown[] {
  const type = typeName(items);
  if (!LISTED.has(type)) return [sample(items, place, name)];
  return UNIONS[type]![0]!.map((_, variant) => sample(items, { ...place, variant }, name));
}

function objectOf(schema: Schema, place: Place): Record<string, unknown> {
  const type = typeName(schema);
  const result: Record<string, unknown> = {};
  if (place.within.filter((open) => open === type).length > 1) return result;
  const inside = { ...place, depth: place.depth + 1, within: [...place.within, type] };
  const left = excluded(type, place.variant);
  for (const [name, field] of Object.entries(schema.fields ?? {})) {
    if (left.has(name)) continue;
    const sampled = sample(field.schema, inside, name);
    const value = ruled(`${place.kind}:${type}.${name}`, `${type}.${name}`, place.variant, sampled);
    if (value !== null) result[name] = value;
  }
  return result;
}

function ruled(ofKind: string, ofType: string, variant: number, sampled: unknown): unknown {
  const rule = Object.hasOwn(VALUES, ofKind) ? VALUES[ofKind] : Object.hasOwn(VALUES, ofType) ? VALUES[ofType] : sampled;
  return typeof rule === 'function' ? (rule as (variant: number, sampled: unknown) => unknown)(variant, sampled) : rule;
}

/** The members of the type's unions that this variant leaves out. */
function excluded(type: string, variant: number): Set<string> {
  const left = new Set<string>();
  for (const members of UNIONS[type] ?? []) {
    const chosen = members[variant % members.length]!;
    for (const name of members.flat()) if (![chosen].flat().includes(name)) left.add(name);
  }
  return left;
}

function scalarOf(schema: Schema, name: string): unknown {
  if (schema.enum?.length) return schema.enum.find((value) => value !== '') ?? '';
  switch (schema.type) {
    case 'integer':
      return 7;
    case 'number':
      return 2.5;
    case 'boolean':
      return true;
    case 'quantity':
      return '3';
    case 'intOrString':
      return 8;
    case 'time':
      return '2026-01-02T03:04:05Z';
    case 'microTime':
      return '2026-01-02T03:04:05.000678Z';
    case 'duration':
      return '1m30s';
    case 'bytes':
      return Buffer.from(`bytes of ${name}`).toString('base64');
    case 'any':
      return anyOf(typeName(schema));
    default:
      return name.toLowerCase();
  }
}

/** Types that are one thing or another in JSON. */
function anyOf(type: string): unknown {
  if (type.endsWith('OrStringArray')) return ['first', 'second'];
  if (/Or(?:Bool|Array)$/.test(type)) return { type: 'string' };
  return { some: ['json', 1] };
}

/** The most members that a union within the schema has, lists of all aside: so many variants show every field. */
export function variantsOf(schema: Schema, seen = new Set<string>()): number {
  let most = 1;
  walkTypes(schema, seen, (type) => {
    if (LISTED.has(type)) return;
    for (const members of UNIONS[type] ?? []) most = Math.max(most, members.length);
  });
  return most;
}

function walkTypes(schema: Schema, seen: Set<string>, visit: (type: string, schema: Schema) => void): void {
  if (schema.items) walkTypes(schema.items, seen, visit);
  if (schema.type !== 'object' || seen.has(schema.name ?? '')) return;
  seen.add(schema.name ?? '');
  visit(typeName(schema), schema);
  for (const [name, field] of Object.entries(schema.fields ?? {})) {
    if (VALUES[`${typeName(schema)}.${name}`] !== null) walkTypes(field.schema, seen, visit);
  }
}

/** Every `Type.field` that an object of the schema can hold. */
export function fieldsOf(schema: Schema): Set<string> {
  const fields = new Set<string>();
  walkTypes(schema, new Set(), (type, { fields: own = {} }) => {
    for (const name of Object.keys(own)) fields.add(`${type}.${name}`);
  });
  return fields;
}

/** Every `Type.field` that the value does hold. */
export function fieldsIn(value: unknown, schema: Schema, found = new Set<string>()): Set<string> {
  if (schema.type === 'array') for (const item of value as unknown[]) fieldsIn(item, schema.items!, found);
  else if (schema.type === 'map') for (const item of Object.values(value as object)) fieldsIn(item, schema.items!, found);
  else if (schema.type === 'object' && schema.fields) {
    for (const [name, inner] of Object.entries(value as object)) {
      const field = schema.fields[name];
      if (!field) continue;
      found.add(`${typeName(schema)}.${name}`);
      fieldsIn(inner, field.schema, found);
    }
  }
  return found;
}

/** The paths of what was sent and does not stand in what came back. */
export function lostOf(sent: unknown, back: unknown, path = ''): string[] {
  if (Array.isArray(sent)) {
    if (!Array.isArray(back)) return [path];
    return sent.flatMap((item, at) => lostOf(item, back[at], `${path}[${at}]`));
  }
  if (typeof sent === 'object' && sent !== null) {
    if (typeof back !== 'object' || back === null) return [path];
    return Object.entries(sent).flatMap(([name, value]) => lostOf(value, (back as Record<string, unknown>)[name], `${path}.${name}`));
  }
  return Object.is(sent, back) ? [] : [`${path}: ${JSON.stringify(sent)} became ${JSON.stringify(back)}`];
}
