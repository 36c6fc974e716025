/** What webhooks and admission policies have in common: their rules and the outside of their match conditions. */
import type { MatchCondition, NamedRuleWithOperations } from '../types.gen.ts';
import { qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';

const OPERATIONS: readonly string[] = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES: readonly string[] = ['*', 'Cluster', 'Namespaced'];
const MAX_CONDITIONS = 64;

/** A RuleWithOperations. */
export function checkRule(problems: Problems, path: string, rule: NamedRuleWithOperations): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  checkWildcard(problems, `${path}.operations`, operations, 'operations');
  for (const [index, operation] of operations.entries())
    if (!OPERATIONS.includes(operation)) problems.unsupported(`${path}.operations[${index}]`, operation, OPERATIONS);
  checkWildcard(problems, `${path}.apiGroups`, apiGroups, 'API groups');
  checkWildcard(problems, `${path}.apiVersions`, apiVersions, 'API versions');
  for (const [index, version] of apiVersions.entries()) if (version === '') problems.required(`${path}.apiVersions[${index}]`);
  checkResources(problems, `${path}.resources`, resources);
  if (scope !== undefined && !SCOPES.includes(scope)) problems.unsupported(`${path}.scope`, scope, SCOPES);
}

function checkWildcard(problems: Problems, path: string, values: readonly string[], what: string): void {
  if (values.length === 0) problems.required(path);
  else if (values.length > 1 && values.includes('*')) problems.invalid(path, values, `if '*' is present, must not specify other ${what}`);
}

/** `pods`, `pods/log`, or with a star in place of either name; a star leaves no room for what it stands for. */
function checkResources(problems: Problems, path: string, resources: readonly string[]): void {
  if (resources.length === 0) problems.required(path);
  const starred = new Set<string>();
  for (const [index, resource] of resources.entries()) {
    if (resource === '') problems.required(`${path}[${index}]`);
    const slash = resource.indexOf('/');
    if (slash < 0) continue;
    const [main, sub] = [resource.slice(0, slash), resource.slice(slash + 1)];
    for (const general of [`${main}/*`, `*/${sub}`])
      if (starred.has(general)) problems.invalid(`${path}[${index}]`, resource, `if '${general}' is present, must not specify ${resource}`);
    if (main === '*' || sub === '*') starred.add(resource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    problems.invalid(path, resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && resources.some((resource) => resource !== '*' && !resource.includes('/')))
    problems.invalid(path, resources, "if '*' is present, must not specify other resources without subresources");
}

/** Number and names; whether the expressions compile is looked at in admission, where the CEL library is. */
export function checkMatchConditions(problems: Problems, path: string, conditions: readonly MatchCondition[] = []): void {
  if (conditions.length > MAX_CONDITIONS) problems.tooMany(path, conditions.length, MAX_CONDITIONS);
  const seen = new Set<string>();
  for (const [index, { name, expression }] of conditions.entries()) {
    const at = `${path}[${index}]`;
    if (!expression?.trim()) problems.required(`${at}.expression`);
    if (!name) {
      problems.required(`${at}.name`);
      continue;
    }
    problems.invalidEach(`${at}.name`, name, qualifiedNameProblems(name));
    if (seen.has(name)) problems.duplicate(`${at}.name`, name);
    seen.add(name);
  }
}
