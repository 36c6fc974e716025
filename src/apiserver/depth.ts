import { statusError } from '../api/status.ts';

/**
 * How deep an object may be nested. Go's decoder stops at 10,000 levels; what walks over objects here are recursions on a stack of a megabyte,
 * and no object that means anything has a hundred.
 */
const MAX_DEPTH = 1000;

/** Throws StatusError 400 in the words of Go's decoder when `value` is nested too deeply to be worked on. */
export function checkDepth(value: unknown): void {
  if (exceeds(value, MAX_DEPTH)) throw statusError('BadRequest', 'exceeded max depth');
}

function exceeds(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  if (Array.isArray(value)) return value.some((item) => exceeds(item, left - 1));
  for (const key in value) if (exceeds((value as Record<string, unknown>)[key], left - 1)) return true;
  return false;
}

/** A text of this many bytes cannot be nested too deeply. */
export const SHALLOW_BYTES = MAX_DEPTH;
