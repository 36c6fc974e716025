/** Defaulting: what the API fills in before admission, so that every stored object says what it means. */
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { defaultHorizontalPodAutoscaler, defaultHorizontalPodAutoscalerV1 } from './autoscaling.ts';
import { applyConstantDefaults } from './constants.ts';
import { defaultApiService, defaultCustomResourceDefinition, defaultPolicy, defaultPolicyBinding, defaultWebhooks } from './extension.ts';
import {
  defaultFlowSchema,
  defaultLimitRange,
  defaultNamespace,
  defaultNode,
  defaultPriorityClass,
  defaultPriorityLevel,
  defaultRoleBinding,
  defaultSecret,
} from './cluster.ts';
import { defaultEndpoints, defaultEndpointSlice, defaultIngressClass, defaultNetworkPolicy, defaultService } from './network.ts';
import { defaultPod, defaultPodTemplate } from './pod.ts';
import { defaultResourceClaim, defaultResourceClaimTemplate } from './resource.ts';
import { defaultCSIDriver, defaultPersistentVolume, defaultPersistentVolumeClaim, defaultStorageClass } from './storage.ts';
import {
  defaultCronJob,
  defaultDaemonSet,
  defaultDeployment,
  defaultJob,
  defaultReplicaSet,
  defaultReplicationController,
  defaultStatefulSet,
} from './workloads.ts';

/**
 * Fills in the defaults of `object` in place and returns it: the constant ones of the schema, then the kind's own. The object must
 * be the caller's to change. Applying it twice changes nothing more. Kinds without rules of their own get the schema's only.
 */
export function applyDefaults(info: ResourceInfo, object: KubeObject): KubeObject {
  applyConstantDefaults(object, info.schema);
  RULES[`${info.group}/${info.kind}`]?.(object as never);
  if (info.kind === 'HorizontalPodAutoscaler')
    (info.version === 'v1' ? defaultHorizontalPodAutoscalerV1 : defaultHorizontalPodAutoscaler)(object as never);
  return object;
}

/**
 * The same for a write to the status: `object` may be without all that is neither its status nor its metadata, and the defaults of the rest are
 * left out where it is there.
 */
export function applyStatusDefaults(info: ResourceInfo, object: KubeObject): KubeObject {
  const schema = info.schema.fields?.['status']?.schema;
  if (schema && object['status'] !== undefined) applyConstantDefaults(object['status'], schema);
  const kind = `${info.group}/${info.kind}`;
  if (WITH_STATUS_DEFAULTS.has(kind)) RULES[kind]!(object as never);
  return object;
}

/** Kinds whose rules speak of the status; they take an object without a spec. */
const WITH_STATUS_DEFAULTS: ReadonlySet<string> = new Set(['/Namespace', '/Node', '/PersistentVolume', '/PersistentVolumeClaim']);

/** `group/Kind` to its rules. Versions of a kind share them (HorizontalPodAutoscaler alone does not). */
const RULES: Readonly<Record<string, (object: never) => void>> = {
  '/Pod': defaultPod,
  '/PodTemplate': defaultPodTemplate,
  '/ReplicationController': defaultReplicationController,
  '/Service': defaultService,
  '/Endpoints': defaultEndpoints,
  '/Secret': defaultSecret,
  '/Namespace': defaultNamespace,
  '/Node': defaultNode,
  '/LimitRange': defaultLimitRange,
  '/PersistentVolume': defaultPersistentVolume,
  '/PersistentVolumeClaim': defaultPersistentVolumeClaim,
  'apps/Deployment': defaultDeployment,
  'apps/ReplicaSet': defaultReplicaSet,
  'apps/StatefulSet': defaultStatefulSet,
  'apps/DaemonSet': defaultDaemonSet,
  'batch/Job': defaultJob,
  'batch/CronJob': defaultCronJob,
  'networking.k8s.io/IngressClass': defaultIngressClass,
  'networking.k8s.io/NetworkPolicy': defaultNetworkPolicy,
  'discovery.k8s.io/EndpointSlice': defaultEndpointSlice,
  'storage.k8s.io/StorageClass': defaultStorageClass,
  'storage.k8s.io/CSIDriver': defaultCSIDriver,
  'rbac.authorization.k8s.io/RoleBinding': defaultRoleBinding,
  'rbac.authorization.k8s.io/ClusterRoleBinding': defaultRoleBinding,
  'scheduling.k8s.io/PriorityClass': defaultPriorityClass,
  'flowcontrol.apiserver.k8s.io/FlowSchema': defaultFlowSchema,
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': defaultPriorityLevel,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': defaultWebhooks,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': defaultWebhooks,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': defaultPolicy,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': defaultPolicyBinding,
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': defaultPolicy,
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': defaultPolicyBinding,
  'apiextensions.k8s.io/CustomResourceDefinition': defaultCustomResourceDefinition,
  'apiregistration.k8s.io/APIService': defaultApiService,
  'resource.k8s.io/ResourceClaim': defaultResourceClaim,
  'resource.k8s.io/ResourceClaimTemplate': defaultResourceClaimTemplate,
};
