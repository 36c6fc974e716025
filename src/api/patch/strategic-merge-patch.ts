/**
 * Strategic merge patch: a merge patch that knows which lists merge by key. The rules are Kubernetes's own, told in
 * sig-api-machinery's "strategic-merge-patch.md"; orders of lists follow apimachinery's strategicpatch package.
 */
import type { Field, Schema } from '../schema/schema.ts';
import { statusError } from '../status.ts';
import type { StatusError } from '../status.ts';
import { cloneJson, deepEqual, isRecord, setOwn } from './json.ts';
import type { JsonRecord } from './json.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/** The patched copy of `target`, sharing nothing with it. Throws StatusError 400 for a malformed patch. */
export function applyStrategicMergePatch<T>(target: T, patch: unknown, schema: Schema): T {
  if (!isRecord(patch)) throw malformed('invalid JSON document');
  return mergeRecord(cloneJson(target) as JsonRecord, cloneJson(patch), schema) as T;
}

function malformed(message: string): StatusError {
  return statusError('BadRequest', message);
}

/** Changes and returns `original`; `patch` is ours to take apart. */
function mergeRecord(original: JsonRecord, patch: JsonRecord, schema: Schema | undefined): JsonRecord {
  const directive = patch[DIRECTIVE];
  if (directive !== undefined) {
    if (directive === 'replace') {
      delete patch[DIRECTIVE];
      return patch;
    }
    if (directive === 'delete') return {};
    if (directive !== 'merge') throw malformed(`unknown patch type: ${String(directive)} in map: ${JSON.stringify(patch)}`);
    delete patch[DIRECTIVE];
  }
  retainKeys(original, patch);
  for (const list of parallelLists(patch)) mergeParallelList(original, patch, list, fieldOf(schema, list));
  for (const [key, value] of Object.entries(patch)) mergeMember(original, key, value, fieldOf(schema, key));
  return original;
}

function mergeMember(original: JsonRecord, key: string, value: unknown, field: Partial<Field>): void {
  const present = Object.hasOwn(original, key) ? original[key] : undefined;
  if (value === null) {
    delete original[key];
  } else if (isRecord(value) && isRecord(present)) {
    setOwn(original, key, mergeMap(present, value, field));
  } else if (Array.isArray(value) && Array.isArray(present) && field.patchStrategy?.includes('merge')) {
    setOwn(original, key, mergeList(present, value, value, field));
  } else {
    setOwn(original, key, withoutDirectives(value));
  }
}

function mergeMap(original: JsonRecord, patch: JsonRecord, field: Partial<Field>): JsonRecord {
  if (!field.patchStrategy?.includes('replace')) return mergeRecord(original, patch, field.schema);
  delete patch[RETAIN_KEYS];
  return withoutDirectives(patch) as JsonRecord;
}

function fieldOf(schema: Schema | undefined, key: string): Partial<Field> {
  if (schema?.fields && Object.hasOwn(schema.fields, key)) return schema.fields[key]!;
  return schema?.type === 'map' && schema.items ? { schema: schema.items } : {};
}

/** What a patch adds where there was nothing: nulls and directives have nothing to act on and must not be stored. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    const kept = value.filter(
      (item) => !(isRecord(item) && (item[DIRECTIVE] === 'delete' || (item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1))),
    );
    return kept.map(withoutDirectives);
  }
  if (!isRecord(value)) return value;
  const result: JsonRecord = {};
  for (const [key, member] of Object.entries(value)) {
    if (member === null || key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(DELETE_PRIMITIVES) || key.startsWith(SET_ORDER))
      continue;
    setOwn(result, key, withoutDirectives(member));
  }
  return result;
}

/** `$retainKeys` lists all keys that may stay: for unions such as a Deployment's strategy. */
function retainKeys(original: JsonRecord, patch: JsonRecord): void {
  const kept = patch[RETAIN_KEYS];
  if (kept === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(kept)) throw malformed('invalid patch format of retainKeys');
  for (const key of Object.keys(patch)) {
    if (patch[key] !== null && !kept.includes(key) && !key.startsWith('$')) throw malformed("patch content doesn't match retainKeys list");
  }
  for (const key of Object.keys(original)) {
    if (!kept.includes(key)) delete original[key];
  }
}

/** Names of the lists that this patch orders or removes primitives from. */
function parallelLists(patch: JsonRecord): Set<string> {
  const names = new Set<string>();
  for (const key of Object.keys(patch)) {
    if (key.startsWith(DELETE_PRIMITIVES)) names.add(key.slice(DELETE_PRIMITIVES.length));
    else if (key.startsWith(SET_ORDER)) names.add(key.slice(SET_ORDER.length));
  }
  return names;
}

function mergeParallelList(original: JsonRecord, patch: JsonRecord, name: string, field: Partial<Field>): void {
  const removed = takeList(patch, DELETE_PRIMITIVES + name, 'invalid patch format of primitive list');
  const order = takeList(patch, SET_ORDER + name, 'invalid patch format of setElementOrder list');
  const present = Array.isArray(original[name]) ? (original[name] as unknown[]) : undefined;
  const items = patch[name];
  if (items === null) return;
  if (items !== undefined && !Array.isArray(items)) throw malformed('invalid patch format of setElementOrder list');
  delete patch[name];
  const changes = (items as unknown[] | undefined) ?? [];
  if (order) checkOrder(changes, order, field.patchMergeKey, name);
  if (!present) {
    if (changes.length > 0) setOwn(original, name, withoutDirectives(changes));
    return;
  }
  const gone = removed && placesOf(removed, undefined);
  const remaining = gone ? present.filter((item) => !gone.has(identity(item, undefined))) : present;
  setOwn(original, name, mergeList(remaining, changes, order ?? changes, field));
}

