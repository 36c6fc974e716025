import type { UserInfo } from '../api/transport.ts';

const AUTHENTICATED = 'system:authenticated';

/** The names under which the node's own parts are known to the API server: those of kubeadm's certificates, with the roles that RBAC's bootstrap gives them. */
export const IDENTITIES = {
  admin: { name: 'kubernetes-admin', groups: ['system:masters', AUTHENTICATED] },
  controllers: { name: 'system:kube-controller-manager', groups: [AUTHENTICATED] },
  scheduler: { name: 'system:kube-scheduler', groups: [AUTHENTICATED] },
  proxy: { name: 'system:kube-proxy', groups: [AUTHENTICATED] },
} as const satisfies Record<string, UserInfo>;

export const nodeIdentity = (nodeName: string): UserInfo => ({ name: `system:node:${nodeName}`, groups: ['system:nodes', AUTHENTICATED] });
