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
const PERSISTENT = new Set([
  'configMap',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'gitRepo',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

const PERSISTENT_KINDS: Members = [
  ...VOLUMES.filter((name) => !PERSISTENT.has(name) && name !== 'csi'),
  'local',
  ['csi', 'volumeAttributesClassName'],
];

/** Type to its unions; of each exactly one member (a field, or fields that go together) may be set. */
export const UNIONS: Readonly<Record<string, readonly Members[]>> = {
  Volume: [VOLUMES],
  APIServiceSpec: [['caBundle', 'insecureSkipTLSVerify']],
  PersistentVolumeSpec: [PERSISTENT_KINDS],
  VolumeAttachmentSource: [[...PERSISTENT_KINDS.map(() => 'inlineVolumeSpec'), 'persistentVolumeName']], // once for each kind
  VolumeProjection: [
    ['clusterTrustBundle', 'clusterTrustBundle', 'configMap', 'downwardAPI', 'podCertificate', 'secret', 'serviceAccountToken'],
  ],
  DownwardAPIVolumeFile: [['fieldRef', 'resourceFieldRef']],
  ClusterTrustBundleProjection: [['name', ['signerName', 'labelSelector']]],
  Probe: [['exec', 'grpc', 'httpGet', 'tcpSocket']],
  LifecycleHandler: [['exec', 'httpGet', 'tcpSocket', 'sleep']],
  EnvVar: [['value', 'valueFrom', 'valueFrom', 'valueFrom', 'valueFrom', 'valueFrom']], // once for each source
  EnvVarSource: [['configMapKeyRef', 'fieldRef', 'resourceFieldRef', 'secretKeyRef', 'fileKeyRef']],
  EnvFromSource: [['configMapRef', 'secretRef']],
  VolumeMount: [['subPath', 'subPathExpr']],
  ContainerState: [['running', 'terminated', 'waiting']],
  NetworkPolicyPeer: [[['namespaceSelector', 'podSelector'], 'ipBlock']],
  IngressBackend: [['service', 'service', 'resource']], // twice, so that both kinds of port are seen
  ServiceBackendPort: [['name', 'number']],
  WebhookClientConfig: [['service', 'url']],
  PodDisruptionBudgetSpec: [['minAvailable', 'maxUnavailable']],
  DeviceRequest: [['exactly', 'firstAvailable']],
  DeviceConstraint: [['matchAttribute', 'distinctAttribute']],
  ResourceSliceSpec: [
    ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'],
    ['devices', 'sharedCounters'],
  ],
  PodSpec: [['hostPID', 'shareProcessNamespace']],
  PodResourceClaim: [['resourceClaimName', 'resourceClaimTemplateName']],
  Subject: [['group', 'serviceAccount', 'user']], // of flow schemas
  ClusterRole: [['rules', 'aggregationRule']], // aggregation writes the rules
  PolicyRule: [[['apiGroups', 'resources', 'resourceNames'], 'nonResourceURLs']],
  ParamRef: [['name', 'selector']],
  Mutation: [['applyConfiguration', 'jsonPatch']],
  Validation: [['message', 'messageExpression']],
  PodFailurePolicyRule: [['onExitCodes', 'onPodConditions']],
  MetricTarget: [['averageUtilization', 'averageValue', 'value']],
};

/** Metrics of each type with each target that it may have. */
const METRICS = [
  { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  {
    type: 'ContainerResource',
    containerResource: { name: 'memory', container: 'web', target: { type: 'AverageValue', averageValue: '7' } },
  },
  {
    type: 'Pods',
    pods: { metric: { name: 'hits', selector: { matchLabels: { a: 'b' } } }, target: { type: 'AverageValue', averageValue: '7' } },
  },
  {
    type: 'Object',
    object: {
      describedObject: { apiVersion: 'v1', kind: 'Service', name: 'web' },
      metric: { name: 'hits', selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] } },
      target: { type: 'Value', value: '7' },
    },
  },
  { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '7' } } },
];

const VOLUME_NAME = 'data';
const CIDR = '10.1.0.0/16';
const IP = '10.1.2.3';
const LABELS = { app: 'every-field' };
const CPU = { cpu: '2' };
const STORAGE = { storage: '3Gi' };

