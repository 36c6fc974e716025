/**
 * Nobody grants what they do not hold: checks on writes of roles and bindings, unless the verbs `escalate` or `bind` allow it.
 * Rules: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/meta.ts';
import { notFound } from '../../api/status.ts';
import type { PolicyRule, RoleRef } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { AdmissionPlugin, AdmissionRequest, RequestInfo } from '../contract.ts';
import { forbidden } from './forbidden.ts';
import type { RbacAuthorizer } from './rbac.ts';
import { compact, describeRule, uncovered } from './rules.ts';

const GROUP = 'rbac.authorization.k8s.io';

export function rbacEscalation(authorizer: RbacAuthorizer): AdmissionPlugin {
  return {
    name: 'RBACEscalation',
    validate(request) {
      if (request.resource.group !== GROUP || !request.object || request.subresource) return;
      if (request.user.groups.includes('system:masters')) return;
      const { resource } = request.resource;
      if (resource === 'roles' || resource === 'clusterroles') checkRole(authorizer, request, request.object);
      else if (resource === 'rolebindings' || resource === 'clusterrolebindings') checkBinding(authorizer, request, request.object);
    },
  };
}

function checkRole(authorizer: RbacAuthorizer, request: AdmissionRequest, role: KubeObject): void {
  const { user, namespace, name } = request;
  const { resource } = request.resource;
  if (unchanged(request, ['rules', 'aggregationRule'])) return;
  if (holds(authorizer, user, { verb: 'escalate', resource, namespace, name })) return;
  if (role['aggregationRule'] && uncovered(FULL_AUTHORITY, authorizer.rules(user, '')).length > 0) {
    throw forbidden(resource, GROUP, name, 'must have cluster-admin privileges to use an aggregationRule');
  }
  confirmHeld(authorizer, request, (role['rules'] ?? []) as PolicyRule[]);
}

function checkBinding(authorizer: RbacAuthorizer, request: AdmissionRequest, binding: KubeObject): void {
  const { user, namespace } = request;
  const ref = binding['roleRef'] as RoleRef;
  if (unchanged(request, ['subjects', 'roleRef'])) return;
  const resource = ref.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (holds(authorizer, user, { verb: 'bind', resource, namespace, name: ref.name })) return;
  const rules = authorizer.resolve(ref, namespace);
  if (!rules) throw notFound(resource, GROUP, ref.name);
  confirmHeld(authorizer, request, rules);
}

const FULL_AUTHORITY: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

function unchanged({ operation, object, oldObject }: AdmissionRequest, fields: readonly string[]): boolean {
  return operation === 'UPDATE' && fields.every((field) => isDeepStrictEqual(object?.[field], oldObject?.[field]));
}

function holds(authorizer: RbacAuthorizer, user: UserInfo, target: Pick<RequestInfo, 'verb' | 'resource' | 'namespace' | 'name'>): boolean {
  const info: RequestInfo = { isResourceRequest: true, path: '', group: GROUP, version: '*', subresource: '', parts: [], ...target };
  return authorizer.authorize({ user, info }).allowed;
}

function confirmHeld(
  authorizer: RbacAuthorizer,
  { user, namespace, name, resource }: AdmissionRequest,
  wanted: readonly PolicyRule[],
): void {
  const missing = compact(uncovered(wanted, authorizer.rules(user, namespace)));
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
  const list = missing.map(describeRule).toSorted().join('\n');
  throw forbidden(
    resource.resource,
    GROUP,
    name,
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`,
  );
}
