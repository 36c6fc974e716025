/** Functions on lists, sets and numbers. */
import type { Environment } from '@marcbachmann/cel-js';
import { spend } from './budget.ts';
import { declaredClass, sameValue } from './values.ts';

type List = readonly unknown[];

export function registerCollections(env: Environment): void {
  env.registerFunction('list.isSorted(): bool', (list: List) => list.every((item, at) => at === 0 || !less(item, list[at - 1])));
  env.registerFunction('list.sum(): dyn', sum);
  env.registerFunction('list.min(): dyn', (list: List) => extreme(list, 'min', less));
  env.registerFunction('list.max(): dyn', (list: List) => extreme(list, 'max', (a, b) => less(b, a)));
  env.registerFunction('list.indexOf(dyn): int', (list: List, item: unknown) => BigInt(list.findIndex((each) => sameValue(each, item))));
  env.registerFunction('list.lastIndexOf(dyn): int', (list: List, item: unknown) =>
    BigInt(list.findLastIndex((each) => sameValue(each, item))),
  );
  env.registerFunction('list.reverse(): list', (list: List) => list.toReversed());
  env.registerFunction('list.slice(int, int): list', (list: List, from: bigint, to: bigint) => list.slice(Number(from), Number(to)));
  env.registerFunction('list.distinct(): list', (list: List) =>
    list.filter((item, at) => {
      spend(at);
      return list.findIndex((each) => sameValue(each, item)) === at;
    }),
  );
  env.registerFunction('list.flatten(): list', (list: List) => list.flat());
  env.registerFunction('list.sort(): list', (list: List) => list.toSorted((a, b) => (less(a, b) ? -1 : less(b, a) ? 1 : 0)));
  registerSets(env);
  registerMath(env);
}

/** CEL compares within one type; ints, doubles and texts compare as JavaScript's do. */
function less(a: unknown, b: unknown): boolean {
  return (a as number) < (b as number);
}

function sum(list: List): unknown {
  if (list.length === 0) return 0n;
  return list.slice(1).reduce((total, item) => add(total, item), list[0]);
}

function add(a: unknown, b: unknown): unknown {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a + b;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const left = a as { addDuration?: (other: unknown) => unknown };
  if (left.addDuration) return left.addDuration(b);
  throw new Error('no such overload: sum of a list that is not of one kind of numbers');
}

function extreme(list: List, name: string, before: (a: unknown, b: unknown) => boolean): unknown {
  if (list.length === 0) throw new Error(`${name} called on empty list`);
  return list.reduce((best, item) => (before(item, best) ? item : best));
}

const Sets = declaredClass('sets');

function registerSets(env: Environment): void {
  const has = (list: List, item: unknown): boolean => {
    spend(list.length);
    return list.some((each) => sameValue(each, item));
  };
  const contains = (all: List, some: List): boolean => some.every((item) => has(all, item));
  env.registerType('kubernetes.Sets', { ctor: Sets, fields: {} });
  env.registerConstant('sets', 'kubernetes.Sets', new Sets());
  env.registerFunction('kubernetes.Sets.contains(list, list): bool', (_sets: object, all: List, some: List) => contains(all, some));
  env.registerFunction(
    'kubernetes.Sets.equivalent(list, list): bool',
    (_sets: object, a: List, b: List) => contains(a, b) && contains(b, a),
  );
  env.registerFunction('kubernetes.Sets.intersects(list, list): bool', (_sets: object, a: List, b: List) => a.some((item) => has(b, item)));
}

const MathNamespace = declaredClass('math');

/** math.greatest and math.least of lists and of two or three numbers, and the roundings. */
function registerMath(env: Environment): void {
  env.registerType('kubernetes.Math', { ctor: MathNamespace, fields: {} });
  env.registerConstant('math', 'kubernetes.Math', new MathNamespace());
  for (const [name, before] of [
    ['greatest', (a: unknown, b: unknown) => less(b, a)],
    ['least', less],
  ] as const) {
    env.registerFunction(`kubernetes.Math.${name}(list): dyn`, (_math: object, list: List) => extreme(list, name, before));
    env.registerFunction(`kubernetes.Math.${name}(dyn, dyn): dyn`, (_math: object, ...numbers: unknown[]) =>
      extreme(numbers, name, before),
    );
    env.registerFunction(`kubernetes.Math.${name}(dyn, dyn, dyn): dyn`, (_math: object, ...numbers: unknown[]) =>
      extreme(numbers, name, before),
    );
  }
  for (const name of ['ceil', 'floor', 'trunc'] as const)
    env.registerFunction(`kubernetes.Math.${name}(double): double`, (_math: object, number: number) => Math[name](number));
  env.registerFunction('kubernetes.Math.abs(int): int', (_math: object, number: bigint) => (number < 0n ? -number : number));
  env.registerFunction('kubernetes.Math.abs(double): double', (_math: object, number: number) => Math.abs(number));
}