/** All that a structural schema may say, spread over its parts. */
const STRUCTURAL = {
  type: 'object',
  title: 'title',
  description: 'description',
  externalDocs: { url: 'https://example.com', description: 'more' },
  example: { text: 'a' },
  required: ['text'],
  minProperties: 1,
  maxProperties: 20,
  'x-kubernetes-validations': [
    {
      rule: 'self.text != oldSelf.orValue(self).text',
      message: 'm',
      messageExpression: '"m"',
      reason: 'FieldValueInvalid',
      fieldPath: '.text',
      optionalOldSelf: true,
    },
  ],
  properties: {
    text: { type: 'string', format: 'date', pattern: '^a', enum: ['a', 'ab'], minLength: 1, maxLength: 9, nullable: true },
    number: {
      type: 'number',
      default: 2,
      minimum: 1,
      maximum: 9,
      exclusiveMinimum: true,
      exclusiveMaximum: true,
      multipleOf: 1,
      allOf: [{ minimum: 1 }],
      anyOf: [{ minimum: 1 }],
      oneOf: [{ minimum: 1 }],
      not: { minimum: 100 },
    },
    list: {
      type: 'array',
      minItems: 1,
      maxItems: 9,
      items: { type: 'object', required: ['key'], properties: { key: { type: 'string' } } },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['key'],
    },
    map: { type: 'object', additionalProperties: { type: 'string' }, 'x-kubernetes-map-type': 'granular' },
    either: { 'x-kubernetes-int-or-string': true },
    embedded: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
  },
};

/** What JSON schema has and a structural schema has not. */
const NOT_STRUCTURAL = ['$ref', '$schema', 'additionalItems', 'definitions', 'dependencies', 'id', 'patternProperties', 'uniqueItems'];

/** Lists of these show every member of the union at once. */
export const LISTED: ReadonlySet<string> = new Set([
  'DownwardAPIVolumeFile',
  'EnvFromSource',
  'EnvVar',
  'NetworkPolicyPeer',
  'PodFailurePolicyRule',
  'PolicyRule',
  'Volume',
  'VolumeProjection',
]);

/** What stands where anything would not do: a value, or what makes one of the variant and of the value that the type alone would have given. */
type FieldValue = string | number | boolean | null | object | ((variant: number, sampled: never) => unknown);

