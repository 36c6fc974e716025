/** x-kubernetes-validations (KEP-2876): compiled once a schema, run after the schema's own validation. */
import type { Environment } from '@marcbachmann/cel-js';
import type { KubeObject } from '../../meta.ts';
import { deepEqual, isRecord } from '../../patch/json.ts';
import type { FieldError } from '../../status.ts';
import type { JSONSchemaProps, ValidationRule } from '../../types.gen.ts';
import { child } from '../findings.ts';
import { correlated } from '../validate.ts';
import { Budget, BUDGET_EXCEEDED, CALL_COST_EXCEEDED } from './budget.ts';
import { kubernetesEnvironment } from './environment.ts';
import { compileProgram } from './program.ts';
import { declareTypes, type CelType } from './types.ts';
import { optionalOf } from './values.ts';

export type RuleChecker = (object: KubeObject, old: KubeObject | undefined) => FieldError[];

/** Runs the rules of a schema, which are compiled when they are first needed. Rules that do not compile have been refused before. */
export function ruleChecker(root: JSONSchemaProps): RuleChecker {
  if (!hasRules(root)) return () => [];
  let compiled: ReadonlyMap<JSONSchemaProps, NodeRules> | undefined;
  return (object, old) => {
    compiled ??= compileRules(root).rules;
    const run = new Run(compiled);
    run.budget.paying(() => run.visit({ value: object, old, path: '' }, root));
    return run.findings;
  };
}

/** What cannot be compiled: the node's path below the schema, the rule's index, and why. */
export interface RuleProblem {
  node: JSONSchemaProps;
  index: number;
  field: 'rule' | 'messageExpression';
  text: string;
  message: string;
}

interface NodeRules {
  type: CelType;
  rules: readonly Compiled[];
}

interface Compiled {
  rule: ValidationRule;
  isTransition: boolean;
  run: (variables: Record<string, unknown>) => unknown;
  message?: (variables: Record<string, unknown>) => unknown;
}

interface CompiledSchema {
  rules: ReadonlyMap<JSONSchemaProps, NodeRules>;
  problems: readonly RuleProblem[];
}

const compiledSchemas = new WeakMap<JSONSchemaProps, CompiledSchema>();

/** Compiles every rule; the problems are told, and what has none is returned. Once a schema: it must not change. */
export function compileRules(root: JSONSchemaProps): CompiledSchema {
  let compiled = compiledSchemas.get(root);
  if (!compiled) compiledSchemas.set(root, (compiled = compileAll(root)));
  return compiled;
}

function compileAll(root: JSONSchemaProps): CompiledSchema {
  const env = kubernetesEnvironment();
  const typeOf = declareTypes(env, root);
  const rules = new Map<JSONSchemaProps, NodeRules>();
  const problems: RuleProblem[] = [];
  for (const node of nodesWithRules(root)) {
    const type = typeOf(node);
    const found = node['x-kubernetes-validations']!.flatMap((rule, index) => {
      const scope = env.clone().registerVariable('self', type.name);
      scope.registerVariable('oldSelf', rule.optionalOldSelf ? `optional<${type.name}>` : type.name);
      return compile(scope, rule, (field, message) => problems.push({ node, index, field, text: rule[field]!, message })) ?? [];
    });
    rules.set(node, { type, rules: found });
  }
  return { rules, problems };
}

function compile(
  scope: Environment,
  rule: ValidationRule,
  report: (field: RuleProblem['field'], message: string) => void,
): Compiled | undefined {
  const run = compileExpression(scope, rule.rule, 'bool', (message) => report('rule', message));
  const message =
    rule.messageExpression === undefined
      ? undefined
      : compileExpression(scope, rule.messageExpression, 'string', (text) => report('messageExpression', text));
  return run && { rule, isTransition: /\boldSelf\b/.test(rule.rule), run, ...(message ? { message } : {}) };
}

/** A function from variables to the value; undefined when it does not compile to the type expected, which `report` is told in upstream's words. */
export function compileExpression(
  scope: Environment,
  text: string,
  expected: string,
  report: (message: string) => void,
): ((variables: Record<string, unknown>) => unknown) | undefined {
  const compiled = compileProgram(scope, text);
  if ('problem' in compiled) {
    report(compiled.problem);
    return undefined;
  }
  const { type } = compiled;
  if (type !== expected && type !== 'dyn') {
    report(expected === 'bool' ? 'cel expression must evaluate to a bool' : 'messageExpression must evaluate to a string');
    return undefined;
  }
  return (variables) => compiled.run(variables);
}

const rulesBelow = new WeakMap<JSONSchemaProps, boolean>();

function hasRules(node: JSONSchemaProps): boolean {
  let known = rulesBelow.get(node);
  if (known === undefined) {
    known = (node['x-kubernetes-validations']?.length ?? 0) > 0 || below(node).some(hasRules);
    rulesBelow.set(node, known);
  }
  return known;
}

