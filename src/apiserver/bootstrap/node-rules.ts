import type { PolicyRule } from '../../api/types.gen.ts';
import { READ, allow } from './policy.ts';

/** What a kubelet may do: the ClusterRole system:node (bound to nobody) and the node authorizer's general rules. */
export const NODE_RULES: PolicyRule[] = [
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  allow(READ, 'core', 'services'),
  allow('create get list watch', 'core', 'nodes'),
  allow('patch update', 'core', 'nodes/status'),
  allow('patch update', 'core', 'nodes'),
  allow('create patch update', 'core', 'events'),
  allow(READ, 'core', 'pods'),
  allow('create delete', 'core', 'pods'),
  allow('patch update', 'core', 'pods/status'),
  allow('create', 'core', 'pods/eviction'),
  allow(READ, 'core', 'configmaps secrets'),
  allow('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  allow('get', 'core', 'endpoints'),
  allow('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  allow('create delete get patch update', 'coordination.k8s.io', 'leases'),
  allow('get', 'storage.k8s.io', 'volumeattachments'),
  allow('create', 'core', 'serviceaccounts/token'),
  allow('get patch update', 'core', 'persistentvolumeclaims/status'),
  allow(READ, 'storage.k8s.io', 'csidrivers'),
  allow('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  allow(READ, 'node.k8s.io', 'runtimeclasses'),
  allow('get', 'resource.k8s.io', 'resourceclaims'),
  allow('deletecollection', 'resource.k8s.io', 'resourceslices'),
  allow('get', 'core', 'serviceaccounts'),
];
