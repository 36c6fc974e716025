/** A `ResourceType` for every built-in resource that stores objects: `client.resource(PODS, 'default')`. */
import type * as k8s from '../api/types.gen.ts';
import type { ObjectWithMeta } from '../api/meta.ts';
import type { ResourceType } from './client.ts';

function namespaced<T extends ObjectWithMeta>(group: string, version: string, resource: string, kind: string): ResourceType<T> {
  return { group, version, resource, kind, namespaced: true };
}

function clusterWide<T extends ObjectWithMeta>(group: string, version: string, resource: string, kind: string): ResourceType<T> {
  return { group, version, resource, kind, namespaced: false };
}

// core
export const CONFIG_MAPS = namespaced<k8s.ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const ENDPOINTS = namespaced<k8s.Endpoints>('', 'v1', 'endpoints', 'Endpoints');
export const EVENTS = namespaced<k8s.Event>('', 'v1', 'events', 'Event');
export const LIMIT_RANGES = namespaced<k8s.LimitRange>('', 'v1', 'limitranges', 'LimitRange');
export const NAMESPACES = clusterWide<k8s.Namespace>('', 'v1', 'namespaces', 'Namespace');
export const NODES = clusterWide<k8s.Node>('', 'v1', 'nodes', 'Node');
export const PERSISTENT_VOLUMES = clusterWide<k8s.PersistentVolume>('', 'v1', 'persistentvolumes', 'PersistentVolume');
export const PERSISTENT_VOLUME_CLAIMS = namespaced<k8s.PersistentVolumeClaim>('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim');
export const PODS = namespaced<k8s.Pod>('', 'v1', 'pods', 'Pod');
export const POD_TEMPLATES = namespaced<k8s.PodTemplate>('', 'v1', 'podtemplates', 'PodTemplate');
export const REPLICATION_CONTROLLERS = namespaced<k8s.ReplicationController>('', 'v1', 'replicationcontrollers', 'ReplicationController');
export const RESOURCE_QUOTAS = namespaced<k8s.ResourceQuota>('', 'v1', 'resourcequotas', 'ResourceQuota');
export const SECRETS = namespaced<k8s.Secret>('', 'v1', 'secrets', 'Secret');
export const SERVICES = namespaced<k8s.Service>('', 'v1', 'services', 'Service');
export const SERVICE_ACCOUNTS = namespaced<k8s.ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount');

// apps
export const CONTROLLER_REVISIONS = namespaced<k8s.ControllerRevision>('apps', 'v1', 'controllerrevisions', 'ControllerRevision');
export const DAEMON_SETS = namespaced<k8s.DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet');
export const DEPLOYMENTS = namespaced<k8s.Deployment>('apps', 'v1', 'deployments', 'Deployment');
export const REPLICA_SETS = namespaced<k8s.ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet');
export const STATEFUL_SETS = namespaced<k8s.StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');

// batch, autoscaling, policy, scheduling
export const CRON_JOBS = namespaced<k8s.CronJob>('batch', 'v1', 'cronjobs', 'CronJob');
export const JOBS = namespaced<k8s.Job>('batch', 'v1', 'jobs', 'Job');
export const HORIZONTAL_POD_AUTOSCALERS = namespaced<k8s.V2HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
);
export const POD_DISRUPTION_BUDGETS = namespaced<k8s.PodDisruptionBudget>('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget');
export const PRIORITY_CLASSES = clusterWide<k8s.PriorityClass>('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass');

// networking and discovery
export const ENDPOINT_SLICES = namespaced<k8s.EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const INGRESSES = namespaced<k8s.Ingress>('networking.k8s.io', 'v1', 'ingresses', 'Ingress');
export const INGRESS_CLASSES = clusterWide<k8s.IngressClass>('networking.k8s.io', 'v1', 'ingressclasses', 'IngressClass');
export const IP_ADDRESSES = clusterWide<k8s.IPAddress>('networking.k8s.io', 'v1', 'ipaddresses', 'IPAddress');
export const NETWORK_POLICIES = namespaced<k8s.NetworkPolicy>('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy');
export const SERVICE_CIDRS = clusterWide<k8s.ServiceCIDR>('networking.k8s.io', 'v1', 'servicecidrs', 'ServiceCIDR');

