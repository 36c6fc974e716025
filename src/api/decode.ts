/**
 * From a parsed JSON value to an object of the API, in one walk over the schema: types are checked, unknown fields pruned, warned of or
 * refused, and values take the form in which Go would write them again. What needs no change is given back as it is, not copied.
 *
 * Built-in types (schemas with a name) behave as Go structs: nulls are dropped, zero values of fields that are no pointers vanish
 * unless they are always written, and those that are always written appear. Custom resources (schemas without a name) stay as they
 * were sent, but for pruning: their types are a matter of validation.
 */
import { canonicalBase64, canonicalDuration, canonicalMicroTime, canonicalTime } from './codec/scalars.ts';
import { canonicalQuantity } from './codec/quantity.ts';
import type { KubeObject } from './meta.ts';
import { parseGroupVersion } from './meta.ts';
import type { Field, Schema } from './schema/schema.ts';
import { statusError } from './status.ts';

export interface DecodeOptions {
  fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  /** Fields that the text names twice. */
  duplicates?: Duplicates;
  /** What a value that cannot be read is refused with; 400 in upstream's words unless given. */
  refuse?: (reason: string, cause?: unknown) => Error;
}

/** What JSON and YAML tell of fields that are there twice: each in a warning of its own, and as parts of the error of strict validation. */
export interface Duplicates {
  warnings: readonly string[];
  strict: readonly string[];
}

/** Throws StatusError 400 in upstream's words, or what `refuse` makes. `value` is not changed; the result may share parts with it. */
export function decodeObject(value: unknown, schema: Schema, options: DecodeOptions): { object: KubeObject; warnings: string[] } {
  const walk = new Walk();
  const refuse = options.refuse ?? ((reason: string, cause?: unknown) => refusal(value, schema, reason, cause));
  let object: unknown;
  try {
    object = walk.value(value, schema);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refuse(error.message, error);
  }
  if (options.fieldValidation === 'Ignore') return { object: object as KubeObject, warnings: [] };
  const unknown = walk.unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
  const { duplicates = { warnings: [], strict: [] } } = options;
  const strict = [...duplicates.strict, ...unknown];
  if (strict.length > 0 && options.fieldValidation === 'Strict') throw refuse(`strict decoding error: ${strict.join(', ')}`);
  return { object: object as KubeObject, warnings: [...duplicates.warnings, ...unknown] };
}

/** `value` without the fields that `schema` does not know, otherwise as it is; the paths of what was removed. */
export function pruneObject(value: unknown, schema: Schema): { value: unknown; unknown: string[] } {
  const walk = new Walk(true);
  const pruned = walk.value(value, schema);
  return { value: pruned, unknown: walk.unknown };
}