/** `Type.field`, or `Kind:Type.field`, to its value; null leaves the field out. */
export const VALUES: Readonly<Record<string, FieldValue>> = {
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
  // selectors
  'LabelSelector.matchLabels': LABELS,
  'LabelSelectorRequirement.key': 'app',
  'LabelSelectorRequirement.operator': 'In',
  'LabelSelectorRequirement.values': ['every-field'],
  'ReplicationControllerSpec.selector': LABELS,
  'NodeSelectorRequirement.operator': 'In',
  'NodeSelectorTerm.matchFields': [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
  // pods
  'Volume.name': (variant: number) => (variant === 0 ? VOLUME_NAME : `${VOLUME_NAME}-${variant}`),
  'EnvVar.name': (variant: number) => `VARIABLE_${variant}`,
  'VolumeMount.name': VOLUME_NAME,
  'VolumeDevice.name': VOLUME_NAME,
  'PodSpec.initContainers': (_: number, [container]: object[]) => [{ ...container, name: 'init', ports: undefined }],
  'PodSpec.ephemeralContainers': null,
  'PodSpec.serviceAccountName': 'robot',
  'PodSpec.serviceAccount': 'robot',
  'PodSpec.nodeName': (variant: number) => (variant % 2 === 0 ? 'n' : null),
  'PodSpec.schedulingGates': (variant: number) => (variant % 2 === 0 ? null : [{ name: 'example.com/gate' }]),
  'PodSpec.activeDeadlineSeconds': null,
  'Pod:PodSpec.activeDeadlineSeconds': 60,
  'Job:PodSpec.activeDeadlineSeconds': 60,
  'ObjectFieldSelector.fieldPath': 'metadata.name',
  'ServiceAccountTokenProjection.expirationSeconds': 3600,
  'NFSVolumeSource.path': '/exports',
  'PodSpec.preemptionPolicy': 'PreemptLowerPriority', // as the class says, and the priority too
  'PodSpec.priority': 7,
  'PodSpec.overhead': { cpu: '1' },
  'PodSpec.restartPolicy': 'Always',
  'Job:PodSpec.restartPolicy': 'Never',
  'CronJob:PodSpec.restartPolicy': 'Never',
  'Container.restartPolicy': 'Always',
  'Container.readinessProbe': (_: number, probe: object) => ({ ...probe, terminationGracePeriodSeconds: undefined }),
  'EphemeralContainer.restartPolicy': null,
  'EphemeralContainer.restartPolicyRules': null,
  'Probe.successThreshold': 1,
  'ResourceRequirements.limits': CPU,
  'ResourceRequirements.requests': CPU,
  'PodFailurePolicyOnExitCodesRequirement.operator': 'In',
  'Job:Container.name': 'main',
  'CronJob:Container.name': 'main',
  'PodFailurePolicyOnExitCodesRequirement.containerName': 'main',
  'PodFailurePolicyOnPodConditionsPattern.status': 'True',
  'SuccessPolicyRule.succeededIndexes': '0',
  'JobSpec.completionMode': 'Indexed',
  'JobSpec.managedBy': 'example.com/controller',
  'HorizontalPodAutoscalerSpec.metrics': METRICS,
  'HPAScalingRules.selectPolicy': 'Max',
  'HPAScalingPolicy.type': 'Percent',
  'ResourceFieldSelector.resource': 'limits.cpu',
  'ResourceFieldSelector.divisor': '1',
  'HostAlias.ip': IP,
  'PodDNSConfig.nameservers': [IP],
  // What is Windows's goes with no pod that says it is for Linux.
  'PodSpec.os': (variant: number) => (variant % 2 === 0 ? { name: 'linux' } : null),
  'PodSecurityContext.windowsOptions': (variant: number, sampled: object) => (variant % 2 === 0 ? null : sampled),
  'SecurityContext.windowsOptions': (variant: number, sampled: object) => (variant % 2 === 0 ? null : sampled),
  'ContainerResizePolicy.resourceName': 'cpu',
  'ContainerResizePolicy.restartPolicy': 'NotRequired',
  'ContainerPort.hostIP': '127.0.0.1',
  // limits
  'LimitRangeItem.type': 'Container',
  'LimitRangeItem.min': { cpu: '1' },
  'LimitRangeItem.max': { cpu: '4' },
  'LimitRangeItem.default': CPU,
  'LimitRangeItem.defaultRequest': CPU,
  'LimitRangeItem.maxLimitRequestRatio': { cpu: '3' },
  'ResourceQuotaSpec.hard': { pods: '3' },
  'ResourceQuotaSpec.scopes': ['NotTerminating'],
  'ScopedResourceSelectorRequirement.scopeName': 'PriorityClass',
  'ScopedResourceSelectorRequirement.operator': 'In',
  'ServiceSpec.trafficDistribution': 'PreferClose',
  'StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted': 'Delete',
  'StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled': 'Delete',
  // workloads
  'DeploymentStrategy.type': 'RollingUpdate',
  'DeploymentSpec.progressDeadlineSeconds': 60,
  'DaemonSetUpdateStrategy.type': 'RollingUpdate',
  'RollingUpdateDaemonSet.maxSurge': (variant: number) => (variant % 2 === 0 ? 0 : 8),
  'RollingUpdateDaemonSet.maxUnavailable': (variant: number) => (variant % 2 === 0 ? 8 : 0),
  'StatefulSetUpdateStrategy.type': 'RollingUpdate',
  'CronJobSpec.schedule': '*/5 * * * *',
  'CronJobSpec.timeZone': 'Europe/Berlin',
  'StatefulSet:PersistentVolumeClaim.apiVersion': null,
  'StatefulSet:PersistentVolumeClaim.kind': null,
  // storage
  'PersistentVolumeSpec.capacity': STORAGE,
  'CSIDriverSpec.fsGroupPolicy': 'File',
  'CSIDriverSpec.nodeAllocatableUpdatePeriodSeconds': 60,
  'CSIDriverSpec.volumeLifecycleModes': ['Persistent'],
  'CSIDriver:TokenRequest.expirationSeconds': 3600,
  'VolumeResourceRequirements.limits': STORAGE,
  'VolumeResourceRequirements.requests': STORAGE,
  // network
  'ServiceSpec.type': 'LoadBalancer',
  'ServiceSpec.clusterIP': '10.96.0.77',
  'ServiceSpec.clusterIPs': ['10.96.0.77'],
  'ServiceSpec.ipFamilies': ['IPv4'],
  'ServiceSpec.ipFamilyPolicy': 'SingleStack',
  'ServiceSpec.externalIPs': ['192.0.2.1'],
  'ServiceSpec.loadBalancerIP': '192.0.2.2',
  'ServiceSpec.loadBalancerSourceRanges': [CIDR],
  'ServiceSpec.externalTrafficPolicy': 'Local',
  'ServiceSpec.sessionAffinity': 'ClientIP',
  'ServiceSpec.healthCheckNodePort': 30_777,
  'ServicePort.nodePort': 30_778,
  'IngressServiceBackend.name': 'web',
  'HTTPIngressPath.path': '/',
  'HTTPIngressPath.pathType': 'Prefix',
  'NetworkPolicyPort.endPort': 9,
  'IPBlock.cidr': CIDR,
  'IPBlock.except': ['10.1.1.0/24'],
  'ServiceCIDRSpec.cidrs': [CIDR],
  'EndpointAddress.ip': IP,
  'Endpoint.addresses': [IP],
  'EndpointSlice.addressType': 'IPv4',
  // devices
  'PodResourceClaim.name': 'cards',
  'ResourceClaim.name': 'cards', // core/v1: what a container takes of its pod's claims
  'DeviceRequest.name': 'gpu',
  'DeviceSubRequest.name': 'small',
  'DeviceSubRequest.allocationMode': 'ExactCount',
  'ExactDeviceRequest.allocationMode': 'ExactCount',
  'DeviceToleration.operator': 'Equal',
  'DeviceToleration.effect': 'NoExecute',
  'DeviceConstraint.requests': ['gpu'],
  'DeviceConstraint.matchAttribute': 'example.com/numa',
  'DeviceConstraint.distinctAttribute': 'example.com/numa',
  'DeviceClaimConfiguration.requests': ['gpu'],
  'OpaqueDeviceConfiguration.driver': 'gpu.example.com',
  'OpaqueDeviceConfiguration.parameters': { mode: 'shared' },
  'Device.attributes': {
    bool: { bool: true },
    bools: { bools: [true] },
    int: { int: 7 },
    ints: { ints: [7] },
    string: { string: 'text' },
    strings: { strings: ['text'] },
    version: { version: '1.2.3' },
    versions: { versions: ['1.2.3'] },
  },
  // admission
  'ValidatingAdmissionPolicyStatus.observedGeneration': 1, // else the server looks at it again
  'MatchCondition.expression': 'true',
  'Variable.expression': '1',
  'Validation.expression': 'true',
  'Validation.messageExpression': '"m"',
  'Validation.reason': 'Invalid',
  'AuditAnnotation.valueExpression': '"v"',
  'Mutation.patchType': (variant: number) => ['ApplyConfiguration', 'JSONPatch'][variant % 2],
  'ApplyConfiguration.expression': 'Object{}',
  'JSONPatch.expression': '[JSONPatch{op: "remove", path: "/data"}]',
  'ParamRef.parameterNotFoundAction': 'Deny',
  'ValidatingAdmissionPolicyBindingSpec.validationActions': ['Deny'],
  'MutatingWebhook.name': 'hook.example.com',
  'ValidatingWebhook.name': 'hook.example.com',
  'MutatingWebhook.admissionReviewVersions': ['v1'],
  'ValidatingWebhook.admissionReviewVersions': ['v1'],
  'MutatingWebhook.sideEffects': 'None',
  'ValidatingWebhook.sideEffects': 'None',
  'ServiceReference.path': '/path',
  'Rule.scope': 'Namespaced',
  'RuleWithOperations.operations': ['CREATE'],
  // the rest
  'NamespaceSpec.finalizers': ['kubernetes'],
  'Event.type': 'Normal',
  'LeaseSpec.strategy': 'OldestEmulationVersion',
  'IngressClassSpec.controller': 'example.com/controller',
  'IngressClassParametersReference.scope': 'Namespace',
  'ConfigMap.binaryData': { binary: 'AQI=' },
  'Secret.stringData': null,
  'CertificateSigningRequestSpec.request': btoa('-----BEGIN CERTIFICATE REQUEST-----\n'),
  'CertificateSigningRequestSpec.signerName': 'example.com/signer',
  'CertificateSigningRequestCondition.status': 'True',
  'CertificateSigningRequestStatus.certificate': btoa('-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n'),
  'CertificateSigningRequestSpec.expirationSeconds': 3600,
  'CertificateSigningRequestSpec.username': 'kubernetes-admin',
  'CertificateSigningRequestSpec.groups': ['system:masters', 'system:authenticated'],
  'CertificateSigningRequestSpec.uid': null,
  'CertificateSigningRequestSpec.extra': null,
  'RoleRef.apiGroup': 'rbac.authorization.k8s.io',
  'RoleRef.kind': 'ClusterRole',
  'Subject.apiGroup': 'rbac.authorization.k8s.io',
  'Subject.kind': 'User',
  'Subject.namespace': null,
  'FlowSchema:Subject.kind': (variant: number) => ['Group', 'ServiceAccount', 'User'][variant % 3],
  'FlowDistinguisherMethod.type': 'ByUser',
  'ResourcePolicyRule.verbs': ['get'],
  'NonResourcePolicyRule.verbs': ['get'],
  'NonResourcePolicyRule.nonResourceURLs': ['/healthz'],
  'PriorityLevelConfigurationSpec.type': 'Limited',
  'LimitResponse.type': 'Queue',
  'PriorityLevelConfigurationSpec.exempt': null,
  'Role:Role.rules': (_: number, [rule]: object[]) => [rule],
  'CustomResourceDefinitionSpec.group': 'example.com',
  'CustomResourceDefinitionSpec.scope': 'Namespaced',
  'APIServiceSpec.version': (variant: number) => `v${variant}`,
  'CustomResourceDefinitionNames.plural': (variant: number) => `things${variant}`,
  'CustomResourceDefinitionNames.kind': (variant: number) => `Thing${variant}`,
  'CustomResourceDefinitionNames.listKind': (variant: number) => `Thing${variant}List`,
  'CustomResourceDefinitionNames.singular': (variant: number) => `thing${variant}`,
  'CustomResourceDefinitionNames.shortNames': (variant: number) => [`th${variant}`],
  'CustomResourceDefinitionVersion.name': 'v1',
  'CustomResourceDefinitionSpec.preserveUnknownFields': null,
  'CustomResourceConversion.strategy': 'Webhook',
  'WebhookConversion.conversionReviewVersions': ['v1'],
  'WebhookClientConfig.url': 'https://hooks.example.com/convert',
  'CustomResourceColumnDefinition.type': 'string',
  'CustomResourceColumnDefinition.format': 'date',
  'CustomResourceColumnDefinition.jsonPath': '.text',
  'SelectableField.jsonPath': '.text',
  'CustomResourceSubresourceScale.specReplicasPath': '.spec.replicas',
  'CustomResourceSubresourceScale.statusReplicasPath': '.status.replicas',
  'CustomResourceSubresourceScale.labelSelectorPath': '.status.selector',
  'CustomResourceValidation.openAPIV3Schema': STRUCTURAL,
};

/** Fields that no stored object ever shows (or none of a kind: `Kind:Type.field`), with why. */
export const NEVER_KEPT: ReadonlySet<string> = new Set([
  'ObjectMeta.selfLink', // no longer set since 1.20
  'ObjectMeta.generateName', // named objects are not generated
  'ObjectMeta.deletionTimestamp', // only of an object that is going
  'ObjectMeta.deletionGracePeriodSeconds',
  'ObjectMeta.generation', // counted for some kinds only
  'ObjectMeta.namespace', // of namespaced kinds only
  'ManagedFieldsEntry.subresource', // of kinds with a status only
  'Secret.stringData', // becomes data
  'CertificateSigningRequestSpec.uid', // the requester's, who has none
  'CertificateSigningRequestSpec.extra',
  'PodSpec.ephemeralContainers', // only by their own subresource
  'PodSpec.activeDeadlineSeconds', // of pods that end
  'Role:PolicyRule.nonResourceURLs', // of cluster roles only
  'CustomResourceDefinitionSpec.preserveUnknownFields', // true is refused, false is absence
  ...NOT_STRUCTURAL.map((name) => `JSONSchemaProps.${name}`),
  'Subject.namespace', // of service accounts only
  'PriorityLevelConfigurationSpec.exempt', // of the level "exempt" only, which the server makes
  'ExemptPriorityLevelConfiguration.nominalConcurrencyShares',
  'ExemptPriorityLevelConfiguration.lendablePercent',
]);

/** Kinds whose name is not theirs to choose. */
export const NAMES: Readonly<Record<string, (variant: number) => string>> = {
  APIService: (variant) => `v${variant}.group`,
  IPAddress: (variant) => `10.96.9.${variant}`,
  CustomResourceDefinition: (variant) => `things${variant}.example.com`,
};