// storage
export const CSI_DRIVERS = clusterWide<k8s.CSIDriver>('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver');
export const CSI_NODES = clusterWide<k8s.CSINode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode');
export const CSI_STORAGE_CAPACITIES = namespaced<k8s.CSIStorageCapacity>(
  'storage.k8s.io',
  'v1',
  'csistoragecapacities',
  'CSIStorageCapacity',
);
export const STORAGE_CLASSES = clusterWide<k8s.StorageClass>('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass');
export const VOLUME_ATTACHMENTS = clusterWide<k8s.VolumeAttachment>('storage.k8s.io', 'v1', 'volumeattachments', 'VolumeAttachment');
export const VOLUME_ATTRIBUTES_CLASSES = clusterWide<k8s.VolumeAttributesClass>(
  'storage.k8s.io',
  'v1',
  'volumeattributesclasses',
  'VolumeAttributesClass',
);

// dynamic resource allocation
export const DEVICE_CLASSES = clusterWide<k8s.DeviceClass>('resource.k8s.io', 'v1', 'deviceclasses', 'DeviceClass');
export const RESOURCE_CLAIMS = namespaced<k8s.ResourceV1ResourceClaim>('resource.k8s.io', 'v1', 'resourceclaims', 'ResourceClaim');
export const RESOURCE_CLAIM_TEMPLATES = namespaced<k8s.ResourceClaimTemplate>(
  'resource.k8s.io',
  'v1',
  'resourceclaimtemplates',
  'ResourceClaimTemplate',
);
export const RESOURCE_SLICES = clusterWide<k8s.ResourceSlice>('resource.k8s.io', 'v1', 'resourceslices', 'ResourceSlice');

// RBAC and certificates
export const CLUSTER_ROLES = clusterWide<k8s.ClusterRole>('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole');
export const CLUSTER_ROLE_BINDINGS = clusterWide<k8s.ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterrolebindings',
  'ClusterRoleBinding',
);
export const ROLES = namespaced<k8s.Role>('rbac.authorization.k8s.io', 'v1', 'roles', 'Role');
export const ROLE_BINDINGS = namespaced<k8s.RoleBinding>('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding');
export const CERTIFICATE_SIGNING_REQUESTS = clusterWide<k8s.CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
);

// the machinery's own
export const API_SERVICES = clusterWide<k8s.APIService>('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService');
export const CUSTOM_RESOURCE_DEFINITIONS = clusterWide<k8s.CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
);
export const FLOW_SCHEMAS = clusterWide<k8s.FlowSchema>('flowcontrol.apiserver.k8s.io', 'v1', 'flowschemas', 'FlowSchema');
export const LEASES = namespaced<k8s.Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const MUTATING_WEBHOOK_CONFIGURATIONS = clusterWide<k8s.MutatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
);
export const PRIORITY_LEVEL_CONFIGURATIONS = clusterWide<k8s.PriorityLevelConfiguration>(
  'flowcontrol.apiserver.k8s.io',
  'v1',
  'prioritylevelconfigurations',
  'PriorityLevelConfiguration',
);
export const RUNTIME_CLASSES = clusterWide<k8s.RuntimeClass>('node.k8s.io', 'v1', 'runtimeclasses', 'RuntimeClass');
export const VALIDATING_ADMISSION_POLICIES = clusterWide<k8s.ValidatingAdmissionPolicy>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
);
export const VALIDATING_ADMISSION_POLICY_BINDINGS = clusterWide<k8s.ValidatingAdmissionPolicyBinding>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingadmissionpolicybindings',
  'ValidatingAdmissionPolicyBinding',
);
export const VALIDATING_WEBHOOK_CONFIGURATIONS = clusterWide<k8s.ValidatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
);
