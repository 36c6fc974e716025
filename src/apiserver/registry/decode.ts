import { findDuplicateFields } from '../../api/codec/duplicates.ts';
import { decodeObject, type Duplicates } from '../../api/decode.ts';
import { groupVersion, type KubeObject } from '../../api/meta.ts';
import { invalid, statusError, StatusError } from '../../api/status.ts';
import type { ResourceInfo, Schema } from '../../api/schema/schema.ts';
import { requireObjectType, summaryOf, type RequestBody } from '../body.ts';
import { checkDepth } from '../depth.ts';
import { isYaml, yamlDuplicates } from '../yaml.ts';
import { isObject, type FieldValidation } from './options.ts';
import type { Call } from './registry.ts';

/**
 * The object in a request's body, of the resource's kind and in the version of the URL, without what its kind does not know. Ours to change.
 * Throws StatusError 400.
 */
export async function decodeBody({ context, body, served: { info } }: Call, fieldValidation: FieldValidation): Promise<KubeObject> {
  requireObjectType(body);
  const value = await valueOf(body, info.kind);
  checkType(info, value);
  return decode({
    context,
    value: value,
    schema: info.schema,
    fieldValidation,
    duplicates: await duplicatesOf(body, fieldValidation),
  });
}

/** A configuration to apply: checked as any object, but without the zero values that its kind writes out, which nobody stated. */
export async function decodeConfiguration(
  { context, body, served: { info } }: Call,
  fieldValidation: FieldValidation,
): Promise<KubeObject> {
  const value = await valueOf(body, info.kind);
  if (isObject(value) && value['apiVersion'] !== groupVersion(info)) throw otherVersion(value['apiVersion'], groupVersion(info));
  checkType(info, value);
  // Fields that are unknown are refused by the merge, whatever validation the client asked for.
  decode({ context, value, schema: info.schema, fieldValidation: 'Ignore' });
  const duplicates = await duplicatesOf(body, fieldValidation);
  if (duplicates && fieldValidation === 'Strict' && duplicates.strict.length > 0)
    throw statusError('BadRequest', `error strict decoding YAML: ${duplicates.strict.join(', ')}`);
  for (const warning of duplicates?.warnings ?? []) context.warn(warning);
  const stated = value as unknown as KubeObject;
  return { ...stated, metadata: { ...stated.metadata } };
}

/** As `decodeBody`, for a value of ours that a patch made. */
export function decodePatched({ context, served: { info } }: Call, value: unknown, { fieldValidation, shown }: PatchDecoding): KubeObject {
  checkType(info, value);
  checkDepth(value);
  // Upstream's words: the client sent no object, so that it is the patch which is wrong.
  const refuse = (reason: string): Error => {
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(shown ? shown() : value))}: ${reason}`;
    return invalid('', '', '', [{ field: 'patch', type: 'FieldValueInvalid', message }]);
  };
  return decode({ context, value, schema: info.schema, fieldValidation, refuse });
}

interface PatchDecoding {
  fieldValidation: FieldValidation;
  /** What is shown as wrong; the patched object unless given. */
  shown?: () => unknown;
}

function otherVersion(given: unknown, expected: string): Error {
  return statusError(
    'BadRequest',
    `Incorrect version specified in apply patch. Specified patch version: ${textOf(given ?? '')}, expected: ${expected}`,
  );
}

export interface OwnKind {
  kind: string;
  versions: readonly string[];
  schema: Schema;
}

/** The body of a subresource that has a kind of its own: Scale, Binding, Eviction. */
export async function decodeOwnKind<T>(call: Call, kind: OwnKind, fieldValidation: FieldValidation): Promise<T> {
  requireObjectType(call.body);
  return decodeOwnConfiguration(call, kind, fieldValidation);
}

/** As `decodeOwnKind`, for what is applied. */
export async function decodeOwnConfiguration<T>({ context, body }: Call, kind: OwnKind, fieldValidation: FieldValidation): Promise<T> {
  const value = await valueOf(body, kind.kind);
  if (!isObject(value)) throw unrecognized(kind.kind, 'the body is not an object');
  const { apiVersion = kind.versions[0] } = value as { apiVersion?: string };
  if ((value['kind'] ?? kind.kind) !== kind.kind || !kind.versions.includes(apiVersion!)) throw otherKind(value, kind.kind);
  return decode({ context, value: value, schema: kind.schema, fieldValidation }) as unknown as T;
}

/** What a DELETE carries: nothing, or DeleteOptions. Throws StatusError 400 and 415. */
export async function deleteOptionsBody(body: RequestBody): Promise<unknown> {
  const value = await valueOf(body, 'DeleteOptions');
  if (value !== undefined) requireObjectType(body);
  return value;
}

/** Text that is no JSON is told with the kind that it should have been. */
async function valueOf(body: RequestBody, kind: string): Promise<unknown> {
  try {
    return await body.json();
  } catch (error) {
    if (!(error instanceof StatusError && error.cause instanceof SyntaxError)) throw error;
    throw unrecognized(kind, `couldn't get version/kind; json parse error: ${error.cause.message} (${summaryOf(await body.bytes())})`);
  }
}

interface Decoding {
  context: Call['context'];
  value: unknown;
  schema: Schema;
  fieldValidation: FieldValidation;
  duplicates?: Duplicates;
  refuse?: (reason: string) => Error;
}

function decode({ context, value, schema, ...options }: Decoding): KubeObject {
  const { object, warnings } = decodeObject(value, schema, options);
  for (const warning of warnings) context.warn(warning);
  object.metadata ??= {};
  return object;
}

async function duplicatesOf(body: RequestBody, fieldValidation: FieldValidation): Promise<Duplicates | undefined> {
  if (body.inProcess || fieldValidation === 'Ignore') return undefined;
  if (isYaml(body.contentType)) return yamlDuplicates(await body.bytes());
  if (body.contentType !== 'application/json') return undefined;
  const findings = findDuplicateFields(await body.bytes()).map((path) => `duplicate field ${JSON.stringify(path)}`);
  return { warnings: findings, strict: findings };
}

/** Absent kind and apiVersion are the resource's own. */
function checkType(info: ResourceInfo, value: unknown): asserts value is Record<string, unknown> {
  if (!isObject(value)) throw unrecognized(info.kind, 'the body is not an object');
  const expected = groupVersion(info);
  value['kind'] ||= info.kind;
  value['apiVersion'] ||= expected;
  if (value['apiVersion'] !== expected) {
    throw statusError(
      'BadRequest',
      `the API version in the data (${textOf(value['apiVersion'])}) does not match the expected API version (${expected})`,
    );
  }
  if (value['kind'] !== info.kind) throw otherKind(value, info.kind);
}

function otherKind(value: Record<string, unknown>, kind: string): Error {
  const given = textOf(value['kind']);
  return statusError(
    'BadRequest',
    `${given} in version "${textOf(value['apiVersion'])}" cannot be handled as a ${kind}: converting (${given}) to (${kind}): unknown conversion`,
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}

function unrecognized(kind: string, why: string): Error {
  return statusError('BadRequest', `the object provided is unrecognized (must be of type ${kind}): ${why}`);
}
