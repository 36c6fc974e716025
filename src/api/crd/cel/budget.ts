/**
 * What an expression may cost at run time. Upstream counts the steps of its interpreter (k8s.io/apiserver/pkg/apis/cel: PerCallLimit and
 * RuntimeCELCostBudget); here each turn of a loop costs as many units as its body has nodes, and operations on lists cost their length. What
 * does not loop is bounded by the size of the expression. Expressions with a regular expression that may backtrack run under a deadline.
 */
import type { ParseResult } from '@marcbachmann/cel-js';
import { inTime, isTimeout, PATTERN_DEADLINE_MS } from './pattern-deadline.ts';
import { isRisky } from './pattern-risk.ts';

/** Units for one evaluation of one expression. */
export const PER_CALL_LIMIT = 1_000_000;
/** Units for all expressions about one object: the rules of a CRD, or one policy with one binding and parameter. */
export const TOTAL_BUDGET = 10_000_000;

export const CALL_COST_EXCEEDED = 'operation cancelled: actual cost limit exceeded';
export const BUDGET_EXCEEDED = 'validation failed due to running out of cost budget, no further validation rules will be run';

/** What is left for a series of evaluations. */
export class Budget {
  readonly #account: Meter;

  constructor(left: number = TOTAL_BUDGET) {
    this.#account = { left };
  }

  get isSpent(): boolean {
    return this.#account.left < 0;
  }

  /** Runs `work`, whose evaluations are paid from here. */
  paying<T>(work: () => T): T {
    const outer = payer;
    payer = this.#account;
    try {
      return work();
    } finally {
      payer = outer;
    }
  }
}

interface Meter {
  left: number;
  /** It was stopped before a risky pattern. */
  needsDeadline?: boolean;
}

let payer: Meter | undefined;
let meter: Meter | undefined;

/** Made once: an expression that keeps going after it (`||` absorbs errors) must not pay for stack traces. */
const EXCEEDED = new Error(CALL_COST_EXCEEDED);

/** Charges the expression that is being evaluated. Throws when it has nothing left. */
export function spend(units: number): void {
  if (meter && (meter.left -= units) < 0) throw EXCEEDED;
}

/** An evaluation that ends: it throws with `CALL_COST_EXCEEDED` when it costs too much, whatever the expression made of the error. */
export function metered(program: ParseResult): (variables: Record<string, unknown>) => unknown {
  instrument(program.ast as unknown as Node);
  // A deadline costs a thread, so it is set when it is needed: then the evaluation, which has no effects, begins anew.
  let needsDeadline = false;
  return (variables) => {
    const run = (): unknown => program(variables) as unknown;
    if (!needsDeadline) {
      const own: Meter = { left: PER_CALL_LIMIT };
      try {
        const value = measured(own, run);
        if (!own.needsDeadline) return value;
      } catch (error) {
        if (!own.needsDeadline) throw error;
      }
      needsDeadline = true;
    }
    return measured({ left: PER_CALL_LIMIT }, () => (isTimed ? run() : withDeadline(run)));
  };
}

function measured(own: Meter, run: () => unknown): unknown {
  const outer = meter;
  meter = own;
  try {
    const value = run();
    if (own.left < 0 && !own.needsDeadline) throw EXCEEDED;
    return value;
  } finally {
    meter = outer;
    if (payer && !own.needsDeadline) payer.left -= PER_CALL_LIMIT - own.left;
  }
}

let isTimed = false;

function withDeadline(run: () => unknown): unknown {
  isTimed = true;
  try {
    return inTime(run, PATTERN_DEADLINE_MS);
  } catch (error) {
    if (!isTimeout(error)) throw error;
    if (meter) meter.left = -1;
    throw new Error(CALL_COST_EXCEEDED, { cause: error });
  } finally {
    isTimed = false;
  }
}

/** The library's nodes, as far as they are looked at here. Checked nodes carry what evaluates them. */
interface Node {
  op: string;
  args: unknown;
  meta: { alternate?: Node; macro?: { val?: Node; exp?: Node; args?: unknown }; evaluate: Evaluate };
  setMeta(key: 'evaluate', value: Evaluate): void;
  handle?: (...operands: unknown[]) => unknown;
}

type Evaluate = (evaluator: unknown, node: Node, context: unknown) => unknown;

const PATTERN_FUNCTIONS = new Set(['matches', 'find', 'findAll']);
const SIZED_OPERATORS = new Set(['+', 'in', '==', '!=']);

/** Makes loops and operations on lists pay, and risky patterns ask for a deadline. To be called once, on a checked tree. */
function instrument(given: Node): void {
  const node = resolved(given);
  if (node.op === 'rcall' && node.handle && PATTERN_FUNCTIONS.has((node.args as [string])[0])) watchPattern(node, node.handle);
  if (node.op === 'comprehension') chargeTurns((node.args as { step: Node }).step);
  if (SIZED_OPERATORS.has(node.op) && node.handle) chargeLists(node, node.handle);
  for (const child of childrenOf(node)) instrument(child);
}

function watchPattern(node: Node, handle: NonNullable<Node['handle']>): void {
  node.handle = (...operands) => {
    const [text, pattern] = operands[0] as unknown[];
    if (!isTimed && meter && typeof text === 'string' && typeof pattern === 'string' && isRisky(text, pattern)) {
      meter.needsDeadline = true;
      // Whatever goes on now is evaluated again: let it end soon.
      meter.left = -1;
      throw EXCEEDED;
    }
    return handle(...operands);
  };
}

function resolved(node: Node): Node {
  return node.meta.alternate ? resolved(node.meta.alternate) : node;
}

function childrenOf({ args, meta: { macro } }: Node): Node[] {
  return macro ? nodesIn([macro.val, macro.exp, macro.args]) : nodesIn(args);
}

function nodesIn(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  if (typeof value !== 'object' || value === null) return [];
  if ('op' in value && 'meta' in value) return [value as Node];
  return Object.getPrototypeOf(value) === Object.prototype && 'step' in value ? nodesIn(Object.values(value)) : [];
}

function chargeTurns(step: Node): void {
  const { evaluate } = step.meta;
  const units = size(step);
  step.setMeta('evaluate', (evaluator, node, context) => {
    spend(units);
    return evaluate(evaluator, node, context);
  });
}

/** The nodes that one turn evaluates; inner loops pay for themselves. */
function size(node: Node): number {
  const real = resolved(node);
  const children = real.op === 'comprehension' ? [(real.args as { iterable: Node }).iterable] : childrenOf(real);
  return children.reduce((sum, child) => sum + size(child), 1);
}

function chargeLists(node: Node, handle: NonNullable<Node['handle']>): void {
  node.handle = (...operands) => {
    spend(lengthOf(operands[0]) + lengthOf(operands[1]));
    return handle(...operands);
  };
}

/** Texts are charged by the kilobyte. */
function lengthOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return typeof value === 'string' ? value.length >> 10 : 0;
}
