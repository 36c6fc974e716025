/**
 * The built-in resources of Kubernetes 1.36 as rows: what discovery says of them and where upstream keeps them. Groups stand in the
 * order of discovery, versions of a group with the preferred one first.
 */

export interface ResourceRow {
  resource: string;
  kind: string;
  /** Cluster-scoped. */
  cluster?: true;
  /** Where it is not the kind in lower case. */
  singular?: string;
  short?: readonly string[];
  categories?: readonly string[];
  /** Default: the eight of a stored kind. */
  verbs?: readonly string[];
  /** Names with rules of their own are in `SUBRESOURCES`. */
  subresources?: readonly string[];
  /** Below /registry; the resource's own name unless given, '' for what is never stored. */
  prefix?: string;
  /** Where it is not the row's own group and version. */
  storageVersion?: string;
  fields?: readonly string[];
}

export interface GroupRow {
  group: string;
  version: string;
  /** Prefix of its definitions in OpenAPI, without the version. */
  definitions: string;
  resources: readonly ResourceRow[];
}

const CREATE = ['create'];
const ALL = ['all'];
const EXTENSIONS = ['api-extensions'];
const STATUS = ['status'];
const SCALED = ['scale', 'status'];
const POD_FIELDS = [
  // The name that spec.nodeName had before v1; kubelets of old still ask by it.
  'spec.host',
  'spec.hostNetwork',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.nominatedNodeName',
  'status.phase',
  'status.podIP',
  'status.podIPs',
];
const OBJECT_FIELDS = ['apiVersion', 'fieldPath', 'kind', 'name', 'namespace', 'resourceVersion', 'uid'];
const EVENT_FIELDS = [...OBJECT_FIELDS.map((field) => `involvedObject.${field}`), 'reason', 'reportingComponent', 'source', 'type'];
const NEW_EVENT_FIELDS = [...OBJECT_FIELDS.map((field) => `regarding.${field}`), 'reason', 'reportingController', 'type'];

