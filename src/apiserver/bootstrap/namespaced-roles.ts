/** The default Roles and RoleBindings of kube-system and kube-public. */
import type { Role, RoleBinding } from '../../api/types.gen.ts';
import { EVENTS, READ, account, allow, role, roleBinding, user } from './policy.ts';

const SYSTEM = 'kube-system';
const PUBLIC = 'kube-public';
const LOCKED = ['kube-controller-manager', 'kube-scheduler'];

export function namespacedRoles(): Role[] {
  return [
    role(PUBLIC, 'system:controller:bootstrap-signer', [
      allow(READ, 'core', 'configmaps'),
      allow('update', 'core', 'configmaps', 'cluster-info'),
      EVENTS,
    ]),
    role(SYSTEM, 'system:controller:bootstrap-signer', [allow(READ, 'core', 'secrets')]),
    role(SYSTEM, 'system:controller:cloud-provider', [allow('create get list watch', 'core', 'configmaps')]),
    role(SYSTEM, 'system:controller:token-cleaner', [allow('delete get list watch', 'core', 'secrets'), EVENTS]),
    role(SYSTEM, 'extension-apiserver-authentication-reader', [allow(READ, 'core', 'configmaps', 'extension-apiserver-authentication')]),
    ...LOCKED.map((name) =>
      role(SYSTEM, `system::leader-locking-${name}`, [allow('create get list update watch', 'coordination.k8s.io', 'leases')]),
    ),
  ];
}

export function namespacedRoleBindings(): RoleBinding[] {
  return [
    roleBinding(PUBLIC, 'system:controller:bootstrap-signer', [account('bootstrap-signer')]),
    roleBinding(SYSTEM, 'system:controller:bootstrap-signer', [account('bootstrap-signer')]),
    roleBinding(SYSTEM, 'system:controller:cloud-provider', [account('cloud-provider')]),
    roleBinding(SYSTEM, 'system:controller:token-cleaner', [account('token-cleaner')]),
    roleBinding(
      SYSTEM,
      'system::extension-apiserver-authentication-reader',
      LOCKED.map((name) => user(`system:${name}`)),
      'extension-apiserver-authentication-reader',
    ),
    ...LOCKED.map((name) => roleBinding(SYSTEM, `system::leader-locking-${name}`, [user(`system:${name}`), account(name)])),
  ];
}
