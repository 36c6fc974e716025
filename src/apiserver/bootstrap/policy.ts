/** The short forms in which the default roles and bindings are written down. Upstream sorts what a rule lists; so does this. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacV1Subject, Role, RoleBinding } from '../../api/types.gen.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';
const API_VERSION = `${RBAC_GROUP}/v1`;

/** Words of a rule, separated by spaces: `allow('get list watch', 'apps', 'deployments replicasets')`. The core group is `core`. */
export function allow(verbs: string, groups: string, resources: string, names?: string): PolicyRule {
  return {
    apiGroups: words(groups)
      .map((group) => (group === 'core' ? '' : group))
      .toSorted(),
    ...(names ? { resourceNames: words(names) } : {}),
    resources: words(resources),
    verbs: words(verbs),
  };
}

export function allowUrls(urls: string): PolicyRule {
  return { nonResourceURLs: words(urls), verbs: ['get'] };
}

export const READ = 'get list watch';
export const WRITE = 'create delete deletecollection patch update';
export const READ_WRITE = `${READ} ${WRITE}`;

/** What every component that reports events may do. */
export const EVENTS: PolicyRule = allow('create patch update', 'core events.k8s.io', 'events');

function words(text: string): string[] {
  return text.split(' ').filter(Boolean).toSorted();
}

const labels = (extra: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  'kubernetes.io/bootstrapping': 'rbac-defaults',
  ...extra,
});
const annotations = (): Record<string, string> => ({ 'rbac.authorization.kubernetes.io/autoupdate': 'true' });

export function clusterRole(name: string, rules: PolicyRule[], extraLabels?: Readonly<Record<string, string>>): ClusterRole {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRole',
    metadata: { name, labels: labels(extraLabels), annotations: annotations() },
    rules,
  };
}

export function role(namespace: string, name: string, rules: PolicyRule[]): Role {
  return { apiVersion: API_VERSION, kind: 'Role', metadata: { name, namespace, labels: labels(), annotations: annotations() }, rules };
}

/** Binds the ClusterRole of the same name, unless `roleName` says another. */
export function clusterRoleBinding(name: string, subjects: RbacV1Subject[], roleName = name): ClusterRoleBinding {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: labels(), annotations: annotations() },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: roleName },
    ...(subjects.length > 0 ? { subjects } : {}),
  };
}

export function roleBinding(namespace: string, name: string, subjects: RbacV1Subject[], roleName = name): RoleBinding {
  return {
    apiVersion: API_VERSION,
    kind: 'RoleBinding',
    metadata: { name, namespace, labels: labels(), annotations: annotations() },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: roleName },
    subjects,
  };
}

export const user = (name: string): RbacV1Subject => ({ apiGroup: RBAC_GROUP, kind: 'User', name });
export const group = (name: string): RbacV1Subject => ({ apiGroup: RBAC_GROUP, kind: 'Group', name });
export const account = (name: string, namespace = 'kube-system'): RbacV1Subject => ({ kind: 'ServiceAccount', name, namespace });
