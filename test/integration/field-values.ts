/** What the fields of an object must hold that a server accepts, where anything of the field's type will not do. */

type Members = readonly (string | readonly string[])[];

/** The types of volumes are read off the schema by those who ask; here stand what all volumes can be. */
const VOLUMES = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'glusterfs',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'persistentVolumeClaim',
  'photonPersistentDisk',
  'portworxVolume',
  'projected',
  'quobyte',
  'rbd',
  'scaleIO',
  'secret',
  'storageos',
  'vsphereVolume',
];
const PERSISTENT = new Set(['configMap', 'downwardAPI', 'emptyDir', 'ephemeral', 'gitRepo', 'image', 'persistentVolumeClaim', 'projected', 'secret']);

/** Type to its unions; of each exactly one member (a field, or fields that go together) may be set. */
export const UNIONS: Readonly<Record<string, readonly Members[]>> = {
  Volume: [VOLUMES],
  PersistentVolumeSpec: [[...VOLUMES.filter((name) => !PERSISTENT.has(name)), 'local']],
  VolumeProjection: [['clusterTrustBundle', 'configMap', 'downwardAPI', 'podCertificate', 'secret', 'serviceAccountToken']],
  DownwardAPIVolumeFile: [['fieldRef', 'resourceFieldRef']],
  ClusterTrustBundleProjection: [['name', ['signerName', 'labelSelector']]],
  Probe: [['exec', 'grpc', 'httpGet', 'tcpSocket']],
  LifecycleHandler: [['exec', 'httpGet', 'tcpSocket', 'sleep']],
  EnvVar: [['value', 'valueFrom']],
  EnvVarSource: [['configMapKeyRef', 'fieldRef', 'resourceFieldRef', 'secretKeyRef', 'fileKeyRef']],
  EnvFromSource: [['configMapRef', 'secretRef']],
  VolumeMount: [['subPath', 'subPathExpr']],
  ContainerState: [['running', 'terminated', 'waiting']],
  NetworkPolicyPeer: [[['namespaceSelector', 'podSelector'], 'ipBlock']],
  IngressBackend: [['service', 'resource']],
  ServiceBackendPort: [['name', 'number']],
  WebhookClientConfig: [['service', 'url']],
  PodDisruptionBudgetSpec: [['minAvailable', 'maxUnavailable']],
  DeviceRequest: [['exactly', 'firstAvailable']],
  PriorityLevelConfigurationSpec: [['limited', 'exempt']],
  PolicyRule: [[['apiGroups', 'resources', 'resourceNames'], 'nonResourceURLs']],
  ParamRef: [['name', 'selector']],
  PodFailurePolicyRule: [['onExitCodes', 'onPodConditions']],
  MetricTarget: [['averageUtilization', 'averageValue', 'value']],
};

const VOLUME_NAME = 'data';
const CIDR = '10.1.0.0/16';
const IP = '10.1.2.3';
const LABELS = { app: 'every-field' };
const cpu = { cpu: '2' };

/** `Type.field`, or `Kind:Type.field`, to its value; null leaves the field out. A function is given the variant. */
export const VALUES: Readonly<Record<string, unknown>> = {
  // metadata: what is the server's to say stays away
  'ObjectMeta.namespace': null,
  'ObjectMeta.selfLink': null,
  'ObjectMeta.generateName': null,
  'ObjectMeta.uid': null,
  'ObjectMeta.resourceVersion': null,
  'ObjectMeta.creationTimestamp': null,
  'ObjectMeta.deletionTimestamp': null,
  'ObjectMeta.deletionGracePeriodSeconds': null,
  'ObjectMeta.generation': null,
  'ObjectMeta.managedFields': null,
  'ObjectMeta.labels': LABELS,
  'ObjectMeta.finalizers': ['example.com/kept'],
  'OwnerReference.controller': true,
  // selectors
  'LabelSelector.matchLabels': LABELS,
  'LabelSelectorRequirement.key': 'app',
  'LabelSelectorRequirement.operator': 'In',
  'LabelSelectorRequirement.values': ['every-field'],
  'ReplicationControllerSpec.selector': LABELS,
  // pods
  'Volume.name': VOLUME_NAME,
  'VolumeMount.name': VOLUME_NAME,
  'VolumeDevice.name': VOLUME_NAME,
  'ConfigMap:ConfigMap.binaryData': { binary: 'AQI=' },
  'Secret:Secret.stringData': null,
  'IngressServiceBackend.name': 'web',
  'HTTPIngressPath.path': '/',
  'HTTPIngressPath.pathType': 'Prefix',
  'NetworkPolicyPort.endPort': 9,
  'IPBlock.cidr': CIDR,
  'IPBlock.except': ['10.1.1.0/24'],
  'ServiceCIDRSpec.cidrs': [CIDR],
  'EndpointAddress.ip': IP,
  'ResourceList.key': cpu,
};

/** Fields that no stored object ever shows, with why. */
export const NEVER_KEPT: ReadonlySet<string> = new Set([
  'ObjectMeta.selfLink', // no longer set since 1.20
  'ObjectMeta.generateName', // named objects are not generated
  'ObjectMeta.deletionTimestamp', // only of an object that is going
  'ObjectMeta.deletionGracePeriodSeconds',
  'ObjectMeta.generation', // counted for some kinds only
  'ObjectMeta.namespace', // of namespaced kinds only
  'ManagedFieldsEntry.subresource', // of kinds with a status only
  'Secret.stringData', // becomes data
]);

/** Kinds whose name is not theirs to choose. */
export const NAMES: Readonly<Record<string, string>> = {
  APIService: 'v1.example.com',
  IPAddress: '10.96.9.9',
  CustomResourceDefinition: 'things.example.com',
};
