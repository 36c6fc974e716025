/** Why RBAC allows something: the first binding that gives it, in upstream's words. Looked up for reviews and the audit log only. */
import type { ClusterRoleBinding, PolicyRule, RbacV1Subject, RoleBinding, RoleRef } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes } from '../contract.ts';
import { RuleSet } from './rules.ts';

export interface BindingSource {
  clusterBindings(): readonly ClusterRoleBinding[];
  /** Of one namespace. */
  bindings(namespace: string): readonly RoleBinding[];
  resolve(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined;
}

/** Empty when no binding gives it. */
export function explainAllowed(source: BindingSource, { user, info }: Attributes): string {
  const look = ({ subjects = [], roleRef }: RoleBinding | ClusterRoleBinding, namespace: string): RbacV1Subject | undefined => {
    const subject = subjects.find((each) => appliesTo(each, user, namespace));
    const rules = subject && source.resolve(roleRef, namespace);
    return rules && new RuleSet(rules).allows(info) ? subject : undefined;
  };
  for (const binding of source.clusterBindings()) {
    const subject = look(binding, '');
    if (subject) return because(`ClusterRoleBinding ${JSON.stringify(binding.metadata.name)}`, binding.roleRef, subject, '');
  }
  const { namespace } = info;
  for (const binding of namespace === '' ? [] : source.bindings(namespace)) {
    const subject = look(binding, namespace);
    if (subject)
      return because(`RoleBinding ${JSON.stringify(`${binding.metadata.name}/${namespace}`)}`, binding.roleRef, subject, namespace);
  }
  return '';
}

function appliesTo({ kind, name, namespace }: RbacV1Subject, user: UserInfo, bindingNamespace: string): boolean {
  if (kind === 'User') return user.name === name;
  if (kind === 'Group') return user.groups.includes(name);
  return user.name === `system:serviceaccount:${namespace ?? bindingNamespace}:${name}`;
}

function because(binding: string, { kind, name }: RoleRef, subject: RbacV1Subject, bindingNamespace: string): string {
  const full = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? bindingNamespace}` : subject.name;
  return `RBAC: allowed by ${binding} of ${kind} ${JSON.stringify(name)} to ${subject.kind} ${JSON.stringify(full)}`;
}
