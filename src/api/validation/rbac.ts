/** Roles and their bindings. */
import { semanticEqual } from '../patch/json.ts';
import type { ClusterRole, PolicyRule, Role, RoleBinding } from '../types.gen.ts';
import { checkSelector } from './scheduling.ts';
import { dns1123SubdomainProblems, pathSegmentProblems } from './names.ts';
import type { Problems } from './problems.ts';

const GROUP = 'rbac.authorization.k8s.io';

export function checkRole(problems: Problems, { rules }: Role): void {
  for (const [index, rule] of (rules ?? []).entries()) checkRule(problems, `rules[${index}]`, rule, true);
}

export function checkClusterRole(problems: Problems, { rules, aggregationRule }: ClusterRole): void {
  for (const [index, rule] of (rules ?? []).entries()) checkRule(problems, `rules[${index}]`, rule, false);
  if (!aggregationRule) return;
  if (!aggregationRule.clusterRoleSelectors?.length)
    problems.required('aggregationRule.clusterRoleSelectors', 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  for (const [index, selector] of (aggregationRule.clusterRoleSelectors ?? []).entries())
    checkSelector(problems, `aggregationRule.clusterRoleSelectors[${index}]`, selector);
}

function checkRule(problems: Problems, path: string, rule: PolicyRule, namespaced: boolean): void {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  if (!verbs?.length) problems.required(`${path}.verbs`, 'verbs must contain at least one value');
  if (nonResourceURLs?.length) {
    if (namespaced) problems.invalid(`${path}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups?.length || resources?.length || resourceNames?.length)
      problems.invalid(`${path}.nonResourceURLs`, nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs');
    return;
  }
  if (!apiGroups?.length) problems.required(`${path}.apiGroups`, 'resource rules must supply at least one api group');
  if (!resources?.length) problems.required(`${path}.resources`, 'resource rules must supply at least one resource');
}

/** Namespaced bindings may refer to either kind of role, cluster-wide ones to cluster roles only. */
export function checkBinding(roleKinds: readonly string[]): (problems: Problems, binding: RoleBinding) => void {
  return (problems, { roleRef, subjects }) => {
    if (roleRef?.apiGroup !== GROUP) problems.unsupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [GROUP]);
    if (!roleKinds.includes(roleRef?.kind ?? '')) problems.unsupported('roleRef.kind', roleRef?.kind ?? '', roleKinds);
    if (!roleRef?.name) problems.required('roleRef.name');
    else problems.invalidEach('roleRef.name', roleRef.name, pathSegmentProblems(roleRef.name));
    for (const [index, subject] of (subjects ?? []).entries()) checkSubject(problems, `subjects[${index}]`, subject);
  };
}

type Subject = NonNullable<RoleBinding['subjects']>[number];

function checkSubject(problems: Problems, path: string, { kind, name, namespace, apiGroup }: Subject): void {
  if (!name) problems.required(`${path}.name`);
  switch (kind) {
    case 'ServiceAccount':
      if (name) problems.invalidEach(`${path}.name`, name, dns1123SubdomainProblems(name));
      if (apiGroup) problems.unsupported(`${path}.apiGroup`, apiGroup, ['']);
      if (!namespace) problems.required(`${path}.namespace`);
      return;
    case 'User':
    case 'Group':
      if (apiGroup !== GROUP) problems.unsupported(`${path}.apiGroup`, apiGroup ?? '', [GROUP]);
      return;
    default:
      problems.unsupported(`${path}.kind`, kind, ['Group', 'ServiceAccount', 'User']);
  }
}

/** A binding that changed its role would hand it to all its subjects unseen. */
export function checkBindingUpdate(problems: Problems, { roleRef }: RoleBinding, old: RoleBinding): void {
  if (!semanticEqual(roleRef, old.roleRef)) problems.invalid('roleRef', roleRef, 'cannot change roleRef');
}
