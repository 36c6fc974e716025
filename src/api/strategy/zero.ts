/** The zero value of a Go struct as it looks in JSON. */
import { setOwn } from '../patch/json.ts';
import type { JsonRecord } from '../patch/json.ts';
import type { Schema } from '../schema/schema.ts';

const zeros = new WeakMap<Schema, JsonRecord>();

/**
 * What Go writes for a struct in which nothing is set: the fields without omitempty, and structs that are no pointers. The answer is made
 * once a schema and shared: read only.
 */
export function zeroOf(schema: Schema): JsonRecord {
  const known = zeros.get(schema);
  if (known) return known;
  const zero: JsonRecord = {};
  for (const [name, field] of Object.entries(schema.fields ?? {})) {
    if (field.keepZero) setOwn(zero, name, field.pointer ? null : zeroValue(field.schema));
  }
  zeros.set(schema, zero);
  return zero;
}

function zeroValue(schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
      return zeroOf(schema);
    case 'string':
    case 'duration':
      return '';
    case 'integer':
    case 'number':
    case 'intOrString':
      return 0;
    case 'boolean':
      return false;
    case 'quantity':
      return '0';
    default:
      return null;
  }
}