/** Upstream's transformDecodeError. */
function refusal(value: unknown, schema: Schema, message: string, cause?: unknown): Error {
  const { kind, apiVersion } = (isRecord(value) ? value : {}) as { kind?: unknown; apiVersion?: unknown };
  const expected = schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? String(kind);
  if (typeof kind !== 'string' || kind === '') {
    const body = (JSON.stringify(value) ?? '').slice(0, 30);
    return statusError(
      'BadRequest',
      `the object provided is unrecognized (must be of type ${expected}): ${message} (${body})`,
      undefined,
      cause,
    );
  }
  const { version } = parseGroupVersion(typeof apiVersion === 'string' ? apiVersion : '');
  return statusError(
    'BadRequest',
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected}: ${message}`,
    undefined,
    cause,
  );
}

type JsonRecord = Record<string, unknown>;

const isRecord = (value: unknown): value is JsonRecord => typeof value === 'object' && value !== null && !Array.isArray(value);

class Walk {
  readonly unknown: string[] = [];
  readonly #path: (string | number)[] = [];
  readonly #pruneOnly: boolean;
  /** The struct around the value at hand, for messages. */
  #struct = '';

  constructor(pruneOnly = false) {
    this.#pruneOnly = pruneOnly;
  }

  value(value: unknown, schema: Schema): unknown {
    switch (schema.type) {
      case 'object':
        if (isRecord(value)) return schema.name && !this.#pruneOnly ? this.#known(value, schema) : this.#custom(value, schema);
        return this.#mismatch(value, schema);
      case 'array':
        return Array.isArray(value) ? this.#array(value, schema) : this.#mismatch(value, schema);
      case 'map':
        return isRecord(value) ? this.#map(value, schema) : this.#mismatch(value, schema);
      case 'any':
        return value;
      default:
        return this.#pruneOnly ? value : this.#scalar(value, schema);
    }
  }

  #known(value: JsonRecord, schema: Schema): JsonRecord {
    const fields = schema.fields!;
    const outer = this.#struct;
    this.#struct = schema.name!;
    const edit = new Edit(value);
    for (const key in value) {
      const field = fields[key];
      if (!field) {
        this.#note(key, schema);
        if (!schema.preserveUnknownFields) edit.remove(key);
        continue;
      }
      const before = value[key];
      if (before === null || before === undefined) {
        if (!isNullTime(field)) edit.remove(key);
        continue;
      }
      this.#path.push(key);
      const after = this.value(before, field.schema);
      this.#path.pop();
      if (!field.keepZero && !field.pointer && isZero(after, field.schema)) edit.remove(key);
      else if (after !== before) edit.set(key, after);
    }
    for (const key of zeroFields(schema)) {
      if (edit.lacks(key)) edit.set(key, zeroOf(fields[key]!.schema));
    }
    this.#struct = outer;
    return edit.result();
  }

  #custom(value: JsonRecord, schema: Schema): JsonRecord {
    const fields = schema.fields;
    const edit = new Edit(value);
    for (const key in value) {
      const field = fields?.[key];
      // A CRD's object may name fields and give a schema for the rest.
      const inner =
        field?.schema ?? schema.items ?? (schema.embeddedResource && (key === 'apiVersion' || key === 'kind') ? ANYTHING : undefined);
      if (!inner) {
        if (schema.preserveUnknownFields) continue;
        this.#note(key, schema);
        edit.remove(key);
        continue;
      }
      const before = value[key];
      if (before === null) continue;
      this.#path.push(key);
      const after = this.value(before, inner);
      this.#path.pop();
      if (after !== before) edit.set(key, after);
    }
    return edit.result();
  }

  #array(value: readonly unknown[], schema: Schema): readonly unknown[] {
    const items = schema.items;
    if (!items) return value;
    let copy: unknown[] | undefined;
    for (let at = 0; at < value.length; at++) {
      this.#path.push(at);
      const before = value[at];
      const after = before === null ? this.#nullElement(items) : this.value(before, items);
      this.#path.pop();
      if (after !== before) (copy ??= [...value])[at] = after;
    }
    return copy ?? value;
  }

  #map(value: JsonRecord, schema: Schema): JsonRecord {
    const items = schema.items;
    if (!items) return value;
    const edit = new Edit(value);
    for (const key in value) {
      const before = value[key];
      this.#path.push(key);
      const after = before === null ? this.#nullElement(items) : this.value(before, items);
      this.#path.pop();
      if (after !== before) edit.set(key, after);
    }
    return edit.result();
  }

  /** Go reads null in a list or map as the element's zero value. */
  #nullElement(items: Schema): unknown {
    return this.#pruneOnly || this.#struct === '' || items.type === 'any' ? null : zeroOf(items);
  }

  #scalar(value: unknown, schema: Schema): unknown {
    // The enclosing struct decides: scalars of custom resources are checked by validation.
    if (this.#struct === '') return value;
    switch (schema.type) {
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch(value, schema);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch(value, schema);
      case 'integer':
        return isInteger(value, schema) ? value : this.#mismatch(value, schema);
      case 'number':
        return typeof value === 'number' ? value : this.#mismatch(value, schema);
      case 'quantity':
        return typeof value === 'string' || typeof value === 'number'
          ? canonicalQuantity(String(value).trim())
          : this.#mismatch(value, schema);
      case 'intOrString':
        return typeof value === 'string' || isInteger(value, INT32)
          ? value
          : fail(`json: cannot unmarshal ${wordFor(value)} into Go value of type int32`);
      default:
        return typeof value === 'string' ? canonicalText(value, schema) : this.#mismatch(value, schema);
    }
  }

  #mismatch(value: unknown, schema: Schema): unknown {
    if (this.#pruneOnly || (this.#struct === '' && !schema.name)) return value;
    const word = schema.type === 'integer' && typeof value === 'number' ? `number ${value}` : wordFor(value);
    if (this.#path.length === 0) return fail(`json: cannot unmarshal ${word} into Go value of type ${goType(schema)}`);
    const struct = this.#struct.slice(this.#struct.lastIndexOf('.') + 1);
    const names = this.#path.filter((part) => typeof part === 'string');
    return fail(`json: cannot unmarshal ${word} into Go struct field ${struct}.${names.join('.')} of type ${goType(schema)}`);
  }

  #note(key: string, schema: Schema): void {
    // What is kept is not unknown; `status`, `metadata` of an embedded object and the like are named by their schema.
    if (schema.preserveUnknownFields) return;
    let text = '';
    for (const part of [...this.#path, key]) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
    this.unknown.push(text);
  }
}

/** Copies an object on its first change. */
class Edit {
  readonly #original: JsonRecord;
  #copy: JsonRecord | undefined;

  constructor(original: JsonRecord) {
    this.#original = original;
  }

  set(key: string, value: unknown): void {
    (this.#copy ??= { ...this.#original })[key] = value;
  }

  remove(key: string): void {
    delete (this.#copy ??= { ...this.#original })[key];
  }

  lacks(key: string): boolean {
    return !Object.hasOwn(this.#copy ?? this.#original, key);
  }

  result(): JsonRecord {
    return this.#copy ?? this.#original;
  }
}

const ANYTHING: Schema = { type: 'any' };
const INT32: Schema = { type: 'integer', format: 'int32' };
const zeroNames = new WeakMap<Schema, readonly string[]>();

/** Fields that Go writes even when nobody set them. Lists and maps without omitempty would be `null`; those are left out. */
function zeroFields(schema: Schema): readonly string[] {
  let names = zeroNames.get(schema);
  if (!names) {
    names = Object.entries(schema.fields!)
      .filter(([, field]) => field.keepZero && !field.pointer && !/^(?:array|map|any|bytes)$/.test(field.schema.type))
      .map(([name]) => name);
    zeroNames.set(schema, names);
  }
  return names;
}

function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case 'object': {
      const object: JsonRecord = {};
      if (schema.name) for (const key of zeroFields(schema)) object[key] = zeroOf(schema.fields![key]!.schema);
      return object;
    }
    case 'array':
      return [];
    case 'map':
      return {};
    case 'integer':
    case 'number':
    case 'intOrString':
      return 0;
    case 'boolean':
      return false;
    case 'quantity':
      return '0';
    case 'duration':
      return '0s';
    case 'string':
    case 'bytes':
      return '';
    default:
      return null;
  }
}

const isNullTime = (field: Field): boolean =>
  field.keepZero === true && (field.schema.type === 'time' || field.schema.type === 'microTime');

function isZero(value: unknown, schema: Schema): boolean {
  if (schema.type === 'any') return false;
  if (value === '' || value === 0 || value === false) return true;
  if (schema.type === 'array') return (value as unknown[]).length === 0;
  if (schema.type !== 'map') return false;
  for (const _ in value as object) return false;
  return true;
}

function isInteger(value: unknown, schema: Schema): boolean {
  if (!Number.isInteger(value)) return false;
  return schema.format === 'int64' || ((value as number) >= -(2 ** 31) && (value as number) < 2 ** 31);
}

function canonicalText(value: string, schema: Schema): string {
  switch (schema.type) {
    case 'time':
      return canonicalTime(value);
    case 'microTime':
      return canonicalMicroTime(value);
    case 'bytes':
      return canonicalBase64(value);
    case 'duration':
      return canonicalDuration(value);
    default:
      return value;
  }
}

function fail(message: string): never {
  throw new RangeError(message);
}

/** encoding/json's word for a JSON value. */
function wordFor(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** The type as Go's messages print it. */
function goType(schema: Schema): string {
  switch (schema.type) {
    case 'object': {
      const [version, kind] = schema.name!.split('.').slice(-2);
      return `${version}.${kind}`;
    }
    case 'array':
      return `[]${goType(schema.items!)}`;
    case 'map':
      return `map[string]${goType(schema.items!)}`;
    case 'integer':
      return schema.format ?? 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'bytes':
      return '[]uint8';
    case 'quantity':
      return 'resource.Quantity';
    default:
      return 'string';
  }
}
