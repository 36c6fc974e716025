/** Values of CEL's own kinds, made outside of expressions, and their equality. */
import { Environment } from '@marcbachmann/cel-js';

let bare: Environment | undefined;

function library(): Environment {
  return (bare ??= new Environment({ enableOptionalTypes: true }).registerVariable('text', 'string'));
}

/** Throws for text that is no duration. */
export function durationOf(text: string): unknown {
  return library().evaluate('duration(text)', { text });
}

/** A class of its own for a declared type: the library tells types apart by their class. */
export function declaredClass(name: string): new () => object {
  return class {
    get [Symbol.toStringTag](): string {
      return name;
    }
  };
}

interface OptionalClass {
  of(value: unknown): unknown;
  none(): unknown;
}

let optional: OptionalClass | undefined;

/** A CEL optional; undefined makes the empty one. The library shows its class through its values only. */
export function optionalOf(value: unknown): unknown {
  optional ??= (library().evaluate('optional.none()') as { constructor: unknown }).constructor as OptionalClass;
  return value === undefined ? optional.none() : optional.of(value);
}

/** Equality of values as rules see them. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => sameValue(item, b[at]));
  if (a instanceof Map)
    return b instanceof Map && a.size === b.size && [...a].every(([key, item]) => b.has(key) && sameValue(item, b.get(key)));
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return sameObject(a as Record<string, unknown>, b as Record<string, unknown>);
}

/** Two objects of one declared type. */
export function sameObject(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]));
}
