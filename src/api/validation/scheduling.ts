/** Where a pod may run: tolerations, affinity, spreading. */
import { checkLabels } from './metadata.ts';
import type {
  Affinity,
  LabelSelector,
  NodeSelector,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from '../types.gen.ts';
import { labelKeyProblems, labelValueProblems } from './names.ts';
import type { Problems } from './problems.ts';

export const TAINT_EFFECTS = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];
const TOLERATION_OPERATORS = ['Equal', 'Exists', 'Gt', 'Lt'];
const NODE_OPERATORS = ['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn'];

export function checkScheduling(problems: Problems, path: string, spec: PodSpec): void {
  checkLabels(problems, `${path}.nodeSelector`, spec.nodeSelector);
  checkTolerations(problems, `${path}.tolerations`, spec.tolerations ?? []);
  if (spec.affinity) checkAffinity(problems, `${path}.affinity`, spec.affinity);
  checkSpreading(problems, `${path}.topologySpreadConstraints`, spec.topologySpreadConstraints ?? []);
}

export function checkTolerations(problems: Problems, path: string, tolerations: readonly Toleration[]): void {
  for (const [index, toleration] of tolerations.entries()) checkToleration(problems, `${path}[${index}]`, toleration);
}

function checkToleration(problems: Problems, path: string, toleration: Toleration): void {
  const { key, operator, value, effect, tolerationSeconds } = toleration;
  if (key) problems.invalidEach(`${path}.key`, key, labelKeyProblems(key));
  else if (operator !== 'Exists')
    problems.invalid(
      `${path}.operator`,
      operator ?? '',
      'operator must be Exists when `key` is empty, which means "match all values and all keys"',
    );
  if (tolerationSeconds !== undefined && effect !== 'NoExecute')
    problems.invalid(`${path}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set");
  if (operator && !TOLERATION_OPERATORS.includes(operator)) problems.unsupported(`${path}.operator`, operator, ['Equal', 'Exists']);
  if (operator === 'Exists' && value) problems.invalid(`${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'");
  if ((!operator || operator === 'Equal') && value) problems.invalidEach(`${path}.operator`, value, labelValueProblems(value));
  if (effect && !TAINT_EFFECTS.includes(effect)) problems.unsupported(`${path}.effect`, effect, TAINT_EFFECTS);
}

export function checkTaints(problems: Problems, path: string, taints: readonly Taint[]): void {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const at = `${path}[${index}]`;
    problems.invalidEach(`${at}.key`, taint.key, labelKeyProblems(taint.key));
    if (taint.value) problems.invalidEach(`${at}.value`, taint.value, labelValueProblems(taint.value));
    problems.oneOf(`${at}.effect`, taint.effect, TAINT_EFFECTS);
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity)) problems.duplicate(at, taint);
    seen.add(identity);
  }
}

/** One that is missing where there must be one counts as a finding. */
export function checkNodeSelector(problems: Problems, path: string, selector: NodeSelector | undefined): void {
  if (!selector) return problems.required(path, 'must specify required node constraints');
  const at = `${path}.nodeSelectorTerms`;
  if (!selector.nodeSelectorTerms?.length) problems.required(at, 'must have at least one node selector term');
  for (const [index, term] of (selector.nodeSelectorTerms ?? []).entries()) checkNodeTerm(problems, `${at}[${index}]`, term);
}

function checkAffinity(problems: Problems, path: string, { nodeAffinity, podAffinity, podAntiAffinity }: Affinity): void {
  const required = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required) checkNodeSelector(problems, `${path}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`, required);
  for (const [index, { weight, preference }] of (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    checkWeight(problems, at, weight);
    checkNodeTerm(problems, `${at}.preference`, preference);
  }
  for (const [name, affinity] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    const requiredAt = `${path}.${name}.requiredDuringSchedulingIgnoredDuringExecution`;
    for (const [index, term] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      checkPodTerm(problems, `${requiredAt}[${index}]`, term);
    for (const [index, { weight, podAffinityTerm }] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at = `${path}.${name}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      checkWeight(problems, at, weight);
      checkPodTerm(problems, `${at}.podAffinityTerm`, podAffinityTerm);
    }
  }
}

function checkWeight(problems: Problems, path: string, weight: number): void {
  if (weight < 1 || weight > 100) problems.invalid(`${path}.weight`, weight, 'must be in the range 1-100');
}

function checkNodeTerm(problems: Problems, path: string, { matchExpressions, matchFields }: NodeSelectorTerm): void {
  for (const [index, { key, operator, values = [] }] of (matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0)
      problems.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
      problems.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    if ((operator === 'Gt' || operator === 'Lt') && values.length !== 1)
      problems.required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
    if (!NODE_OPERATORS.includes(operator)) problems.invalid(`${at}.operator`, operator, 'not a valid selector operator');
    problems.invalidEach(`${at}.key`, key, labelKeyProblems(key));
  }
  for (const [index, { key }] of (matchFields ?? []).entries()) {
    if (key !== 'metadata.name') problems.invalid(`${path}.matchFields[${index}].key`, key, 'not a valid field selector key');
  }
}

function checkPodTerm(problems: Problems, path: string, { topologyKey, labelSelector, namespaceSelector }: PodAffinityTerm): void {
  checkSelector(problems, `${path}.labelSelector`, labelSelector);
  checkSelector(problems, `${path}.namespaceSelector`, namespaceSelector);
  if (!topologyKey) problems.required(`${path}.topologyKey`, 'can not be empty');
  else problems.invalidEach(`${path}.topologyKey`, topologyKey, labelKeyProblems(topologyKey));
}

function checkSpreading(problems: Problems, path: string, constraints: readonly TopologySpreadConstraint[]): void {
  const seen = new Set<string>();
  for (const [index, { maxSkew, topologyKey, whenUnsatisfiable, minDomains, labelSelector }] of constraints.entries()) {
    const at = `${path}[${index}]`;
    if (maxSkew <= 0) problems.invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero');
    if (!topologyKey) problems.required(`${at}.topologyKey`, 'can not be empty');
    if (!['DoNotSchedule', 'ScheduleAnyway'].includes(whenUnsatisfiable))
      problems.unsupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']);
    if (minDomains !== undefined && minDomains <= 0) problems.invalid(`${at}.minDomains`, minDomains, 'must be greater than zero');
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) problems.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair);
    seen.add(pair);
    checkSelector(problems, `${at}.labelSelector`, labelSelector);
  }
}

/** A metav1.LabelSelector (apimachinery's ValidateLabelSelector). */
export function checkSelector(problems: Problems, path: string, selector: LabelSelector | undefined): void {
  checkLabels(problems, `${path}.matchLabels`, selector?.matchLabels);
  for (const [index, { key, operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) problems.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) problems.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
      problems.invalid(`${at}.operator`, operator, 'not a valid selector operator');
    }
    problems.invalidEach(`${at}.key`, key, labelKeyProblems(key));
    for (const [position, value] of values.entries()) problems.invalidEach(`${at}.values[${position}]`, value, labelValueProblems(value));
  }
}
