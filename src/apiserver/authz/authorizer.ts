import type { Attributes } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { createNodeAuthorizer } from './node.ts';
import type { RbacAuthorizer } from './rbac.ts';
import { createRbacAuthorizer } from './rbac.ts';

/** Upstream's `--authorization-mode=Node,RBAC`: a node's own rules first, then RBAC. The first that allows decides; nobody denies for good. */
export function createAuthorizer(objects: StoredObjects): RbacAuthorizer {
  const rbac = createRbacAuthorizer(objects);
  const node = createNodeAuthorizer(objects);
  return {
    ...rbac,
    authorize(attributes: Attributes) {
      const byNode = node.authorize(attributes);
      if (byNode?.allowed) return byNode;
      const byRbac = rbac.authorize(attributes);
      if (byRbac.allowed || !byNode?.reason) return byRbac;
      return { allowed: false, reason: [byNode.reason, byRbac.reason].filter(Boolean).join('\n') };
    },
    explain: (attributes) => (node.authorize(attributes)?.allowed ? '' : (rbac.explain?.(attributes) ?? '')),
    stop() {
      rbac.stop();
      node.stop();
    },
  };
}
