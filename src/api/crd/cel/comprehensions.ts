/**
 * Comprehensions with two variables (cel-go's TwoVarComprehensions): index and item of a list, key and value of a map. They are macros of the
 * library, which has those with one variable.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { spend } from './budget.ts';

/** The library's own, as far as macros meet them. */
interface Node {
  op: string;
  args: unknown;
}

interface Type {
  kind: string;
  keyType: Type;
  valueType: Type;
}

interface Scope {
  forkWithVariable(name: string, type: Type): Overlay;
}

interface Overlay extends Scope {
  reuse(parent: Scope): Overlay;
  setIterValue(value: unknown, evaluator: Evaluator): Overlay;
}

interface Checker {
  check(node: Node, scope: Scope): Type;
  getType(name: string): Type;
  createError(code: string, message: string, node: Node): Error;
  registry: { getListType(item: Type): Type; getMapType(key: Type, value: Type): Type };
}

interface Evaluator {
  run(node: Node, scope: Scope): unknown;
}

/** What becomes of the turns. Each turn is evaluated by calling it; it throws what its expression throws. */
type Fold = (turns: Iterable<Turn>) => unknown;

interface Turn {
  key: unknown;
  /** Whether the filter lets it through. */
  passes(): boolean;
  value(): unknown;
}

interface Form {
  name: string;
  hasFilter?: boolean;
  returns(checker: Checker, types: { key: Type; value: Type }): Type;
  fold: Fold;
}

const bool = (checker: Checker): Type => checker.getType('bool');
const listOf = (checker: Checker, { value }: { value: Type }): Type => checker.registry.getListType(value);
const mapOf = (checker: Checker, { key, value }: { key: Type; value: Type }): Type => checker.registry.getMapType(key, value);
const entriesOf = (_checker: Checker, { value }: { value: Type }): Type => value;

const FORMS: readonly Form[] = [
  { name: 'all', returns: bool, fold: quantified(false) },
  { name: 'exists', returns: bool, fold: quantified(true) },
  { name: 'existsOne', returns: bool, fold: (turns) => [...turns].filter((turn) => turn.value() === true).length === 1 },
  ...withAndWithoutFilter({ name: 'transformList', returns: listOf, fold: (turns) => passing(turns).map((turn) => turn.value()) }),
  ...withAndWithoutFilter({
    name: 'transformMap',
    returns: mapOf,
    fold: (turns) => new Map(passing(turns).map((turn) => [turn.key, turn.value()])),
  }),
  ...withAndWithoutFilter({ name: 'transformMapEntry', returns: entriesOf, fold: joined }),
];

function withAndWithoutFilter(form: Form): Form[] {
  return [form, { ...form, hasFilter: true }];
}

function passing(turns: Iterable<Turn>): Turn[] {
  return [...turns].filter((turn) => turn.passes());
}

/** An error counts only where no other turn decides. */
function quantified(decisive: boolean): Fold {
  return (turns) => {
    let failure: { error: unknown } | undefined;
    for (const turn of turns) {
      try {
        if (turn.value() === decisive) return decisive;
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure) throw failure.error;
    return !decisive;
  };
}

function joined(turns: Iterable<Turn>): Map<unknown, unknown> {
  const all = new Map<unknown, unknown>();
  for (const turn of passing(turns)) {
    for (const [key, value] of entries(turn.value())) {
      if (all.has(key)) throw new Error(`insert failed: key ${String(key)} already exists`);
      all.set(key, value);
    }
  }
  return all;
}

export function registerComprehensions(env: Environment): void {
  for (const form of FORMS) {
    const given = form.hasFilter ? 'ast, ast, ast, ast' : 'ast, ast, ast';
    env.registerFunction(`list.${form.name}(${given}): dyn`, ({ receiver, args }: { receiver: Node; args: Node[] }) =>
      macro(form, receiver, args),
    );
  }
}

/** What the library asks of a macro; it calls `typeCheck` once, then `evaluate` with every evaluation. */
function macro({ name, hasFilter = false, returns, fold }: Form, receiver: Node, args: Node[]) {
  const [first, second, ...rest] = args as [Node, Node, ...Node[]];
  const expression = rest.at(-1)!;
  const filter = hasFilter ? rest[0] : undefined;
  let outer: Overlay;
  let inner: Overlay;
  return {
    args: [receiver, ...rest],
    async: false,
    typeCheck(checker: Checker, _macro: unknown, scope: Scope): Type {
      const { key, value } = turnTypes(checker, receiver, checker.check(receiver, scope));
      outer = scope.forkWithVariable(identifier(checker, name, first), key);
      inner = outer.forkWithVariable(identifier(checker, name, second), value);
      if (filter) checker.check(filter, inner);
      return returns(checker, { key, value: checker.check(expression, inner) });
    },
    evaluate(evaluator: Evaluator, _macro: unknown, scope: Scope): unknown {
      const range = entries(evaluator.run(receiver, scope));
      outer = outer.reuse(scope);
      inner = inner.reuse(outer);
      return fold(
        turnsOf(
          range,
          (node, [key, item]) => {
            outer.setIterValue(key, evaluator);
            return evaluator.run(node, inner.setIterValue(item, evaluator));
          },
          { filter, expression },
        ),
      );
    },
  };
}

function* turnsOf(
  range: Iterable<readonly [unknown, unknown]>,
  run: (node: Node, entry: readonly [unknown, unknown]) => unknown,
  { filter, expression }: { filter: Node | undefined; expression: Node },
): Iterable<Turn> {
  for (const entry of range) {
    spend(TURN);
    yield { key: entry[0], passes: () => !filter || run(filter, entry) === true, value: () => run(expression, entry) };
  }
}

/** Units of cost: these bodies are not taken apart. */
const TURN = 10;

function turnTypes(checker: Checker, receiver: Node, range: Type): { key: Type; value: Type } {
  if (range.kind === 'list') return { key: checker.getType('int'), value: range.valueType };
  if (range.kind === 'map') return { key: range.keyType, value: range.valueType };
  if (range.kind === 'dyn') return { key: checker.getType('dyn'), value: checker.getType('dyn') };
  throw checker.createError(
    'invalid_comprehension_range',
    'Expression cannot be range of a comprehension (must be list, map, or dynamic).',
    receiver,
  );
}

function identifier(checker: Checker, macroName: string, node: Node): string {
  if (node.op === 'id') return node.args as string;
  throw checker.createError('invalid_macro_argument', `${macroName}: argument must be a simple name`, node);
}

function entries(value: unknown): Iterable<readonly [unknown, unknown]> {
  if (Array.isArray(value)) return value.map((item, index) => [BigInt(index), item as unknown] as const);
  if (value instanceof Map) return value as ReadonlyMap<unknown, unknown>;
  if (typeof value === 'object' && value !== null) return Object.entries(value);
  throw new Error('no such overload: comprehension over what is neither list nor map');
}
