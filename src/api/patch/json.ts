/** Plain JSON values: copying and comparing them. */

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A deep copy that may be changed freely. Values other than arrays and plain objects are taken as they are. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const copy: unknown[] = Array.from({ length: value.length });
    for (let i = 0; i < value.length; i++) copy[i] = cloneJson(value[i] as unknown);
    return copy as T;
  }
  const copy: JsonRecord = {};
  for (const key in value) setOwn(copy, key, cloneJson((value as JsonRecord)[key]));
  return copy as T;
}

/** Sets an own property whatever its name: `__proto__` in a document is data, not the prototype. */
export function setOwn(target: JsonRecord, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

/** Equal as JSON documents; keys that are undefined count as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, false);
}

/** As Go's `Semantic.DeepEqual`: absent, null and the empty list are the same. An empty object is not the same as none. */
export function semanticEqual(a: unknown, b: unknown): boolean {
  return equal(a, b, true);
}

const empty = (value: unknown): boolean => value === undefined || value === null || (Array.isArray(value) && value.length === 0);

function equal(a: unknown, b: unknown, semantic: boolean): boolean {
  if (a === b) return true;
  if (semantic && empty(a) && empty(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index], semantic));
  }
  if (Array.isArray(b)) return false;
  return equalRecords(a as JsonRecord, b as JsonRecord, semantic);
}

function equalRecords(a: JsonRecord, b: JsonRecord, semantic: boolean): boolean {
  for (const key in a) {
    if (!equal(a[key], Object.hasOwn(b, key) ? b[key] : undefined, semantic)) return false;
  }
  for (const key in b) {
    if (Object.hasOwn(a, key)) continue;
    if (!(b[key] === undefined || (semantic && empty(b[key])))) return false;
  }
  return true;
}