function takeList(patch: JsonRecord, key: string, problem: string): unknown[] | undefined {
  const list = patch[key];
  delete patch[key];
  if (list !== undefined && !Array.isArray(list)) throw malformed(problem);
  return list as unknown[] | undefined;
}

/** Every element that the patch adds or changes must have a place in the order that it sets. */
function checkOrder(changes: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined, name: string): void {
  let from = 0;
  for (const change of changes) {
    if (isRecord(change) && change[DIRECTIVE] !== undefined) continue;
    const at = order.findIndex((element, index) => index >= from && sameElement(element, change, mergeKey));
    if (at < 0) {
      throw malformed(
        `The order in patch list:\n${JSON.stringify(changes)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n (${name})`,
      );
    }
    from = at + 1;
  }
}

function sameElement(a: unknown, b: unknown, mergeKey: string | undefined): boolean {
  if (mergeKey === undefined || !isRecord(a) || !isRecord(b)) return deepEqual(a, b);
  return deepEqual(a[mergeKey], b[mergeKey]);
}

/** Two elements of a list are the same when this is: what the merge key says of maps, the value itself of others. */
function identity(item: unknown, mergeKey: string | undefined): string {
  return mergeKey !== undefined && isRecord(item) ? `key ${JSON.stringify(item[mergeKey])}` : JSON.stringify(item);
}

/** Where each element is first: lists of many thousand elements are merged, too. */
function placesOf(list: readonly unknown[], mergeKey: string | undefined): Map<string, number> {
  const places = new Map<string, number>();
  for (const [at, item] of list.entries()) {
    const id = identity(item, mergeKey);
    if (!places.has(id)) places.set(id, at);
  }
  return places;
}

function mergeList(original: unknown[], changes: readonly unknown[], order: readonly unknown[], field: Partial<Field>): unknown[] {
  const sample = original[0] ?? changes[0] ?? order[0];
  const merged = isRecord(sample) ? mergeMaps(original, changes, field) : mergePrimitives(original, changes);
  const elements = order.filter((element) => !(isRecord(element) && element[DIRECTIVE] !== undefined));
  return inOrder(merged, elements, original, isRecord(sample) ? field.patchMergeKey : undefined);
}

function mergePrimitives(original: readonly unknown[], changes: readonly unknown[]): unknown[] {
  return [...new Set([...original, ...changes])];
}

function mergeMaps(original: readonly unknown[], changes: readonly unknown[], field: Partial<Field>): unknown[] {
  const mergeKey = field.patchMergeKey;
  if (mergeKey === undefined) throw malformed(`cannot merge lists without merge key for ${field.schema?.items?.name ?? 'list'}`);
  const plain: JsonRecord[] = [];
  const deleted = new Set<string>();
  let replaced = false;
  for (const change of changes) {
    if (!isRecord(change)) throw malformed('invalid patch format of setElementOrder list');
    const directive = change[DIRECTIVE];
    if (directive === 'replace') replaced = true;
    else if (directive === 'delete') deleted.add(identity(change, requireKey(change, mergeKey)));
    else if (directive === undefined || directive === 'merge') plain.push(change);
    else throw malformed(`unknown patch type: ${String(directive)} in map: ${JSON.stringify(change)}`);
    if (directive === 'replace' && Object.hasOwn(change, mergeKey)) plain.push(change);
  }
  if (replaced) return plain.map((item) => withoutDirectives(item));
  const result = original.filter((item) => !deleted.has(identity(item, mergeKey)));
  const places = placesOf(result, mergeKey);
  for (const change of plain) {
    const id = identity(change, requireKey(change, mergeKey));
    const at = places.get(id);
    if (at === undefined) places.set(id, result.push(withoutDirectives(change)) - 1);
    else result[at] = mergeRecord(result[at] as JsonRecord, change, field.schema?.items);
  }
  return result;
}

function requireKey(change: JsonRecord, mergeKey: string): string {
  if (!Object.hasOwn(change, mergeKey)) throw malformed(`map: ${JSON.stringify(change)} does not contain declared merge key: ${mergeKey}`);
  return mergeKey;
}

/**
 * The patch's elements in the patch's order, the server's other elements in the server's, woven by the server's order where it
 * knows both; an element that it does not know goes first. `kubectl patch` with a new container puts it in front for this reason.
 */
function inOrder(
  merged: readonly unknown[],
  order: readonly unknown[],
  server: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const [wanted, known] = [placesOf(order, mergeKey), placesOf(server, mergeKey)];
  const ranked = merged.map((item) => {
    const id = identity(item, mergeKey);
    return { item, wanted: wanted.get(id) ?? -1, known: known.get(id) ?? -1 };
  });
  const fromPatch = ranked.filter(({ wanted }) => wanted >= 0).toSorted((a, b) => a.wanted - b.wanted);
  const serverOnly = ranked.filter(({ wanted }) => wanted < 0).toSorted((a, b) => a.known - b.known);
  const woven: unknown[] = [];
  for (let left = 0, right = 0; left < serverOnly.length || right < fromPatch.length;) {
    const theirs = serverOnly[left];
    const ours = fromPatch[right];
    const serverFirst = !ours || (theirs !== undefined && theirs.known >= 0 && ours.known >= 0 && theirs.known < ours.known);
    woven.push(serverFirst ? theirs!.item : ours.item);
    if (serverFirst) left++;
    else right++;
  }
  return woven;
}