function below({ properties, items, additionalProperties }: JSONSchemaProps): JSONSchemaProps[] {
  return [
    ...Object.values(properties ?? {}),
    ...[items, additionalProperties].filter((inner): inner is JSONSchemaProps => isRecord(inner)),
  ];
}

function nodesWithRules(node: JSONSchemaProps): JSONSchemaProps[] {
  if (!hasRules(node)) return [];
  return [...(node['x-kubernetes-validations']?.length ? [node] : []), ...below(node).flatMap(nodesWithRules)];
}

interface Place {
  value: unknown;
  old: unknown;
  path: string;
}

/** One walk over an object, with what stood at each place before. */
class Run {
  readonly findings: FieldError[] = [];
  readonly budget = new Budget();
  /** A rule cost too much: none is run after it. */
  #isOver = false;
  readonly #compiled: ReadonlyMap<JSONSchemaProps, NodeRules>;

  constructor(compiled: ReadonlyMap<JSONSchemaProps, NodeRules>) {
    this.#compiled = compiled;
  }

  visit(place: Place, node: JSONSchemaProps): void {
    const { value, old, path } = place;
    if (this.#isOver || value === undefined || value === null || !hasRules(node)) return;
    // What an update leaves as it was is not judged again (KEP-4008).
    if (old !== undefined && deepEqual(value, old)) return;
    this.#rules(place, node);
    if (Array.isArray(value)) {
      const before = correlated(old, node);
      for (const [index, item] of value.entries())
        this.visit({ value: item, old: before(item), path: `${path}[${index}]` }, node.items as JSONSchemaProps);
    } else if (isRecord(value)) {
      const past = isRecord(old) ? old : {};
      for (const name in value) {
        const inner = node.properties?.[name] ?? (isRecord(node.additionalProperties) ? node.additionalProperties : undefined);
        if (!inner) continue;
        this.visit({ value: value[name], old: past[name], path: node.properties?.[name] ? child(path, name) : `${path}[${name}]` }, inner);
      }
    }
  }

  #rules({ value, old, path }: Place, node: JSONSchemaProps): void {
    const own = this.#compiled.get(node);
    if (!own) return;
    const self = own.type.convert(value);
    const oldSelf = old === undefined || old === null ? undefined : own.type.convert(old);
    for (const compiled of own.rules) {
      const { rule, isTransition } = compiled;
      if (isTransition && oldSelf === undefined && !rule.optionalOldSelf) continue;
      const message = failure(compiled, { self, oldSelf: rule.optionalOldSelf ? optionalOf(oldSelf) : oldSelf });
      if (message !== undefined) this.findings.push(finding(rule, path, node, message));
      if (this.#isOverdrawn(message, path)) return;
    }
  }

  #isOverdrawn(message: string | undefined, path: string): boolean {
    this.#isOver = message?.includes(CALL_COST_EXCEEDED) === true;
    if (!this.#isOver && this.budget.isSpent) {
      this.#isOver = true;
      this.findings.push({ field: path || '<nil>', type: 'FieldValueInvalid', message: `Invalid value: ${BUDGET_EXCEEDED}` });
    }
    return this.#isOver;
  }
}

/** What a rule that does not hold says; undefined when it holds. */
function failure({ rule, run, message }: Compiled, variables: Record<string, unknown>): string | undefined {
  try {
    if (run(variables) === true) return undefined;
  } catch (error) {
    const text = errorText(error);
    return text === CALL_COST_EXCEEDED
      ? `'${text}': no further validation rules will be run due to call cost exceeds limit for rule: ${rule.rule}`
      : `${text} evaluating rule: ${rule.rule}`;
  }
  return expressed(message, variables) ?? rule.message ?? `failed rule: ${rule.rule.trim()}`;
}

/** A message expression that fails, or says nothing, leaves the word to `message` (KEP-2876). */
function expressed(message: Compiled['message'], variables: Record<string, unknown>): string | undefined {
  if (!message) return undefined;
  try {
    const text = message(variables);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : undefined;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function errorText(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  return text.replace(/^No such key/, 'no such key');
}

function finding(rule: ValidationRule, path: string, node: JSONSchemaProps, message: string): FieldError {
  const field = rule.fieldPath ? (path + rule.fieldPath).replace(/^\./, '') : path || '<nil>';
  const type = JSON.stringify(node.type ?? 'object');
  switch (rule.reason) {
    case 'FieldValueRequired':
      return { field, type: 'FieldValueRequired', message: `Required value: ${message}` };
    case 'FieldValueForbidden':
      return { field, type: 'FieldValueForbidden', message: `Forbidden: ${message}` };
    case 'FieldValueDuplicate':
      return { field, type: 'FieldValueDuplicate', message: `Duplicate value: ${type}` };
    default:
      return { field, type: 'FieldValueInvalid', message: `Invalid value: ${type}: ${message}` };
  }
}