const CORE: readonly ResourceRow[] = [
  { resource: 'bindings', kind: 'Binding', verbs: CREATE, prefix: '' },
  { resource: 'componentstatuses', kind: 'ComponentStatus', cluster: true, short: ['cs'], verbs: ['get', 'list'], prefix: '' },
  { resource: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { resource: 'endpoints', kind: 'Endpoints', short: ['ep'], prefix: 'services/endpoints' },
  { resource: 'events', kind: 'Event', short: ['ev'], fields: EVENT_FIELDS },
  { resource: 'limitranges', kind: 'LimitRange', short: ['limits'] },
  {
    resource: 'namespaces',
    kind: 'Namespace',
    cluster: true,
    short: ['ns'],
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: ['finalize', 'status'],
    fields: ['status.phase'],
  },
  {
    resource: 'nodes',
    kind: 'Node',
    cluster: true,
    short: ['no'],
    subresources: ['proxy', 'status'],
    prefix: 'minions',
    fields: ['spec.unschedulable'],
  },
  { resource: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', short: ['pvc'], subresources: STATUS },
  { resource: 'persistentvolumes', kind: 'PersistentVolume', cluster: true, short: ['pv'], subresources: STATUS },
  {
    resource: 'pods',
    kind: 'Pod',
    short: ['po'],
    categories: ALL,
    subresources: ['attach', 'binding', 'ephemeralcontainers', 'eviction', 'exec', 'log', 'portforward', 'proxy', 'resize', 'status'],
    fields: POD_FIELDS,
  },
  { resource: 'podtemplates', kind: 'PodTemplate' },
  {
    resource: 'replicationcontrollers',
    kind: 'ReplicationController',
    short: ['rc'],
    categories: ALL,
    subresources: SCALED,
    prefix: 'controllers',
    fields: ['status.replicas'],
  },
  { resource: 'resourcequotas', kind: 'ResourceQuota', short: ['quota'], subresources: STATUS },
  { resource: 'secrets', kind: 'Secret', fields: ['type'] },
  { resource: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'], subresources: ['token'] },
  {
    resource: 'services',
    kind: 'Service',
    short: ['svc'],
    categories: ALL,
    subresources: ['proxy', 'status'],
    prefix: 'services/specs',
    fields: ['spec.clusterIP', 'spec.type'],
  },
];

const AUTOSCALING: readonly ResourceRow[] = [
  {
    resource: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
    short: ['hpa'],
    categories: ALL,
    subresources: STATUS,
    storageVersion: 'autoscaling/v2',
  },
];

const MUTATING_POLICIES: readonly ResourceRow[] = [
  {
    resource: 'mutatingadmissionpolicies',
    kind: 'MutatingAdmissionPolicy',
    cluster: true,
    categories: EXTENSIONS,
    storageVersion: 'admissionregistration.k8s.io/v1',
  },
  {
    resource: 'mutatingadmissionpolicybindings',
    kind: 'MutatingAdmissionPolicyBinding',
    cluster: true,
    categories: EXTENSIONS,
    storageVersion: 'admissionregistration.k8s.io/v1',
  },
];

const BUNDLES: ResourceRow = {
  resource: 'clustertrustbundles',
  kind: 'ClusterTrustBundle',
  cluster: true,
  storageVersion: 'certificates.k8s.io/v1beta1',
  fields: ['spec.signerName'],
};

const LEASE_CANDIDATES: readonly ResourceRow[] = [
  { resource: 'leasecandidates', kind: 'LeaseCandidate', storageVersion: 'coordination.k8s.io/v1beta1' },
];

const ADDRESSES: readonly ResourceRow[] = [
  {
    resource: 'ipaddresses',
    kind: 'IPAddress',
    cluster: true,
    short: ['ip'],
    storageVersion: 'networking.k8s.io/v1',
    fields: ['spec.parentRef.group', 'spec.parentRef.name', 'spec.parentRef.namespace', 'spec.parentRef.resource'],
  },
  { resource: 'servicecidrs', kind: 'ServiceCIDR', cluster: true, subresources: STATUS, storageVersion: 'networking.k8s.io/v1' },
];

const DEVICES: readonly ResourceRow[] = [
  { resource: 'deviceclasses', kind: 'DeviceClass', cluster: true, storageVersion: 'resource.k8s.io/v1' },
  { resource: 'resourceclaims', kind: 'ResourceClaim', subresources: STATUS, storageVersion: 'resource.k8s.io/v1' },
  { resource: 'resourceclaimtemplates', kind: 'ResourceClaimTemplate', storageVersion: 'resource.k8s.io/v1' },
  {
    resource: 'resourceslices',
    kind: 'ResourceSlice',
    cluster: true,
    storageVersion: 'resource.k8s.io/v1',
    fields: ['spec.driver', 'spec.nodeName'],
  },
];

const TAINT_RULES: ResourceRow = {
  resource: 'devicetaintrules',
  kind: 'DeviceTaintRule',
  cluster: true,
  subresources: STATUS,
  storageVersion: 'resource.k8s.io/v1beta2',
};

const ATTRIBUTES_CLASSES: ResourceRow = {
  resource: 'volumeattributesclasses',
  kind: 'VolumeAttributesClass',
  cluster: true,
  short: ['vac'],
  storageVersion: 'storage.k8s.io/v1',
};

const api = (group: string, version: string, resources: readonly ResourceRow[], name = group.split('.')[0]!): GroupRow => ({
  group,
  version,
  definitions: `io.k8s.api.${name}`,
  resources,
});

export const GROUPS: readonly GroupRow[] = [
  api('', 'v1', CORE, 'core'),
  {
    group: 'apiregistration.k8s.io',
    version: 'v1',
    definitions: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
    resources: [
      {
        resource: 'apiservices',
        kind: 'APIService',
        cluster: true,
        categories: EXTENSIONS,
        subresources: STATUS,
        prefix: 'apiregistration.k8s.io/apiservices',
      },
    ],
  },
  api('apps', 'v1', [
    { resource: 'controllerrevisions', kind: 'ControllerRevision' },
    { resource: 'daemonsets', kind: 'DaemonSet', short: ['ds'], categories: ALL, subresources: STATUS },
    { resource: 'deployments', kind: 'Deployment', short: ['deploy'], categories: ALL, subresources: SCALED },
    { resource: 'replicasets', kind: 'ReplicaSet', short: ['rs'], categories: ALL, subresources: SCALED, fields: ['status.replicas'] },
    { resource: 'statefulsets', kind: 'StatefulSet', short: ['sts'], categories: ALL, subresources: SCALED },
  ]),
  api('events.k8s.io', 'v1', [{ resource: 'events', kind: 'Event', short: ['ev'], storageVersion: 'v1', fields: NEW_EVENT_FIELDS }]),
  api('authentication.k8s.io', 'v1', [
    { resource: 'selfsubjectreviews', kind: 'SelfSubjectReview', cluster: true, verbs: CREATE, prefix: '' },
    { resource: 'tokenreviews', kind: 'TokenReview', cluster: true, verbs: CREATE, prefix: '' },
  ]),
  api('authorization.k8s.io', 'v1', [
    { resource: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', verbs: CREATE, prefix: '' },
    { resource: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', cluster: true, verbs: CREATE, prefix: '' },
    { resource: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', cluster: true, verbs: CREATE, prefix: '' },
    { resource: 'subjectaccessreviews', kind: 'SubjectAccessReview', cluster: true, verbs: CREATE, prefix: '' },
  ]),
  api('autoscaling', 'v2', AUTOSCALING),
  api('autoscaling', 'v1', AUTOSCALING),
  api('batch', 'v1', [
    { resource: 'cronjobs', kind: 'CronJob', short: ['cj'], categories: ALL, subresources: STATUS },
    { resource: 'jobs', kind: 'Job', categories: ALL, subresources: STATUS, fields: ['status.successful'] },
  ]),
  api('certificates.k8s.io', 'v1', [
    {
      resource: 'certificatesigningrequests',
      kind: 'CertificateSigningRequest',
      cluster: true,
      short: ['csr'],
      subresources: ['approval', 'status'],
      fields: ['spec.signerName'],
    },
  ]),
  api('certificates.k8s.io', 'v1beta1', [
    BUNDLES,
    {
      resource: 'podcertificaterequests',
      kind: 'PodCertificateRequest',
      subresources: STATUS,
      storageVersion: 'certificates.k8s.io/v1beta1',
      fields: ['spec.nodeName', 'spec.signerName'],
    },
  ]),
  api('certificates.k8s.io', 'v1alpha1', [BUNDLES]),
  api('networking.k8s.io', 'v1', [
    { resource: 'ingressclasses', kind: 'IngressClass', cluster: true },
    { resource: 'ingresses', kind: 'Ingress', short: ['ing'], subresources: STATUS, prefix: 'ingress' },
    ...ADDRESSES,
    { resource: 'networkpolicies', kind: 'NetworkPolicy', short: ['netpol'] },
  ]),
  api('networking.k8s.io', 'v1beta1', ADDRESSES),
  api('policy', 'v1', [{ resource: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', short: ['pdb'], subresources: STATUS }]),
  api('rbac.authorization.k8s.io', 'v1', [
    { resource: 'clusterrolebindings', kind: 'ClusterRoleBinding', cluster: true },
    { resource: 'clusterroles', kind: 'ClusterRole', cluster: true },
    { resource: 'rolebindings', kind: 'RoleBinding' },
    { resource: 'roles', kind: 'Role' },
  ]),
  api('storage.k8s.io', 'v1', [
    { resource: 'csidrivers', kind: 'CSIDriver', cluster: true },
    { resource: 'csinodes', kind: 'CSINode', cluster: true },
    { resource: 'csistoragecapacities', kind: 'CSIStorageCapacity' },
    { resource: 'storageclasses', kind: 'StorageClass', cluster: true, short: ['sc'] },
    { resource: 'volumeattachments', kind: 'VolumeAttachment', cluster: true, subresources: STATUS },
    ATTRIBUTES_CLASSES,
  ]),
  api('storage.k8s.io', 'v1beta1', [ATTRIBUTES_CLASSES]),
  api('admissionregistration.k8s.io', 'v1', [
    ...MUTATING_POLICIES,
    { resource: 'mutatingwebhookconfigurations', kind: 'MutatingWebhookConfiguration', cluster: true, categories: EXTENSIONS },
    {
      resource: 'validatingadmissionpolicies',
      kind: 'ValidatingAdmissionPolicy',
      cluster: true,
      categories: EXTENSIONS,
      subresources: STATUS,
    },
    { resource: 'validatingadmissionpolicybindings', kind: 'ValidatingAdmissionPolicyBinding', cluster: true, categories: EXTENSIONS },
    { resource: 'validatingwebhookconfigurations', kind: 'ValidatingWebhookConfiguration', cluster: true, categories: EXTENSIONS },
  ]),
  api('admissionregistration.k8s.io', 'v1beta1', MUTATING_POLICIES),
  api('admissionregistration.k8s.io', 'v1alpha1', MUTATING_POLICIES),
  {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    definitions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
    resources: [
      {
        resource: 'customresourcedefinitions',
        kind: 'CustomResourceDefinition',
        cluster: true,
        short: ['crd', 'crds'],
        categories: EXTENSIONS,
        subresources: STATUS,
        prefix: 'apiextensions.k8s.io/customresourcedefinitions',
      },
    ],
  },
  api('scheduling.k8s.io', 'v1', [{ resource: 'priorityclasses', kind: 'PriorityClass', cluster: true, short: ['pc'] }]),
  api('scheduling.k8s.io', 'v1alpha2', [
    { resource: 'podgroups', kind: 'PodGroup', subresources: STATUS },
    { resource: 'workloads', kind: 'Workload' },
  ]),
  api('coordination.k8s.io', 'v1', [{ resource: 'leases', kind: 'Lease' }]),
  api('coordination.k8s.io', 'v1beta1', LEASE_CANDIDATES),
  api('coordination.k8s.io', 'v1alpha2', LEASE_CANDIDATES),
  api('node.k8s.io', 'v1', [{ resource: 'runtimeclasses', kind: 'RuntimeClass', cluster: true }]),
  api('discovery.k8s.io', 'v1', [{ resource: 'endpointslices', kind: 'EndpointSlice' }]),
  api('flowcontrol.apiserver.k8s.io', 'v1', [
    { resource: 'flowschemas', kind: 'FlowSchema', cluster: true, subresources: STATUS },
    { resource: 'prioritylevelconfigurations', kind: 'PriorityLevelConfiguration', cluster: true, subresources: STATUS },
  ]),
  api(
    'internal.apiserver.k8s.io',
    'v1alpha1',
    [{ resource: 'storageversions', kind: 'StorageVersion', cluster: true, subresources: STATUS }],
    'apiserverinternal',
  ),
  api('resource.k8s.io', 'v1', DEVICES),
  api('resource.k8s.io', 'v1beta2', [...DEVICES, TAINT_RULES]),
  api('resource.k8s.io', 'v1beta1', DEVICES),
  api('resource.k8s.io', 'v1alpha3', [
    TAINT_RULES,
    {
      resource: 'resourcepoolstatusrequests',
      kind: 'ResourcePoolStatusRequest',
      cluster: true,
      subresources: STATUS,
      storageVersion: 'resource.k8s.io/v1alpha3',
    },
  ]),
  api('storagemigration.k8s.io', 'v1beta1', [
    { resource: 'storageversionmigrations', kind: 'StorageVersionMigration', cluster: true, subresources: STATUS },
  ]),
];

interface SubresourceRow {
  /** `group/version/Kind`; the resource's own kind unless given. */
  kind?: string;
  verbs: readonly string[];
}

const PROXY_VERBS = ['create', 'delete', 'get', 'patch', 'update'];
const STREAM_VERBS = ['create', 'get'];

/** By `resource/subresource`, else by the subresource's name alone. */
export const SUBRESOURCES: Readonly<Record<string, SubresourceRow>> = {
  status: { verbs: ['get', 'patch', 'update'] },
  scale: { kind: 'autoscaling/v1/Scale', verbs: ['get', 'patch', 'update'] },
  approval: { verbs: ['get', 'patch', 'update'] },
  'namespaces/finalize': { verbs: ['update'] },
  'nodes/proxy': { kind: '/v1/NodeProxyOptions', verbs: PROXY_VERBS },
  'pods/attach': { kind: '/v1/PodAttachOptions', verbs: STREAM_VERBS },
  'pods/binding': { kind: '/v1/Binding', verbs: CREATE },
  'pods/ephemeralcontainers': { verbs: ['get', 'patch', 'update'] },
  'pods/eviction': { kind: 'policy/v1/Eviction', verbs: CREATE },
  'pods/exec': { kind: '/v1/PodExecOptions', verbs: STREAM_VERBS },
  'pods/log': { verbs: ['get'] },
  'pods/portforward': { kind: '/v1/PodPortForwardOptions', verbs: STREAM_VERBS },
  'pods/proxy': { kind: '/v1/PodProxyOptions', verbs: PROXY_VERBS },
  'pods/resize': { verbs: ['get', 'patch', 'update'] },
  'serviceaccounts/token': { kind: 'authentication.k8s.io/v1/TokenRequest', verbs: CREATE },
  'services/proxy': { kind: '/v1/ServiceProxyOptions', verbs: PROXY_VERBS },
};
