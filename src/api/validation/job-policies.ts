/** When pods of a Job fail or succeed: indexes, failure policies (KEP-3329, KEP-3850), success policies (KEP-3998). */
import type { JobSpec, PodFailurePolicyRule } from '../types.gen.ts';
import { qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const MAX_RULES = 20;
const MAX_PATTERNS = 20;
const MAX_EXIT_CODES = 255;
const MAX_INDEXED = 100_000;
const MAX_INDEXES_TEXT = 64 * 1024;
const LIST_RANGE = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

export function checkJobPolicies(problems: Problems, path: string, spec: JobSpec): void {
  checkIndexes(problems, path, spec);
  checkReplacement(problems, path, spec);
  if (spec.podFailurePolicy) checkFailurePolicy(problems, path, spec);
  if (spec.successPolicy) checkSuccessPolicy(problems, path, spec);
  if (spec.managedBy !== undefined && !spec.managedBy.includes('/'))
    problems.invalid(`${path}.managedBy`, spec.managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")');
}

function checkIndexes(problems: Problems, path: string, spec: JobSpec): void {
  const { completionMode, completions, parallelism, maxFailedIndexes, backoffLimitPerIndex } = spec;
  problems.nonNegative(`${path}.maxFailedIndexes`, maxFailedIndexes);
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    problems.required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
  if (completionMode !== 'Indexed') {
    if (backoffLimitPerIndex !== undefined)
      problems.invalid(`${path}.backoffLimitPerIndex`, backoffLimitPerIndex, 'requires indexed completion mode');
    if (maxFailedIndexes !== undefined) problems.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'requires indexed completion mode');
    return;
  }
  if (parallelism !== undefined && parallelism > MAX_INDEXED)
    problems.invalid(`${path}.parallelism`, parallelism, `must be less than or equal to ${MAX_INDEXED} when completion mode is Indexed`);
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    problems.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions');
  if (maxFailedIndexes !== undefined && maxFailedIndexes > MAX_INDEXED)
    problems.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, `must be less than or equal to ${MAX_INDEXED}`);
}

function checkReplacement(problems: Problems, path: string, { podReplacementPolicy: policy, podFailurePolicy }: JobSpec): void {
  if (policy === undefined) return;
  const supported = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (!supported.includes(policy)) problems.unsupported(`${path}.podReplacementPolicy`, policy, supported);
}

function checkFailurePolicy(problems: Problems, path: string, spec: JobSpec): void {
  const restart = spec.template?.spec?.restartPolicy;
  if (restart !== 'Never')
    problems.invalid(`${path}.template.spec.restartPolicy`, restart ?? '', 'only "Never" is supported when podFailurePolicy is specified');
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > MAX_RULES) problems.tooMany(`${path}.podFailurePolicy.rules`, rules.length, MAX_RULES);
  const containers = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])];
  const names = new Set(containers.map(({ name }) => name));
  for (const [index, rule] of rules.entries()) checkRule(problems, `${path}.podFailurePolicy.rules[${index}]`, rule, { spec, names });
}

function checkRule(
  problems: Problems,
  path: string,
  { action, onExitCodes, onPodConditions = [] }: PodFailurePolicyRule,
  { spec, names }: { spec: JobSpec; names: ReadonlySet<string> },
): void {
  if (!action) problems.required(`${path}.action`, `valid values: [${ACTIONS.map((each) => JSON.stringify(each)).join(' ')}]`);
  else if (!ACTIONS.includes(action)) problems.unsupported(`${path}.action`, action, ACTIONS);
  else if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    problems.invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set');
  if (!onExitCodes && onPodConditions.length === 0)
    problems.invalidWhole(path, 'specifying one of OnExitCodes and OnPodConditions is required');
  if (onExitCodes && onPodConditions.length > 0)
    problems.invalidWhole(path, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (onExitCodes) checkExitCodes(problems, `${path}.onExitCodes`, onExitCodes, names);
  if (onPodConditions.length > MAX_PATTERNS) problems.tooMany(`${path}.onPodConditions`, onPodConditions.length, MAX_PATTERNS);
  for (const [index, { type, status }] of onPodConditions.entries()) {
    const at = `${path}.onPodConditions[${index}]`;
    problems.invalidEach(`${at}.type`, type, qualifiedNameProblems(type));
    if (!['False', 'True', 'Unknown'].includes(status ?? ''))
      problems.unsupported(`${at}.status`, status ?? '', ['False', 'True', 'Unknown']);
  }
}

function checkExitCodes(
  problems: Problems,
  path: string,
  { containerName, operator, values = [] }: Partial<NonNullable<PodFailurePolicyRule['onExitCodes']>>,
  names: ReadonlySet<string>,
): void {
  if (!operator) problems.required(`${path}.operator`, 'valid values: ["In" "NotIn"]');
  else if (operator !== 'In' && operator !== 'NotIn') problems.unsupported(`${path}.operator`, operator, ['In', 'NotIn']);
  if (containerName !== undefined && !names.has(containerName))
    problems.invalid(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template');
  if (values.length === 0) problems.invalid(`${path}.values`, values, 'at least one value is required');
  else if (values.length > MAX_EXIT_CODES) problems.tooMany(`${path}.values`, values.length, MAX_EXIT_CODES);
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0) problems.invalid(`${path}.values[${index}]`, value, 'must not be 0 for the In operator');
    if (values.indexOf(value) < index) problems.duplicate(`${path}.values[${index}]`, value);
    else if (index > 0 && values[index - 1]! > value) problems.invalid(`${path}.values`, values, 'must be ordered');
  }
}

function checkSuccessPolicy(problems: Problems, path: string, spec: JobSpec): void {
  const at = `${path}.successPolicy.rules`;
  if (spec.completionMode !== 'Indexed') problems.invalid(`${path}.successPolicy`, spec.successPolicy, 'requires indexed completion mode');
  const rules = spec.successPolicy?.rules ?? [];
  if (rules.length === 0) problems.required(at, 'at least one rules must be specified');
  if (rules.length > MAX_RULES) problems.tooMany(at, rules.length, MAX_RULES);
  for (const [index, { succeededCount, succeededIndexes }] of rules.entries()) {
    const rule = `${at}[${index}]`;
    if (succeededCount === undefined && succeededIndexes === undefined)
      problems.required(rule, 'at least one of succeededCount or succeededIndexes must be specified');
    if (succeededIndexes !== undefined && succeededIndexes.length > MAX_INDEXES_TEXT)
      problems.tooLong(`${rule}.succeededIndexes`, MAX_INDEXES_TEXT);
    else if (succeededIndexes !== undefined && !LIST_RANGE.test(succeededIndexes))
      problems.invalid(
        `${rule}.succeededIndexes`,
        succeededIndexes,
        'error parsing succeededIndexes: cannot convert string to integer for index',
      );
    if (succeededCount === undefined) continue;
    problems.nonNegative(`${rule}.succeededCount`, succeededCount);
    if (spec.completions !== undefined && succeededCount > spec.completions)
      problems.invalid(
        `${rule}.succeededCount`,
        succeededCount,
        `must be less than or equal to ${spec.completions} (the number of specified completions)`,
      );
  }
}
