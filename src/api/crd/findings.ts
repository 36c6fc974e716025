/** What is found wrong with a custom object, in the words of upstream's OpenAPI validation. */
import type { FieldError } from '../status.ts';

/** `Invalid value: <value>: <detail>`. */
export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { field, type: 'FieldValueInvalid', message: `Invalid value: ${printed(value)}: ${detail}` };
}

/** A breach of a keyword, told with the path: `spec.replicas in body should be less than or equal to 10`. */
export function breach(field: string, value: unknown, detail: string): FieldError {
  return invalidValue(field, value, `${field} in body ${detail}`);
}

export function wrongType(field: string, expected: string, value: unknown): FieldError {
  const given = jsonType(value);
  return {
    field,
    type: 'FieldValueTypeInvalid',
    message: `Invalid value: ${JSON.stringify(given)}: ${field} in body must be of type ${expected}: ${JSON.stringify(given)}`,
  };
}

export function required(field: string, detail = ''): FieldError {
  return { field, type: 'FieldValueRequired', message: detail ? `Required value: ${detail}` : 'Required value' };
}

export function forbidden(field: string, detail: string): FieldError {
  return { field, type: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { field, type: 'FieldValueDuplicate', message: `Duplicate value: ${printed(value)}` };
}

export function unsupported(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((each) => printed(typeof each === 'string' ? each : JSON.stringify(each))).join(', ');
  return { field, type: 'FieldValueNotSupported', message: `Unsupported value: ${printed(value)}: supported values: ${list}` };
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return { field, type: 'FieldValueTooMany', message: `Too many: ${actual}: must have at most ${max} items` };
}

export function tooLong(field: string, max: number): FieldError {
  return { field, type: 'FieldValueTooLong', message: `Too long: may not be more than ${max} bytes` };
}

/** `child('spec', 'replicas')` is `spec.replicas`. */
export function child(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** The words of JSON schema for a value's type. */
export function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function printed(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}
