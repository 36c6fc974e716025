import { randomBytes, randomUUID } from 'node:crypto';

/** The one door to chance. Tests pass a seeded one. */
export interface Rng {
  /** A number in [0, 1). */
  next(): number;
  /** A version 4 UUID. */
  uuid(): string;
  /** `length` characters of the alphabet that generated Kubernetes names use (no vowels, no look-alikes). */
  suffix(length: number): string;
}

const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

function suffixOf(next: () => number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += NAME_ALPHABET[Math.floor(next() * NAME_ALPHABET.length)];
  return text;
}

/** Real chance; not for secrets, but for `uuid`. */
export function systemRng(): Rng {
  const next = (): number => Math.random();
  return { next, uuid: () => randomUUID(), suffix: (length) => suffixOf(next, length) };
}

/** A repeatable source (mulberry32), for tests and for replaying a random run from its printed seed. */
export function seededRng(seed: number): Rng {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const hex = (digits: number): string =>
    Math.floor(next() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  const uuid = (): string => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(8)}${hex(4)}`;
  return { next, uuid, suffix: (length) => suffixOf(next, length) };
}

/** A secret of `bytes` random bytes, base64url. Never seeded. */
export function secret(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
