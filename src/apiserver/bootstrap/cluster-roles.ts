/** The ClusterRoles that every cluster has, with upstream's names and rules (Kubernetes 1.36). */
import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '../../api/types.gen.ts';
import { aggregatedRules } from '../authz/aggregation.ts';
import { CONTROLLER_ROLES } from './controller-roles.ts';
import { NODE_RULES } from './node-rules.ts';
import { EVENTS, READ, READ_WRITE, WRITE, account, allow, allowUrls, clusterRole, clusterRoleBinding, group, user } from './policy.ts';

const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';
const HEALTH = '/healthz /livez /readyz';
const VERSION = '/version /version/';

export function clusterRoles(): ClusterRole[] {
  const roles = [
    clusterRole('cluster-admin', [allow('*', '*', '*'), { nonResourceURLs: ['*'], verbs: ['*'] }]),
    ...userFacingRoles(),
    ...informationRoles(),
    ...componentRoles(),
    ...certificateRoles(),
    ...Object.entries(CONTROLLER_ROLES).map(([name, rules]) => clusterRole(`system:controller:${name}`, rules)),
  ];
  // Upstream leaves these empty for its aggregation controller to fill a moment later; here they are whole from the start.
  for (const role of roles) if (role.aggregationRule) role.rules = aggregatedRules(role, roles);
  return roles;
}

export function clusterRoleBindings(): ClusterRoleBinding[] {
  const everyone = group('system:authenticated');
  return [
    clusterRoleBinding('cluster-admin', [group('system:masters')]),
    clusterRoleBinding('system:monitoring', [group('system:monitoring')]),
    clusterRoleBinding('system:discovery', [everyone]),
    clusterRoleBinding('system:basic-user', [everyone]),
    clusterRoleBinding('system:public-info-viewer', [everyone, group('system:unauthenticated')]),
    clusterRoleBinding('system:node-proxier', [user('system:kube-proxy')]),
    clusterRoleBinding('system:kube-controller-manager', [user('system:kube-controller-manager')]),
    clusterRoleBinding('system:kube-dns', [account('kube-dns')]),
    clusterRoleBinding('system:coredns', [account('coredns')]),
    clusterRoleBinding('system:kube-scheduler', [user('system:kube-scheduler')]),
    clusterRoleBinding('system:volume-scheduler', [user('system:kube-scheduler')]),
    clusterRoleBinding('system:service-account-issuer-discovery', [group('system:serviceaccounts')]),
    // Nodes are authorised by the node authorizer; the empty binding is there for who wants to add to it.
    clusterRoleBinding('system:node', []),
    ...Object.keys(CONTROLLER_ROLES).map((name) => clusterRoleBinding(`system:controller:${name}`, [account(name)])),
  ];
}

/** admin takes in edit, edit takes in view; add-ons join by the aggregate-to labels. */
function userFacingRoles(): ClusterRole[] {
  const aggregated = (name: string, into?: string): ClusterRole => ({
    ...clusterRole(name, [], into ? { [AGGREGATE + into]: 'true' } : {}),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [AGGREGATE + name]: 'true' } }] },
  });
  return [
    aggregated('admin'),
    aggregated('edit', 'admin'),
    aggregated('view', 'edit'),
    clusterRole('system:aggregate-to-admin', ADMIN, { [`${AGGREGATE}admin`]: 'true' }),
    clusterRole('system:aggregate-to-edit', EDIT, { [`${AGGREGATE}edit`]: 'true' }),
    clusterRole('system:aggregate-to-view', VIEW, { [`${AGGREGATE}view`]: 'true' }),
  ];
}

const ADMIN: PolicyRule[] = [
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  allow(READ_WRITE, 'rbac.authorization.k8s.io', 'rolebindings roles'),
];

