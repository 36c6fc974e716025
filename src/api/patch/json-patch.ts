/** JSON Patch, RFC 6902, with the words of the library that kube-apiserver uses. */
import { statusError } from '../status.ts';
import type { StatusError } from '../status.ts';
import { cloneJson, deepEqual, isRecord, setOwn } from './json.ts';
import type { JsonRecord } from './json.ts';

export interface JsonPatchOperation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

/** More operations than this in one patch are refused (kube-apiserver's limit against abuse). */
const MAX_OPERATIONS = 10_000;
/** What `copy` may add to a document in all, bytes: copies of copies grow like powers of two (kube-apiserver's JSONPatchMaxCopyBytes). */
const MAX_COPIED = 3 * 1024 * 1024;

/**
 * The patched copy of `target`, which stays as it is. Throws StatusError: 413 for too many operations, 400 for what is no
 * JSON patch, 422 for one that does not apply (the cause carries the operation's message, as upstream hides it from clients).
 */
export function applyJsonPatch<T>(target: T, operations: unknown): T {
  const list = checkOperations(operations);
  let document: unknown = cloneJson(target);
  try {
    const copied: Copied = { bytes: 0 };
    for (const operation of list) document = applyOperation(document, operation, copied);
  } catch (error) {
    if (error instanceof PatchFailure) throw doesNotApply(error);
    throw error;
  }
  return document as T;
}

class PatchFailure extends Error {}

function checkOperations(operations: unknown): JsonPatchOperation[] {
  if (!Array.isArray(operations)) {
    throw statusError('BadRequest', 'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  }
  if (operations.length > MAX_OPERATIONS) {
    throw statusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${operations.length}`,
    );
  }
  for (const operation of operations) {
    if (!isRecord(operation))
      throw statusError('BadRequest', 'error decoding patch: json: cannot unmarshal value into Go value of type jsonpatch.Operation');
  }
  return operations as JsonPatchOperation[];
}

function doesNotApply(failure: PatchFailure): StatusError {
  return statusError('Invalid', 'the server rejected our request due to an error in our request', {}, failure);
}

interface Copied {
  bytes: number;
}

function applyOperation(document: unknown, operation: JsonPatchOperation, copied: Copied): unknown {
  const { path } = operation;
  const op: unknown = operation.op;
  if (typeof op !== 'string') throw new PatchFailure('Unexpected kind: unknown');
  if (typeof path !== 'string') throw new PatchFailure(`${op} operation is missing a path`);
  switch (op) {
    case 'add':
      return add(document, path, cloneJson(operation.value ?? null));
    case 'remove':
      return remove(document, path);
    case 'replace':
      return replace(document, path, cloneJson(operation.value ?? null));
    case 'move': {
      const value = lookup(document, operation.from, 'move');
      return add(remove(document, operation.from!), path, value);
    }
    case 'copy':
      return add(document, path, copyOf(lookup(document, operation.from, 'copy'), copied));
    case 'test':
      check(document, path, operation.value ?? null);
      return document;
    default:
      throw new PatchFailure(`Unexpected kind: ${op}`);
  }
}

/** Throws StatusError 413 when the copies of the patch are too large together. */
function copyOf(value: unknown, copied: Copied): unknown {
  copied.bytes += JSON.stringify(value).length;
  if (copied.bytes <= MAX_COPIED) return cloneJson(value);
  throw statusError(
    'RequestEntityTooLarge',
    `Request entity too large: Unable to complete the copy, the accumulated size increase of copy is ${copied.bytes}, exceeding the limit ${MAX_COPIED}`,
  );
}

function add(document: unknown, path: string, value: unknown): unknown {
  if (path === '') return value;
  const { parent, key } = locate(document, path, 'add');
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : indexOf(key, path);
    if (index > parent.length)
      throw new PatchFailure(`error in add for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`);
    parent.splice(index, 0, value);
  } else {
    setOwn(parent, key, value);
  }
  return document;
}

function remove(document: unknown, path: string): unknown {
  const { parent, key } = locate(document, path, 'remove');
  if (Array.isArray(parent)) {
    const index = indexOf(key, path);
    if (index >= parent.length)
      throw new PatchFailure(`error in remove for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`);
    parent.splice(index, 1);
  } else {
    if (!Object.hasOwn(parent, key))
      throw new PatchFailure(`error in remove for path: '${path}': Unable to remove nonexistent key: ${key}: missing value`);
    delete parent[key];
  }
  return document;
}

function replace(document: unknown, path: string, value: unknown): unknown {
  if (path === '') return value;
  const { parent, key } = locate(document, path, 'replace');
  if (Array.isArray(parent)) {
    const index = indexOf(key, path);
    if (index >= parent.length) throw new PatchFailure(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    parent[index] = value;
  } else {
    if (!Object.hasOwn(parent, key)) throw new PatchFailure(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    setOwn(parent, key, value);
  }
  return document;
}

/** A missing member equals null, as in the library. */
function check(document: unknown, path: string, expected: unknown): void {
  let actual: unknown = document;
  if (path !== '') {
    const { parent, key } = locate(document, path, 'test');
    actual = child(parent, key) ?? null;
  }
  if (!deepEqual(actual, expected)) throw new PatchFailure(`testing value ${path} failed: test failed`);
}

function lookup(document: unknown, from: string | undefined, op: string): unknown {
  if (typeof from !== 'string') throw new PatchFailure(`${op} operation does not apply: from is missing`);
  if (from === '') return document;
  const { parent, key } = locate(document, from, op);
  const value = child(parent, key);
  if (value === undefined) throw new PatchFailure(`${op} operation does not apply: doc is missing key: ${from}: missing value`);
  return value;
}

function locate(document: unknown, path: string, op: string): { parent: JsonRecord | unknown[]; key: string } {
  const tokens = path.split('/').map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  const missing = (): PatchFailure => new PatchFailure(`${op} operation does not apply: doc is missing path: "${path}": missing value`);
  if (tokens.length < 2 || tokens[0] !== '') throw missing();
  let parent: unknown = document;
  for (const token of tokens.slice(1, -1)) {
    parent = child(parent, token);
    if (typeof parent !== 'object' || parent === null) throw missing();
  }
  if (typeof parent !== 'object' || parent === null) throw missing();
  return { parent: parent as JsonRecord | unknown[], key: tokens.at(-1)! };
}

function child(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return /^\d+$/.test(key) ? (parent[Number(key)] as unknown) : undefined;
  return isRecord(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

function indexOf(key: string, path: string): number {
  if (!/^(0|[1-9]\d*)$/.test(key)) throw new PatchFailure(`error for path: '${path}': strconv.Atoi: parsing "${key}": invalid syntax`);
  return Number(key);
}
