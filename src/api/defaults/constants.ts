/** Constant defaults: what the schema itself says (`+default=` in the Go sources, `default` in a CRD). */
import { cloneJson, isRecord, setOwn } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Field, Schema } from '../schema/schema.ts';

/** Sets in place, at any depth, what the schema gives a constant default for and the value leaves out. A parent's default comes before its children's. */
export function applyConstantDefaults(value: unknown, schema: Schema): void {
  const plan = planOf(schema);
  if (plan) fill(value, plan);
}

/** The part of a schema that has defaults somewhere below; undefined when there is nothing to do. */
interface Plan {
  /** `nullable`: null is a value of its own, and stays. */
  own: readonly { name: string; value: unknown; nullable: boolean }[];
  below: readonly { name: string; plan: Plan }[];
  items?: Plan;
}

const plans = new WeakMap<Schema, Plan | false>();

function planOf(schema: Schema): Plan | undefined {
  const known = plans.get(schema);
  if (known !== undefined) return known || undefined;
  // A schema may contain itself (JSONSchemaProps): the unfinished plan stands in for it, and none of those kinds has defaults of its own.
  plans.set(schema, false);
  const plan = makePlan(schema);
  const useful = plan.own.length > 0 || plan.below.length > 0 || plan.items !== undefined;
  plans.set(schema, useful ? plan : false);
  return useful ? plan : undefined;
}

function makePlan(schema: Schema): Plan {
  const own: { name: string; value: unknown; nullable: boolean }[] = [];
  const below: { name: string; plan: Plan }[] = [];
  for (const [name, field] of Object.entries(schema.fields ?? {})) {
    if (isVisible(field)) own.push({ name, value: field.default, nullable: field.schema.nullable === true });
    const plan = planOf(field.schema);
    if (plan) below.push({ name, plan });
  }
  const items = schema.items && planOf(schema.items);
  return items ? { own, below, items } : { own, below };
}

/** Go writes no empty string under omitempty, so a default of '' shows only where the field is always written. */
function isVisible(field: Field): boolean {
  return field.default !== undefined && (field.default !== '' || field.keepZero === true);
}

function fill(value: unknown, plan: Plan): void {
  if (Array.isArray(value)) {
    if (plan.items) for (const item of value) fill(item, plan.items);
  } else if (isRecord(value)) {
    fillRecord(value, plan);
  }
}

function fillRecord(record: JsonRecord, plan: Plan): void {
  for (const { name, value, nullable } of plan.own) {
    if (record[name] === undefined || (record[name] === null && !nullable)) setOwn(record, name, cloneJson(value));
  }
  for (const { name, plan: inner } of plan.below) {
    if (record[name] !== undefined) fill(record[name], inner);
  }
  if (plan.items) for (const item of Object.values(record)) fill(item, plan.items);
}