const EDIT: PolicyRule[] = [
  allow(READ, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  allow('impersonate', 'core', 'serviceaccounts'),
  allow(WRITE, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  allow('create', 'core', 'pods/eviction'),
  allow(
    WRITE,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  allow('create', 'core', 'serviceaccounts/token'),
  allow(
    WRITE,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  allow(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
  allow(WRITE, 'batch', 'cronjobs jobs'),
  allow(
    WRITE,
    'extensions',
    'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
  ),
  allow(WRITE, 'policy', 'poddisruptionbudgets'),
  allow(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
  allow(READ_WRITE, 'coordination.k8s.io', 'leases'),
  allow(WRITE, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
];

const VIEW: PolicyRule[] = [
  allow(
    READ,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  allow(
    READ,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  allow(READ, 'core', 'namespaces'),
  allow(READ, 'discovery.k8s.io', 'endpointslices'),
  allow(
    READ,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  allow(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  allow(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  allow(
    READ,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  allow(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  allow(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  allow(READ, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

function informationRoles(): ClusterRole[] {
  return [
    clusterRole('system:discovery', [allowUrls(`/api /api/* /apis /apis/* ${HEALTH} /openapi /openapi/* ${VERSION}`)]),
    clusterRole('system:basic-user', [
      allow('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      allow('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ]),
    clusterRole('system:public-info-viewer', [allowUrls(`${HEALTH} ${VERSION}`)]),
    clusterRole('system:monitoring', [allowUrls('/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*')]),
    clusterRole('system:service-account-issuer-discovery', [
      allowUrls('/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'),
    ]),
    clusterRole('system:auth-delegator', [
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ]),
  ];
}

function componentRoles(): ClusterRole[] {
  return [
    clusterRole('system:heapster', [allow(READ, 'core', 'events namespaces nodes pods'), allow(READ, 'extensions', 'deployments')]),
    clusterRole('system:kube-aggregator', [allow(READ, 'core', 'endpoints services')]),
    clusterRole('system:kube-controller-manager', [
      EVENTS,
      allow('create', 'coordination.k8s.io', 'leases'),
      allow('get update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
      allow('create', 'core', 'secrets serviceaccounts'),
      allow('delete', 'core', 'secrets'),
      allow('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      allow('update', 'core', 'secrets serviceaccounts'),
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      allow('list watch', '*', '*'),
      allow('create', 'core', 'serviceaccounts/token'),
    ]),
    clusterRole('system:kube-dns', [allow('list watch', 'core', 'endpoints services')]),
    clusterRole('system:coredns', [
      allow('list watch', 'core', 'endpoints namespaces pods services'),
      allow('get', 'core', 'nodes'),
      allow('list watch', 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:kube-scheduler', SCHEDULER),
    clusterRole('system:volume-scheduler', [
      allow('get list patch update watch', 'core', 'persistentvolumes'),
      allow(READ, 'storage.k8s.io', 'storageclasses'),
      allow('get list patch update watch', 'core', 'persistentvolumeclaims'),
    ]),
    clusterRole('system:kubelet-api-admin', [
      allow(READ, 'core', 'nodes'),
      allow('proxy', 'core', 'nodes'),
      allow('*', 'core', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
      allow('*', 'core', 'nodes/configz nodes/healthz nodes/pods'),
    ]),
    clusterRole('system:node', NODE_RULES),
    clusterRole('system:node-bootstrapper', [allow('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests')]),
    clusterRole('system:node-problem-detector', [allow('get', 'core', 'nodes'), allow('patch', 'core', 'nodes/status'), EVENTS]),
    clusterRole('system:node-proxier', [
      allow('list watch', 'core', 'endpoints services'),
      allow(READ, 'core', 'nodes'),
      EVENTS,
      allow('list watch', 'networking.k8s.io', 'servicecidrs'),
      allow('list watch', 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:persistent-volume-provisioner', [
      allow('create delete get list watch', 'core', 'persistentvolumes'),
      allow('get list update watch', 'core', 'persistentvolumeclaims'),
      allow(READ, 'storage.k8s.io', 'storageclasses'),
      allow('watch', 'core', 'events'),
      EVENTS,
    ]),
  ];
}

const SCHEDULER: PolicyRule[] = [
  EVENTS,
  allow('create', 'coordination.k8s.io', 'leases'),
  allow('get list update watch', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
  allow(READ, 'core', 'nodes'),
  allow('delete get list watch', 'core', 'pods'),
  allow('create', 'core', 'bindings pods/binding'),
  allow('patch update', 'core', 'pods/status'),
  allow(READ, 'core', 'replicationcontrollers services'),
  allow(READ, 'apps extensions', 'replicasets'),
  allow(READ, 'apps', 'statefulsets'),
  allow(READ, 'policy', 'poddisruptionbudgets'),
  allow(READ, 'core', 'persistentvolumeclaims persistentvolumes'),
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  allow(READ, 'storage.k8s.io', 'csinodes'),
  allow(READ, 'storage.k8s.io', 'volumeattachments'),
  allow(READ, 'core', 'namespaces'),
  allow(READ, 'storage.k8s.io', 'csidrivers'),
  allow(READ, 'storage.k8s.io', 'csistoragecapacities'),
  allow(READ, 'resource.k8s.io', 'deviceclasses'),
  allow('get list patch update watch', 'resource.k8s.io', 'resourceclaims'),
  allow('get list patch update watch', 'resource.k8s.io', 'resourceclaims/status'),
  allow('get list patch update watch', 'core', 'pods/finalizers'),
  allow(READ, 'resource.k8s.io', 'resourceslices'),
];

function certificateRoles(): ClusterRole[] {
  const prefix = 'system:certificates.k8s.io:';
  const creates = (name: string): ClusterRole =>
    clusterRole(`${prefix}certificatesigningrequests:${name}`, [
      allow('create', 'certificates.k8s.io', `certificatesigningrequests/${name}`),
    ]);
  const approves = (signer: string): ClusterRole =>
    clusterRole(`${prefix}${signer}-approver`, [allow('approve', 'certificates.k8s.io', 'signers', `kubernetes.io/${signer}`)]);
  return [
    creates('nodeclient'),
    creates('selfnodeclient'),
    ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(approves),
  ];
}
