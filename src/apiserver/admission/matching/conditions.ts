/** matchConditions of webhooks and policies (KEP-3716): compiled when they are first needed. */
import { compileExpression } from '../../../api/crd/cel/rules.ts';
import type { FieldError } from '../../../api/status.ts';
import type { MatchCondition } from '../../../api/types.gen.ts';
import { admissionEnvironment } from './cel-request.ts';

/**
 * `false` when one condition is false, whatever the others are: then nothing is called. An Error when none is false and some could not be
 * evaluated: the failure policy decides.
 */
export type ConditionOutcome = boolean | Error;

export interface MatchConditions {
  evaluate(variables: Record<string, unknown>): ConditionOutcome;
}

/** `env` knows the variables beyond those of `admissionEnvironment`, where there are more. */
export function compileConditions(conditions: readonly MatchCondition[], env = admissionEnvironment()): MatchConditions {
  const compiled = conditions.map(({ expression }) => {
    let problem = '';
    const run = compileExpression(env, expression, 'bool', (message) => (problem = message));
    return { expression, run, problem };
  });
  return {
    evaluate(variables) {
      const errors: string[] = [];
      for (const { expression, run, problem } of compiled) {
        if (!run) {
          errors.push(`compilation error: ${problem}`);
          continue;
        }
        try {
          if (run(variables) !== true) return false;
        } catch (error) {
          errors.push(`expression '${expression}' resulted in error: ${messageOf(error)}`);
        }
      }
      if (errors.length === 0) return true;
      return new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
    },
  };
}

/** cel-go's words for what the library says at length. */
export function messageOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  return text.replace(/^No such key/, 'no such key');
}

/** What validation says of expressions that do not compile, `skip` aside. */
export function conditionProblems(
  path: string,
  conditions: readonly MatchCondition[],
  skip: (condition: MatchCondition) => boolean,
  env = admissionEnvironment(),
): FieldError[] {
  const found: FieldError[] = [];
  for (const [index, condition] of conditions.entries()) {
    if (skip(condition)) continue;
    const { expression } = condition;
    const report = (why: string): void => {
      const message = `Invalid value: ${JSON.stringify(expression)}: ${why}`;
      found.push({ field: `${path}[${index}].expression`, type: 'FieldValueInvalid', message });
    };
    compileExpression(env, expression, 'bool', report);
  }
  return found;
}
