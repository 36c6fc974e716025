/** Kubernetes's quantities and semantic versions in CEL. */
import type { Environment } from '@marcbachmann/cel-js';
import { addQuantities, compareQuantities, parseQuantity, quantityToNumber, subtractQuantities } from '../../codec/quantity.ts';

class Quantity {
  readonly text: string;

  /** Throws for what is no quantity. */
  constructor(text: string) {
    parseQuantity(text);
    this.text = text;
  }
}

export function registerQuantity(env: Environment): void {
  env.registerType('kubernetes.Quantity', { ctor: Quantity, fields: {} });
  const method = (signature: string, handler: (quantity: Quantity, ...rest: never[]) => unknown): void =>
    void env.registerFunction(`kubernetes.Quantity.${signature}`, handler);
  const integer = ({ text }: Quantity): boolean => Number.isSafeInteger(quantityToNumber(text));
  env.registerFunction('quantity(string): kubernetes.Quantity', (text: string) => new Quantity(text));
  env.registerFunction('isQuantity(string): bool', (text: string) => parses(() => new Quantity(text)));
  env.registerOperator('kubernetes.Quantity == kubernetes.Quantity', (a: Quantity, b: Quantity) => compareQuantities(a.text, b.text) === 0);
  method('isInteger(): bool', integer);
  method('asInteger(): int', (quantity) => {
    if (!integer(quantity)) throw new Error('cannot convert value to integer');
    return BigInt(quantityToNumber(quantity.text));
  });
  method('asApproximateFloat(): double', ({ text }) => quantityToNumber(text));
  method('sign(): int', ({ text }) => BigInt(Math.sign(compareQuantities(text, '0'))));
  method('compareTo(kubernetes.Quantity): int', ({ text }, other: Quantity) => BigInt(Math.sign(compareQuantities(text, other.text))));
  method('isGreaterThan(kubernetes.Quantity): bool', ({ text }, other: Quantity) => compareQuantities(text, other.text) > 0);
  method('isLessThan(kubernetes.Quantity): bool', ({ text }, other: Quantity) => compareQuantities(text, other.text) < 0);
  method('add(kubernetes.Quantity): kubernetes.Quantity', ({ text }, other: Quantity) => new Quantity(addQuantities(text, other.text)));
  method('add(int): kubernetes.Quantity', ({ text }, other: bigint) => new Quantity(addQuantities(text, String(other))));
  method(
    'sub(kubernetes.Quantity): kubernetes.Quantity',
    ({ text }, other: Quantity) => new Quantity(subtractQuantities(text, other.text)),
  );
  method('sub(int): kubernetes.Quantity', ({ text }, other: bigint) => new Quantity(subtractQuantities(text, String(other))));
  registerVersions(env);
}

function parses(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

class Version {
  readonly numbers: readonly number[];
  readonly prerelease: readonly string[];

  /** Throws for what is no semantic version (semver.org, 2.0.0). */
  constructor(text: string) {
    const match = VERSION.exec(text);
    if (!match) throw new RangeError(`Invalid Semantic Version: ${text}`);
    this.numbers = match.slice(1, 4).map(Number);
    this.prerelease = match[4]?.split('.') ?? [];
  }

  compare(other: Version): number {
    for (const [at, number] of this.numbers.entries()) if (number !== other.numbers[at]) return Math.sign(number - other.numbers[at]!);
    return comparePrereleases(this.prerelease, other.prerelease);
  }
}

/** A version with a prerelease is before the one without; numbers are before words. */
function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length);
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const [left, right] = [a[at], b[at]];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (left === right) continue;
    const numeric = [left, right].map((part) => /^\d+$/.test(part));
    if (numeric[0] && numeric[1]) return Math.sign(Number(left) - Number(right));
    if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}

function registerVersions(env: Environment): void {
  env.registerType('kubernetes.Semver', { ctor: Version, fields: {} });
  const method = (signature: string, handler: (version: Version, ...rest: never[]) => unknown): void =>
    void env.registerFunction(`kubernetes.Semver.${signature}`, handler);
  env.registerFunction('semver(string): kubernetes.Semver', (text: string) => new Version(text));
  env.registerFunction('isSemver(string): bool', (text: string) => parses(() => new Version(text)));
  env.registerOperator('kubernetes.Semver == kubernetes.Semver', (a: Version, b: Version) => a.compare(b) === 0);
  method('major(): int', ({ numbers }) => BigInt(numbers[0]!));
  method('minor(): int', ({ numbers }) => BigInt(numbers[1]!));
  method('patch(): int', ({ numbers }) => BigInt(numbers[2]!));
  method('compareTo(kubernetes.Semver): int', (version, other: Version) => BigInt(version.compare(other)));
  method('isGreaterThan(kubernetes.Semver): bool', (version, other: Version) => version.compare(other) > 0);
  method('isLessThan(kubernetes.Semver): bool', (version, other: Version) => version.compare(other) < 0);
}
