/** The alphabet of generated names; a hash is a label value and part of a name. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A short stable name for a value: equal values have equal hashes, whatever the order of their keys. `collisions` is counted up by whoever
 * finds that the name belongs to something else.
 */
export function stableHash(value: unknown, collisions?: number): string {
  const number = fnv1a(canonical(value) + (collisions === undefined ? '' : `/${collisions}`));
  return Array.from(String(number), (digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join('');
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** 32 bits, http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
