/** The expressions of one policy, compiled together: its variables first, in their order, then what may refer to them. */
import type { Environment } from '@marcbachmann/cel-js';
import { compileWithMessages, type Messages } from '../../../api/crd/cel/object-literals.ts';
import type { CompileProblem, Program } from '../../../api/crd/cel/program.ts';
import { declaredClass } from '../../../api/crd/cel/values.ts';
import type { Variable } from '../../../api/types.gen.ts';
import { admissionEnvironment } from '../matching/cel-request.ts';
import { messageOf } from '../matching/conditions.ts';
import { declareJsonPatch, jsonPatchFields } from './json-patch-library.ts';

/** What an expression may evaluate to, by cel-go's names. */
export type Returns = readonly ('bool' | 'string' | 'null_type' | 'Object' | 'list(JSONPatch)' | 'any')[];

export interface PolicyExpressions {
  hasParams: boolean;
  variables: readonly Variable[];
  /** Mutations construct objects. */
  mutates?: boolean;
}

/** Compiles expressions that see what a policy's do. */
export class PolicyCompiler {
  /** What is wrong with each variable, '' where nothing is. */
  readonly variableProblems: readonly string[];
  readonly #variables = new Map<string, Program | CompileProblem>();
  readonly #messages: Messages;
  readonly #base: Environment;
  readonly #scope: Environment;

  constructor({ hasParams, variables, mutates = false }: PolicyExpressions, base: Environment = policyEnvironment(hasParams)) {
    this.#messages = { types: mutates ? mutationTypes : () => undefined, classes: new Map() };
    this.#base = mutates ? declareJsonPatch(base) : base;
    const types: Record<string, string> = {};
    const problems: string[] = [];
    for (const { name, expression } of variables) {
      const compiled = compileWithMessages(withVariables(this.#base, types), expression, this.#messages);
      problems.push('problem' in compiled ? compiled.problem : '');
      this.#variables.set(name, compiled);
      types[name] = 'problem' in compiled ? 'dyn' : fieldType(compiled.type);
    }
    this.variableProblems = problems;
    this.#scope = withVariables(this.#base, types);
  }

  /** For expressions that may not refer to variables: match conditions. */
  get conditionScope(): Environment {
    return this.#base;
  }

  compile(expression: string, returns: Returns): Program | CompileProblem {
    const compiled = compileWithMessages(this.#scope, expression, this.#messages);
    if ('problem' in compiled || accepts(returns, compiled.type)) return compiled;
    const found = printedType(compiled.type);
    const [only, ...more] = returns;
    return { problem: more.length === 0 ? `must evaluate to ${only} but got ${found}` : `must evaluate to one of [${returns.join(' ')}]` };
  }

  /** `inputs` with `variables`: each is evaluated when it is first read, once, and remembered whatever comes of it. */
  withVariables(inputs: object): Record<string, unknown> {
    const all = Object.create(inputs) as Record<string, unknown>;
    const values = new Variables() as Record<string, unknown>;
    for (const [name, compiled] of this.#variables) {
      const value = once(() => evaluateVariable(name, compiled, all));
      Object.defineProperty(values, name, { enumerable: true, get: value });
    }
    all['variables'] = values;
    return all;
  }
}

/** What mutations construct: parts of the object, and operations of patches. */
function mutationTypes(typeName: string): readonly string[] | true | undefined {
  if (typeName === 'JSONPatch') return jsonPatchFields;
  return typeName === 'Object' || typeName.startsWith('Object.') ? true : undefined;
}

/** What every expression of a policy sees, but for its variables. */
export function policyEnvironment(hasParams: boolean, types: DeclaredTypes = {}): Environment {
  const env = admissionEnvironment(types.object).registerVariable('namespaceObject', 'dyn');
  return hasParams ? env.registerVariable('params', types.params?.(env) ?? 'dyn') : env;
}

/** Declare the types of objects where they are known, and give their names. */
export interface DeclaredTypes {
  object?: (env: Environment) => string;
  params?: (env: Environment) => string;
}

const VARIABLES = 'kubernetes.variables';
const Variables = declaredClass(VARIABLES);

function withVariables(env: Environment, types: Readonly<Record<string, string>>): Environment {
  if (Object.keys(types).length === 0) return env;
  return env
    .clone()
    .registerType(VARIABLES, { ctor: Variables, fields: { ...types } })
    .registerVariable('variables', VARIABLES);
}

/** What the library has left open, and what is null for now, is checked when it is used. */
function fieldType(type: string): string {
  return /\b[A-Z]\b|^(?:null|type)$|\bdyn</.test(type) ? 'dyn' : type;
}

function evaluateVariable(name: string, compiled: Program | CompileProblem, inputs: Record<string, unknown>): unknown {
  if ('problem' in compiled) throw new Error(`composited variable ${JSON.stringify(name)} fails to compile: ${compiled.problem}`);
  try {
    return compiled.run(inputs);
  } catch (error) {
    throw new Error(`composited variable ${JSON.stringify(name)} fails to evaluate: ${messageOf(error)}`, { cause: error });
  }
}

function once<T>(make: () => T): () => T {
  let outcome: { value: T } | { error: unknown } | undefined;
  return () => {
    outcome ??= attempt(make);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  };
}

function attempt<T>(make: () => T): { value: T } | { error: unknown } {
  try {
    return { value: make() };
  } catch (error) {
    return { error };
  }
}

/** The library infers less than cel-go: what it calls dyn is looked at when it was evaluated. */
function accepts(returns: Returns, type: string): boolean {
  const printed = printedType(type);
  return (
    returns.some(
      (wanted) => wanted === 'any' || wanted === printed || (wanted === 'list(JSONPatch)' && /^list(\((dyn|[A-Z])\))?$/.test(printed)),
    ) || printed === 'dyn'
  );
}

function printedType(type: string): string {
  return type === 'null' ? 'null_type' : type.replaceAll('<', '(').replaceAll('>', ')');
}

/** The outcome of one expression in upstream's words. */
export function evaluate(
  expression: string,
  compiled: Program | CompileProblem,
  inputs: Record<string, unknown>,
): { value: unknown } | { error: string } {
  if ('problem' in compiled) return { error: `compilation error: ${compiled.problem}` };
  try {
    return { value: compiled.run(inputs) };
  } catch (error) {
    return { error: `expression '${expression}' resulted in error: ${messageOf(error)}` };
  }
}
