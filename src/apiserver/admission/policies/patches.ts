/** How what a mutation says is laid over an object: as an apply configuration, or as a JSON patch (KEP-3962). */
import { mergeApplied } from '../../../api/apply/merge.ts';
import { memberSchema, TypedError, viewOf } from '../../../api/apply/typed.ts';
import { Message } from '../../../api/crd/cel/object-literals.ts';
import { decodeObject, pruneObject } from '../../../api/decode.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { isRecord, type JsonRecord } from '../../../api/patch/json.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import type { Schema } from '../../../api/schema/schema.ts';
import { statusError, StatusError } from '../../../api/status.ts';
import { jsonOf } from './mutation-value.ts';

/** A mutation that cannot be made; the policy's failurePolicy decides what comes of it. */
export class MutationError extends Error {}

/** `object`, merged with the configuration as server-side apply would, owned by nobody. Throws MutationError. */
export function applyConfiguration(schema: Schema, object: KubeObject, value: unknown): KubeObject {
  if (!(value instanceof Message) || value.typeName !== 'Object')
    throw new MutationError('unsupported return type from ApplyConfiguration expression');
  const patch = convertedWith((reason) => `invalid ApplyConfiguration: ${reason}`, value) as JsonRecord;
  const { apiVersion, kind } = object;
  const typed = { ...patch, apiVersion, kind };
  const [unknown] = pruneObject(typed, schema).unknown;
  if (unknown !== undefined)
    throw new MutationError(
      `error applying patch: failed to convert patch object to typed object: .${unknown}: field not declared in schema`,
    );
  const atomics = atomicPaths(patch, schema, '');
  if (atomics.length > 0)
    throw new MutationError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    );
  const refuse = (reason: string): Error =>
    new MutationError(`error applying patch: failed to convert patch object to typed object: ${reason}`);
  try {
    return decodeObject(mergeApplied(object, typed, schema), schema, { fieldValidation: 'Ignore', refuse }).object;
  } catch (error) {
    if (error instanceof TypedError)
      throw new MutationError(`error applying patch: failed to merge patch: ${error.message}`, { cause: error });
    throw error;
  }
}

function convertedWith(worded: (reason: string) => string, value: unknown): unknown {
  try {
    return jsonOf(value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MutationError(reason.startsWith('type mismatch') ? reason : worded(reason), { cause: error });
  }
}

/** What would be replaced as a whole: users who name one field of it would lose the others, so it may not be touched at all. */
function atomicPaths(value: unknown, schema: Schema | undefined, path: string): string[] {
  if (!schema) return [];
  if (Array.isArray(value)) {
    const inner = value.flatMap((item, index) => atomicPaths(item, schema.items, `${path}[${index}]`));
    return viewOf(value, schema) === 'leaf' ? [path, ...inner] : inner;
  }
  if (!isRecord(value)) return [];
  const inner = Object.entries(value).flatMap(([name, member]) =>
    schema.fields ? atomicPaths(member, memberSchema(schema, name), `${path}.${name}`) : [],
  );
  return schema.mapType === 'atomic' ? [path, ...inner] : inner;
}

/** Throws MutationError, and StatusError 500 where the result is no object of its kind. */
export function applyPatch(schema: Schema, object: KubeObject, value: unknown): KubeObject {
  if (!Array.isArray(value)) throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array');
  const operations = value.map(operationOf);
  let patched: unknown;
  try {
    patched = applyJsonPatch<unknown>(object, operations);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    // A patch that tests for what is not so is one that does not apply, and no failure.
    if (reason.endsWith('test failed')) return object;
    throw new MutationError(`JSONPath: ${reason}`, { cause: error });
  }
  const refuse = (reason: string): Error => statusError('InternalError', `Internal error occurred: ${reason}`);
  return decodeObject(patched, schema, { fieldValidation: 'Strict', refuse }).object;
}

function operationOf(value: unknown): JsonRecord {
  if (!(value instanceof Message) || value.typeName !== 'JSONPatch')
    throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
  const { fields } = value;
  const operation: JsonRecord = { op: fields.get('op') ?? '', path: fields.get('path') ?? '' };
  if (fields.has('from')) operation['from'] = fields.get('from');
  if (fields.has('value')) {
    operation['value'] = convertedWith(
      (reason) => `JSONPath valueExpression evaluated to a type that could not marshal to JSON: ${reason}`,
      fields.get('value'),
    );
  }
  return operation;
}
