/** Whether MatchResources and their rules are valid (upstream's admissionregistration validation). */
import { checkSelector } from '../../../api/validation/scheduling.ts';
import { checkRule } from '../../../api/validation/admission-rules.ts';
import { pathSegmentProblems } from '../../../api/validation/names.ts';
import type { Problems } from '../../../api/validation/problems.ts';
import type { MatchResources, NamedRuleWithOperations } from '../../../api/types.gen.ts';

const MATCH_POLICIES = ['Equivalent', 'Exact'];

export function checkMatchResources(problems: Problems, path: string, resources: MatchResources): void {
  problems.oneOf(`${path}.matchPolicy`, resources.matchPolicy, MATCH_POLICIES);
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (resources[field]) checkSelector(problems, `${path}.${field}`, resources[field]);
    else problems.required(`${path}.${field}`);
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [index, rule] of (resources[field] ?? []).entries()) checkNamedRule(problems, `${path}.${field}[${index}]`, rule);
}

function checkNamedRule(problems: Problems, path: string, rule: NamedRuleWithOperations): void {
  const seen = new Set<string>();
  for (const [index, name] of (rule.resourceNames ?? []).entries()) {
    const at = `${path}.resourceNames[${index}]`;
    problems.invalidEach(at, name, pathSegmentProblems(name));
    if (seen.has(name)) problems.duplicate(at, name);
    seen.add(name);
  }
  checkRule(problems, path, rule);
}
