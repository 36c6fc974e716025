/** What every kind's schema demands by itself: required fields and enumerations. The kinds' own rules come before it and say more. */
import { isRecord } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';
import type { Problems } from './problems.ts';

/** Checks the desired state: everything of the object but its metadata and status, which have their own writers and rules. */
export function checkStructure(problems: Problems, object: JsonRecord, schema: Schema): void {
  const plan = planOf(schema);
  if (!plan) return;
  for (const member of plan.members) {
    if (!SERVER_FIELDS.has(member.name)) checkMember(problems, object, member, member.name);
  }
}

const SERVER_FIELDS = new Set(['metadata', 'status', 'apiVersion', 'kind']);

/** Fields that Go marks as always written, though upstream accepts the empty string. */
const MAY_BE_EMPTY = new Set([
  'io.k8s.api.core.v1.HTTPHeader.value',
  'io.k8s.api.core.v1.Sysctl.value',
  'io.k8s.api.core.v1.GRPCAction.service',
  'io.k8s.api.rbac.v1.RoleRef.apiGroup',
]);

interface Member {
  name: string;
  required: boolean;
  plan?: Plan;
}

interface Plan {
  members: readonly Member[];
  items?: Plan;
  values?: readonly string[];
}

const plans = new WeakMap<Schema, Plan | false>();

function planOf(schema: Schema): Plan | undefined {
  const known = plans.get(schema);
  if (known !== undefined) return known || undefined;
  // Recursive schemas (JSONSchemaProps) stop here; their kinds check themselves.
  plans.set(schema, false);
  const members = membersOf(schema);
  const items = schema.items && planOf(schema.items);
  const plan: Plan = { members, ...(items ? { items } : {}), ...(schema.enum ? { values: schema.enum.toSorted() } : {}) };
  const useful = members.length > 0 || items !== undefined || schema.enum !== undefined;
  plans.set(schema, useful ? plan : false);
  return useful ? plan : undefined;
}

function membersOf(schema: Schema): Member[] {
  return Object.entries(schema.fields ?? {}).flatMap(([name, field]) => {
    const plan = planOf(field.schema);
    const required = field.required === true && field.schema.type === 'string' && !MAY_BE_EMPTY.has(`${schema.name}.${name}`);
    return required || plan ? [{ name, required, ...(plan ? { plan } : {}) }] : [];
  });
}

function checkMember(problems: Problems, record: JsonRecord, { name, required, plan }: Member, path: string): void {
  const value = record[name];
  if (value === undefined || value === null || value === '') {
    if (required) problems.required(path);
  } else if (plan) {
    checkValue(problems, value, plan, path);
  }
}

function checkValue(problems: Problems, value: unknown, plan: Plan, path: string): void {
  if (typeof value === 'string') {
    if (plan.values && !plan.values.includes(value)) problems.unsupported(path, value, plan.values);
  } else if (Array.isArray(value)) {
    if (plan.items) for (const [index, item] of value.entries()) checkValue(problems, item, plan.items, `${path}[${index}]`);
  } else if (isRecord(value)) {
    for (const member of plan.members) checkMember(problems, value, member, `${path}.${member.name}`);
    if (plan.items) for (const [key, item] of Object.entries(value)) checkValue(problems, item, plan.items, `${path}[${key}]`);
  }
}
