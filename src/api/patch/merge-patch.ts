/** JSON Merge Patch, RFC 7386. */
import { cloneJson, isRecord, setOwn } from './json.ts';
import type { JsonRecord } from './json.ts';

/** The patched copy of `target`; neither argument is changed, and the result shares nothing with them. */
export function applyMergePatch<T>(target: T, patch: unknown): T {
  return merge(cloneJson(target), patch) as T;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return cloneJson(patch);
  const result: JsonRecord = isRecord(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setOwn(result, key, merge(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}
