/** What a mutation's expression evaluated to, as JSON. */
import { Message } from '../../../api/crd/cel/object-literals.ts';
import { setOwn, type JsonRecord } from '../../../api/patch/json.ts';

/**
 * Throws for what JSON cannot say. Every `Object.a.b{}` must stand where its name says: at the field `a.b` of what is made (items of lists and
 * values of maps do not count). Upstream checks it the same way, since the literals have no other types.
 */
export function jsonOf(value: unknown): unknown {
  checkPlaces(value, value instanceof Message ? value.typeName : '');
  return converted(value);
}

function checkPlaces(value: unknown, path: string): void {
  if (value instanceof Message) {
    if (value.typeName !== path)
      throw new Error(
        `type mismatch: unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`,
      );
    for (const [name, field] of value.fields) checkPlaces(field, `${path}.${name}`);
  } else if (Array.isArray(value)) {
    for (const item of value) checkPlaces(item, path);
  } else if (value instanceof Map) {
    for (const item of value.values()) checkPlaces(item, path);
  } else if (isPlainObject(value)) {
    for (const item of Object.values(value)) checkPlaces(item, path);
  }
}

function converted(value: unknown): unknown {
  switch (typeof value) {
    case 'bigint':
      return Number(value);
    case 'string':
    case 'number':
    case 'boolean':
      return value;
    default:
      return value === null || value === undefined ? null : convertedObject(value);
  }
}

function convertedObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(converted);
  if (value instanceof Message) return record(value.fields);
  if (value instanceof Map) return record(value as Map<unknown, unknown>);
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isPlainObject(value)) return record(Object.entries(value));
  if (isOptional(value)) return value.hasValue() ? converted(value.value()) : null;
  throw new Error(`unsupported value of type ${value.constructor.name}`);
}

function record(entries: Iterable<readonly [unknown, unknown]>): JsonRecord {
  const made: JsonRecord = {};
  for (const [key, value] of entries) setOwn(made, String(key), converted(value));
  return made;
}

function isPlainObject(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isOptional(value: object): value is { hasValue(): boolean; value(): unknown } {
  return 'hasValue' in value && 'value' in value;
}
