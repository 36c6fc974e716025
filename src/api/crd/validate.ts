/**
 * Validation of a custom object against its OpenAPI schema. On update what did not change is let pass, valid or not (KEP-4008, ratcheting), so
 * that a schema may become stricter under existing objects.
 */
import { deepEqual, isRecord } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { FieldError } from '../status.ts';
import type { JSONSchemaProps } from '../types.gen.ts';
import { matchesInTime } from './cel/pattern-deadline.ts';
import { breach, child, duplicate, invalidValue, required, tooLong, tooMany, unsupported, wrongType } from './findings.ts';
import { hasFormat } from './formats.ts';

/** What `value` breaks of `node`. `old` is what stood at the same place before; undefined when nothing did. */
export function validateValue(value: unknown, node: JSONSchemaProps, path = '', old?: unknown): FieldError[] {
  const findings: FieldError[] = [];
  check({ value, old, path }, node, findings);
  return findings;
}

/** A value, where it stands, and what stood there before. */
interface Place {
  value: unknown;
  old: unknown;
  path: string;
}

function check(place: Place, node: JSONSchemaProps, findings: FieldError[]): void {
  const { value, old, path } = place;
  if (value === null && node.nullable) return;
  if (old !== undefined && deepEqual(value, old)) return;
  const wrong = typeProblem(value, node);
  if (wrong !== undefined) {
    findings.push(wrongType(path, wrong, value));
    return;
  }
  if (node.enum && !node.enum.some((each) => deepEqual(each, value))) findings.push(unsupported(path, value, node.enum));
  if (typeof value === 'string') checkString(value, node, path, findings);
  else if (typeof value === 'number') checkNumber(value, node, path, findings);
  else if (Array.isArray(value)) checkArray(place, value, node, findings);
  else if (isRecord(value)) checkObject(place, value, node, findings);
  checkCombinations(place, node, findings);
}

/** The type that the value should have had. */
function typeProblem(value: unknown, node: JSONSchemaProps): string | undefined {
  if (node['x-kubernetes-int-or-string']) return Number.isInteger(value) || typeof value === 'string' ? undefined : 'integer,string';
  switch (node.type) {
    case undefined:
    case '':
      return undefined;
    case 'object':
      return isRecord(value) ? undefined : 'object';
    case 'array':
      return Array.isArray(value) ? undefined : 'array';
    case 'integer':
      return Number.isInteger(value) ? undefined : 'integer';
    case 'number':
      return typeof value === 'number' ? undefined : 'number';
    default:
      return typeof value === node.type ? undefined : node.type;
  }
}

const patterns = new Map<string, RegExp | undefined>();

/** A pattern as RE2 would read it; undefined where JavaScript cannot. Kept, since definitions repeat themselves. */
export function patternOf(text: string): RegExp | undefined {
  if (!patterns.has(text)) patterns.set(text, compile(text));
  return patterns.get(text);
}

