/** What rules in CEL see of a custom object: types declared from the schema, and values made to fit them. */
import type { Environment } from '@marcbachmann/cel-js';
import { isRecord } from '../../patch/json.ts';
import type { JSONSchemaProps } from '../../types.gen.ts';
import { declaredClass, durationOf, sameObject } from './values.ts';

/** A node of the schema, for CEL. */
export interface CelType {
  /** `Object.spec`, `list<string>`, `int` … */
  name: string;
  /** From JSON to what the library computes with. */
  convert(value: unknown): unknown;
}

/** Declares the types of a whole schema in `env`. Returns what is known of a node; every node below `root` is known. */
export function declareTypes(env: Environment, root: JSONSchemaProps): (node: JSONSchemaProps) => CelType {
  const types = new Map<JSONSchemaProps, CelType>();
  const declare = (node: JSONSchemaProps, path: string, isObject: boolean): CelType => {
    const type = typeOf(env, node, path, { declare, isObject });
    types.set(node, type);
    // What may be null has no one type in this library: rules on it are checked when they run.
    return node.nullable ? { name: 'dyn', convert: (value) => (value === null ? null : type.convert(value)) } : type;
  };
  declare(root, 'Object', true);
  return (node) => types.get(node)!;
}

interface Context {
  declare: (node: JSONSchemaProps, path: string, isObject: boolean) => CelType;
  /** It has apiVersion, kind and a name by itself. */
  isObject: boolean;
}

const DYN: CelType = { name: 'dyn', convert: plain };

function typeOf(env: Environment, node: JSONSchemaProps, path: string, context: Context): CelType {
  if (node['x-kubernetes-int-or-string']) return DYN;
  switch (node.type) {
    case 'object':
      return objectType(env, node, path, context);
    case 'array': {
      const item = isRecord(node.items) ? context.declare(node.items, `${path}.items`, false) : DYN;
      return { name: `list<${item.name}>`, convert: (value) => (Array.isArray(value) ? value.map((each) => item.convert(each)) : value) };
    }
    case 'string':
      return stringType(node.format);
    case 'integer':
      return { name: 'int', convert: (value) => (Number.isInteger(value) ? BigInt(value as number) : value) };
    case 'number':
      return { name: 'double', convert: same };
    case 'boolean':
      return { name: 'bool', convert: same };
    default:
      return DYN;
  }
}

const same = (value: unknown): unknown => value;

/** Formats that CEL has a type for. */
function stringType(format: string | undefined): CelType {
  switch (format) {
    case 'date':
    case 'date-time':
      return { name: 'google.protobuf.Timestamp', convert: (value) => (typeof value === 'string' ? new Date(value) : value) };
    case 'duration':
      return { name: 'google.protobuf.Duration', convert: (value) => (typeof value === 'string' ? durationOf(value) : value) };
    case 'byte':
      return { name: 'bytes', convert: (value) => (typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : value) };
    default:
      return { name: 'string', convert: same };
  }
}

function objectType(env: Environment, node: JSONSchemaProps, path: string, { declare, isObject }: Context): CelType {
  const { additionalProperties, properties } = node;
  if (!properties && isRecord(additionalProperties)) {
    const item = declare(additionalProperties, `${path}.values`, false);
    return { name: `map<string, ${item.name}>`, convert: (value) => (isRecord(value) ? mapOf(value, item) : value) };
  }
  if (!properties && (additionalProperties === true || node['x-kubernetes-preserve-unknown-fields'])) return DYN;
  const fields = new Map<string, { escaped: string; type: CelType }>();
  const all = isObject || node['x-kubernetes-embedded-resource'] ? { ...properties, ...OWN_FIELDS } : (properties ?? {});
  for (const [name, property] of Object.entries(all)) {
    const escaped = escapeName(name);
    if (escaped) fields.set(name, { escaped, type: declare(property, `${path}.${escaped}`, false) });
  }
  return declareObject(env, path, fields);
}

/** What CEL may read of every object's own fields. */
const OWN_FIELDS: Readonly<Record<string, JSONSchemaProps>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { type: 'object', properties: { name: { type: 'string' }, generateName: { type: 'string' } } },
};

function declareObject(env: Environment, name: string, fields: ReadonlyMap<string, { escaped: string; type: CelType }>): CelType {
  const ctor = declaredClass(name);
  env.registerType(name, { ctor, fields: Object.fromEntries([...fields.values()].map(({ escaped, type }) => [escaped, type.name])) });
  env.registerOperator(`${name} == ${name}`, (a: object, b: object) =>
    sameObject(a as Record<string, unknown>, b as Record<string, unknown>),
  );
  const convert = (value: unknown): unknown => {
    if (!isRecord(value)) return value;
    const made = new ctor() as Record<string, unknown>;
    for (const key in value) {
      const field = fields.get(key);
      if (field) made[field.escaped] = field.type.convert(value[key]);
    }
    return made;
  };
  return { name, convert };
}

function mapOf(value: Readonly<Record<string, unknown>>, item: CelType): Map<string, unknown> {
  return new Map(Object.entries(value).map(([key, each]) => [key, item.convert(each)]));
}

/** JSON of unknown shape: whole numbers are ints. */
export function plain(value: unknown): unknown {
  if (Number.isInteger(value)) return BigInt(value as number);
  if (Array.isArray(value)) return value.map(plain);
  return isRecord(value) ? new Map(Object.entries(value).map(([key, each]) => [key, plain(each)])) : value;
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** A field's name in rules, by Kubernetes's escapes; undefined for names that rules cannot reach. */
export function escapeName(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name.replaceAll('__', '__underscores__').replaceAll('.', '__dot__').replaceAll('-', '__dash__').replaceAll('/', '__slash__');
}
