/**
 * resource.Quantity: a fixed-point number with a suffix (`500m`, `1Gi`, `2e3`). Exact: amounts are bigints in nano units, the finest
 * that upstream keeps. Parsing rounds away from zero to a nano and caps at 2^63-1, as upstream does.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** In units of 10^-9. */
  readonly nanos: bigint;
  /** How it is written; arithmetic keeps the format of its first operand. */
  readonly format: QuantityFormat;
}

const NANO = 1_000_000_000n;
const MAX = (2n ** 63n - 1n) * NANO;
const FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const DECIMAL_SUFFIX = new Map(Object.entries(DECIMAL).map(([suffix, exponent]) => [exponent, suffix]));
const BINARY_SUFFIX = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Throws RangeError with upstream's message when `text` is no quantity. */
export function parseQuantity(text: string): Quantity {
  const match = PATTERN.exec(text);
  if (!match || (match[2] === '' && !match[3])) throw new RangeError(FORMAT_WRONG);
  const [, sign, whole, fraction = '', suffix] = match as unknown as [string, string, string, string | undefined, string];
  const { base, exponent, format } = suffixOf(suffix);
  const digits = BigInt(whole + fraction);
  // digits × 10^-fraction.length × base^exponent, in nanos.
  let numerator = digits * NANO;
  let denominator = 10n ** BigInt(fraction.length);
  const factor = BigInt(base) ** BigInt(Math.abs(exponent));
  if (exponent < 0) denominator *= factor;
  else numerator *= factor;
  let nanos = (numerator + denominator - 1n) / denominator;
  if (nanos > MAX) nanos = MAX;
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

function suffixOf(suffix: string): { base: number; exponent: number; format: QuantityFormat } {
  const decimal = DECIMAL[suffix];
  if (decimal !== undefined) return { base: 10, exponent: decimal, format: 'DecimalSI' };
  const binary = BINARY[suffix];
  if (binary !== undefined) return { base: 2, exponent: binary, format: 'BinarySI' };
  const match = /^[eE]([-+]?\d+)$/.exec(suffix);
  if (!match) throw new RangeError("unable to parse quantity's suffix");
  const exponent = Number(match[1]);
  // Far beyond the cap or below a nano the exact power does not matter, and must not cost memory.
  return { base: 10, exponent: Math.max(-400, Math.min(400, exponent)), format: 'DecimalExponent' };
}

/** The canonical text: no fraction, the largest suffix that loses nothing (`0.5` is `500m`, `1024Mi` is `1Gi`). */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  const magnitude = nanos < 0n ? -nanos : nanos;
  // Upstream shows a binary quantity as decimal below 1024 and where it is no whole number.
  if (format === 'BinarySI' && magnitude >= 1024n * NANO && magnitude % NANO === 0n) return formatBinary(nanos / NANO);
  const largest = format === 'DecimalExponent' ? Infinity : 18;
  let mantissa = nanos;
  let exponent = -9;
  while (mantissa % 1000n === 0n && exponent < largest) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (format === 'DecimalExponent') return exponent === 0 ? String(mantissa) : `${mantissa}e${exponent}`;
  return `${mantissa}${DECIMAL_SUFFIX.get(exponent)}`;
}

function formatBinary(value: bigint): string {
  let mantissa = value;
  let power = 0;
  while (mantissa % 1024n === 0n && power < BINARY_SUFFIX.length - 1) {
    mantissa /= 1024n;
    power += 1;
  }
  return `${mantissa}${BINARY_SUFFIX[power]}`;
}

const canonical = /^(?:0|-?[1-9]\d{0,2})(?:[numkMGTPE]|)$/;

/** `text` as upstream would write it after reading it. Throws RangeError like `parseQuantity`. */
export function canonicalQuantity(text: string): string {
  // The usual texts (`100m`, `2`, `5G`) are canonical already; three digits can hold no further thousand.
  if (canonical.test(text) && !/^0./.test(text)) return text;
  return formatQuantity(parseQuantity(text));
}

/** The value as a float; exact where a float can be. */
export function quantityToNumber(text: string): number {
  const plain = Number(text);
  if (text !== '' && /^\d+$/.test(text)) return plain;
  const { nanos } = parseQuantity(text);
  const whole = nanos / NANO;
  return Number(whole) + Number(nanos - whole * NANO) / 1e9;
}

/** Thousandths of a core, rounded up. */
export function cpuMillis(text: string): number {
  return Number(roundUp(parseQuantity(text).nanos, 1_000_000n));
}

/** Whole units (bytes, pods, devices), rounded up. */
export function bytesOf(text: string): number {
  return Number(roundUp(parseQuantity(text).nanos, NANO));
}

function roundUp(nanos: bigint, unit: bigint): bigint {
  const quotient = nanos / unit;
  if (nanos % unit === 0n) return quotient;
  // Upstream rounds away from zero.
  return nanos > 0n ? quotient + 1n : quotient - 1n;
}

/** The sum, written in the format of the first that is not zero. */
export function addQuantities(...texts: readonly string[]): string {
  const parsed = texts.map(parseQuantity);
  const nanos = parsed.reduce((sum, quantity) => sum + quantity.nanos, 0n);
  const format = parsed.find((quantity) => quantity.nanos !== 0n)?.format ?? 'DecimalSI';
  return formatQuantity({ nanos, format });
}

/** `a - b` in the format of `a`, or of `b` when `a` is zero. */
export function subtractQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  return formatQuantity({ nanos: left.nanos - right.nanos, format: left.nanos === 0n ? right.format : left.format });
}

/** Negative, zero or positive, as `a` is below, equal to or above `b`. */
export function compareQuantities(a: string, b: string): number {
  if (a === b) return 0;
  const left = parseQuantity(a).nanos;
  const right = parseQuantity(b).nanos;
  return left < right ? -1 : left > right ? 1 : 0;
}