function compile(text: string): RegExp | undefined {
  // RE2 writes flags in front, and \A and \z for the ends; named groups have a P.
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const source = (flags ? text.slice(flags[0].length) : text).replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$');
  for (const mode of ['u', '']) {
    try {
      return new RegExp(source, `${flags?.[1] ?? ''}${mode}`);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

function checkString(value: string, node: JSONSchemaProps, path: string, findings: FieldError[]): void {
  const { maxLength, minLength, pattern, format } = node;
  const length = maxLength === undefined && minLength === undefined ? 0 : [...value].length;
  if (maxLength !== undefined && length > maxLength) findings.push(tooLong(path, maxLength));
  if (minLength !== undefined && length < minLength) findings.push(breach(path, value, `should be at least ${minLength} chars long`));
  if (pattern) checkPattern(value, pattern, path, findings);
  if (format && !hasFormat(format, value)) findings.push(breach(path, value, `must be of type ${format}: ${JSON.stringify(value)}`));
}

function checkPattern(value: string, pattern: string, path: string, findings: FieldError[]): void {
  const compiled = patternOf(pattern);
  if (!compiled) return;
  const matches = matchesInTime(compiled, pattern, value);
  if (matches === false) findings.push(breach(path, value, `should match '${pattern}'`));
  // Upstream's engine would know; ours would have to think for ages, and all requests with it.
  else if (matches === undefined) findings.push(breach(path, value, `should match '${pattern}', which could not be decided in time`));
}

const INT32_MAX = 2 ** 31 - 1;

function checkNumber(value: number, node: JSONSchemaProps, path: string, findings: FieldError[]): void {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf, format } = node;
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    findings.push(breach(path, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`));
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    findings.push(breach(path, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`));
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    findings.push(breach(path, value, `should be a multiple of ${multipleOf}`));
  if (format === 'int32' && (value > INT32_MAX || value < -INT32_MAX - 1))
    findings.push(invalidValue(path, value, `Checked value must be of type integer with format int32 in ${path}`));
}

function checkArray({ old, path }: Place, value: readonly unknown[], node: JSONSchemaProps, findings: FieldError[]): void {
  if (node.maxItems !== undefined && value.length > node.maxItems) findings.push(tooMany(path, value.length, node.maxItems));
  if (node.minItems !== undefined && value.length < node.minItems)
    findings.push(breach(path, value.length, `should have at least ${node.minItems} items`));
  checkUnique(value, node, path, findings);
  if (!isRecord(node.items)) return;
  const before = correlated(old, node);
  for (const [index, item] of value.entries()) check({ value: item, old: before(item), path: `${path}[${index}]` }, node.items, findings);
}

/** Items of the old list by their keys, where the list is a map; other items have no past. */
export function correlated(old: unknown, node: JSONSchemaProps): (item: unknown) => unknown {
  const keys = node['x-kubernetes-list-map-keys'];
  if (!Array.isArray(old) || node['x-kubernetes-list-type'] !== 'map' || !keys) return () => undefined;
  const known = new Map(old.map((item) => [identity(item, keys, node), item as unknown]));
  return (item) => known.get(identity(item, keys, node));
}

function checkUnique(value: readonly unknown[], node: JSONSchemaProps, path: string, findings: FieldError[]): void {
  const type = node['x-kubernetes-list-type'];
  const keys = node['x-kubernetes-list-map-keys'];
  if (type !== 'set' && !(type === 'map' && keys)) return;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const id = type === 'set' ? JSON.stringify(item) : identity(item, keys!, node);
    if (seen.has(id)) findings.push(duplicate(`${path}[${index}]`, type === 'set' ? item : keyFields(item, keys!)));
    seen.add(id);
  }
}

/** A key that an item leaves out stands for its default. */
function identity(item: unknown, keys: readonly string[], { items }: JSONSchemaProps): string {
  const properties = (items as JSONSchemaProps | undefined)?.properties;
  return JSON.stringify(keys.map((key) => (isRecord(item) ? (item[key] ?? properties?.[key]?.default ?? null) : null)));
}

function keyFields(item: unknown, keys: readonly string[]): JsonRecord {
  return Object.fromEntries(keys.filter((key) => isRecord(item) && key in item).map((key) => [key, (item as JsonRecord)[key]]));
}

function checkObject({ old, path }: Place, value: JsonRecord, node: JSONSchemaProps, findings: FieldError[]): void {
  const { properties, additionalProperties, maxProperties, minProperties } = node;
  const size = maxProperties === undefined && minProperties === undefined ? 0 : Object.keys(value).length;
  if (maxProperties !== undefined && size > maxProperties) findings.push(tooMany(path, size, maxProperties));
  if (minProperties !== undefined && size < minProperties)
    findings.push(breach(path, size, `should have at least ${minProperties} properties`));
  for (const name of node.required ?? []) if (value[name] === undefined) findings.push(required(child(path, name)));
  if (node['x-kubernetes-embedded-resource'])
    for (const name of ['apiVersion', 'kind'])
      if (value[name] === undefined) findings.push(required(child(path, name), 'must not be empty'));
  const before = isRecord(old) ? old : {};
  const inner = isRecord(additionalProperties) ? (additionalProperties as JSONSchemaProps) : undefined;
  if (!properties && !inner) return;
  for (const name in value) {
    const schema = properties && Object.hasOwn(properties, name) ? properties[name] : inner;
    if (schema) check({ value: value[name], old: before[name], path: child(path, name) }, schema, findings);
  }
}

function checkCombinations(place: Place, node: JSONSchemaProps, findings: FieldError[]): void {
  const { allOf, anyOf, oneOf, not } = node;
  if (!allOf && !anyOf && !oneOf && !not) return;
  const { value, path } = place;
  const tryOne = (schema: JSONSchemaProps): FieldError[] => validateValue(value, schema, path);
  const report = (message: string): void => void findings.push(invalidValue('<nil>', '', message));
  for (const schema of allOf ?? []) findings.push(...tryOne(schema));
  if (allOf?.some((schema) => tryOne(schema).length > 0)) report(`${JSON.stringify(path)} must validate all the schemas (allOf)`);
  if (anyOf && !anyOf.some((schema) => tryOne(schema).length === 0)) {
    report(`${JSON.stringify(path)} must validate at least one schema (anyOf)`);
    findings.push(...tryOne(anyOf[0]!));
  }
  if (oneOf) {
    const valid = oneOf.filter((schema) => tryOne(schema).length === 0).length;
    if (valid !== 1)
      report(
        `${JSON.stringify(path)} must validate one and only one schema (oneOf). ${valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`}`,
      );
    if (valid === 0) findings.push(...tryOne(oneOf[0]!));
  }
  if (not && tryOne(not).length === 0) report(`${JSON.stringify(path)} must not validate the schema (not)`);
}
