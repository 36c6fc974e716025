/** `group/Kind` to its own rules; versions of a kind share them. */
import { checkCronJob, checkJob, checkJobUpdate } from './batch.ts';
import { checkCertificateSigningRequest, checkSigningRequestStatus } from './certificate.ts';
import { checkConfigMap, checkConfigMapUpdate, checkSecret, checkSecretUpdate } from './config.ts';
import { checkNode, checkNodeUpdate, checkPriorityClass, checkPriorityClassUpdate } from './core.ts';
import { checkLimitRange, checkResourceQuota, checkResourceQuotaUpdate } from './quota.ts';
import { checkApiService } from './api-service.ts';
import {
  checkCsiDriver,
  checkCsiDriverUpdate,
  checkCsiNode,
  checkCsiNodeUpdate,
  checkCsiStorageCapacity,
  checkCsiStorageCapacityUpdate,
  checkVolumeAttachment,
  checkVolumeAttachmentUpdate,
  checkVolumeAttributesClass,
  checkVolumeAttributesClassUpdate,
} from './csi.ts';
import {
  checkDeviceClass,
  checkResourceClaim,
  checkResourceClaimStatus,
  checkResourceClaimTemplate,
  checkResourceClaimTemplateUpdate,
  checkResourceClaimUpdate,
  checkResourceSlice,
  checkResourceSliceUpdate,
} from './devices.ts';
import { checkFlowSchema, checkFlowSchemaUpdate, checkPriorityLevel, checkPriorityLevelUpdate } from './flow-control.ts';
import { checkCustomResourceDefinition, checkDefinitionUpdate } from './extension.ts';
import { checkEndpoints, checkEndpointSlice, checkEndpointSliceUpdate, checkIngress, checkNetworkPolicy } from './network.ts';
import { checkPod, checkTemplate } from './pod.ts';
import { checkPodUpdate } from './pod-update.ts';
import { checkHorizontalPodAutoscaler } from './autoscaler.ts';
import { checkPodDisruptionBudget } from './policy.ts';
import type { Problems } from './problems.ts';
import {
  checkControllerRevision,
  checkControllerRevisionUpdate,
  checkEvent,
  checkIngressClass,
  checkIngressClassUpdate,
  checkLease,
  checkNamespace,
  checkRuntimeClass,
  checkRuntimeClassUpdate,
} from './small-kinds.ts';
import { checkBinding, checkBindingUpdate, checkClusterRole, checkRole } from './rbac.ts';
import { checkService, checkServiceUpdate } from './service.ts';
import { checkIpAddress, checkIpAddressUpdate, checkServiceCidr, checkServiceCidrUpdate } from './service-cidr.ts';
import {
  checkClaimUpdate,
  checkPersistentVolume,
  checkPersistentVolumeClaim,
  checkStorageClass,
  checkStorageClassUpdate,
  checkVolumeUpdate,
} from './storage.ts';
import {
  checkDaemonSet,
  checkDeployment,
  checkReplicaSet,
  checkReplicationController,
  checkSelectorUpdate,
  checkStatefulSet,
  checkStatefulSetUpdate,
} from './workloads.ts';
import { checkWebhookConfiguration } from './webhooks.ts';
import type { PodTemplate } from '../types.gen.ts';

/** What holds for every object of the kind, new or changed. */
export const CREATE_CHECKS: Readonly<Record<string, (problems: Problems, object: never) => void>> = {
  '/Pod': checkPod,
  '/PodTemplate': (problems: Problems, { template }: PodTemplate) => checkTemplate(problems, 'template', template),
  '/ReplicationController': checkReplicationController,
  '/Service': checkService,
  '/Endpoints': checkEndpoints,
  '/ConfigMap': checkConfigMap,
  '/Secret': checkSecret,
  '/Node': checkNode,
  '/Namespace': checkNamespace,
  '/Event': checkEvent,
  '/ResourceQuota': checkResourceQuota,
  '/LimitRange': checkLimitRange,
  '/PersistentVolume': checkPersistentVolume,
  '/PersistentVolumeClaim': checkPersistentVolumeClaim,
  'apps/Deployment': checkDeployment,
  'apps/ReplicaSet': checkReplicaSet,
  'apps/StatefulSet': checkStatefulSet,
  'apps/DaemonSet': checkDaemonSet,
  'apps/ControllerRevision': checkControllerRevision,
  'batch/Job': checkJob,
  'batch/CronJob': checkCronJob,
  'networking.k8s.io/Ingress': checkIngress,
  'networking.k8s.io/IngressClass': checkIngressClass,
  'networking.k8s.io/NetworkPolicy': checkNetworkPolicy,
  'coordination.k8s.io/Lease': checkLease,
  'node.k8s.io/RuntimeClass': checkRuntimeClass,
  'discovery.k8s.io/EndpointSlice': checkEndpointSlice,
  'policy/PodDisruptionBudget': checkPodDisruptionBudget,
  'autoscaling/HorizontalPodAutoscaler': checkHorizontalPodAutoscaler,
  'storage.k8s.io/StorageClass': checkStorageClass,
  'storage.k8s.io/CSIDriver': checkCsiDriver,
  'storage.k8s.io/CSINode': checkCsiNode,
  'storage.k8s.io/CSIStorageCapacity': checkCsiStorageCapacity,
  'storage.k8s.io/VolumeAttachment': checkVolumeAttachment,
  'storage.k8s.io/VolumeAttributesClass': checkVolumeAttributesClass,
  'scheduling.k8s.io/PriorityClass': checkPriorityClass,
  'rbac.authorization.k8s.io/Role': checkRole,
  'rbac.authorization.k8s.io/ClusterRole': checkClusterRole,
  'rbac.authorization.k8s.io/RoleBinding': checkBinding(['ClusterRole', 'Role']),
  'rbac.authorization.k8s.io/ClusterRoleBinding': checkBinding(['ClusterRole']),
  'certificates.k8s.io/CertificateSigningRequest': checkCertificateSigningRequest,
  'networking.k8s.io/ServiceCIDR': checkServiceCidr,
  'networking.k8s.io/IPAddress': checkIpAddress,
  'flowcontrol.apiserver.k8s.io/FlowSchema': checkFlowSchema,
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': checkPriorityLevel,
  'apiextensions.k8s.io/CustomResourceDefinition': checkCustomResourceDefinition,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': checkWebhookConfiguration,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': checkWebhookConfiguration,
  'apiregistration.k8s.io/APIService': checkApiService,
  'resource.k8s.io/ResourceClaim': checkResourceClaim,
  'resource.k8s.io/ResourceClaimTemplate': checkResourceClaimTemplate,
  'resource.k8s.io/DeviceClass': checkDeviceClass,
  'resource.k8s.io/ResourceSlice': checkResourceSlice,
};

/** What holds for a new status, of the few kinds where more than their own component writes it. */
export const STATUS_CHECKS: Readonly<Record<string, (problems: Problems, object: never, old: never) => void>> = {
  'certificates.k8s.io/CertificateSigningRequest': checkSigningRequestStatus,
  'resource.k8s.io/ResourceClaim': checkResourceClaimStatus,
};

/** What an update may not do. */
export const UPDATE_CHECKS: Readonly<Record<string, (problems: Problems, object: never, old: never) => void>> = {
  '/Pod': checkPodUpdate,
  '/Service': checkServiceUpdate,
  '/ConfigMap': checkConfigMapUpdate,
  '/Secret': checkSecretUpdate,
  '/Node': checkNodeUpdate,
  '/ResourceQuota': checkResourceQuotaUpdate,
  '/PersistentVolume': checkVolumeUpdate,
  '/PersistentVolumeClaim': checkClaimUpdate,
  'apps/Deployment': checkSelectorUpdate,
  'apps/ReplicaSet': checkSelectorUpdate,
  'apps/DaemonSet': checkSelectorUpdate,
  'apps/StatefulSet': checkStatefulSetUpdate,
  'apps/ControllerRevision': checkControllerRevisionUpdate,
  'batch/Job': checkJobUpdate,
  'networking.k8s.io/IngressClass': checkIngressClassUpdate,
  'node.k8s.io/RuntimeClass': checkRuntimeClassUpdate,
  'discovery.k8s.io/EndpointSlice': checkEndpointSliceUpdate,
  'networking.k8s.io/ServiceCIDR': checkServiceCidrUpdate,
  'networking.k8s.io/IPAddress': checkIpAddressUpdate,
  'flowcontrol.apiserver.k8s.io/FlowSchema': checkFlowSchemaUpdate,
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': checkPriorityLevelUpdate,
  'storage.k8s.io/StorageClass': checkStorageClassUpdate,
  'storage.k8s.io/CSIDriver': checkCsiDriverUpdate,
  'storage.k8s.io/CSINode': checkCsiNodeUpdate,
  'storage.k8s.io/CSIStorageCapacity': checkCsiStorageCapacityUpdate,
  'storage.k8s.io/VolumeAttachment': checkVolumeAttachmentUpdate,
  'storage.k8s.io/VolumeAttributesClass': checkVolumeAttributesClassUpdate,
  'scheduling.k8s.io/PriorityClass': checkPriorityClassUpdate,
  'rbac.authorization.k8s.io/RoleBinding': checkBindingUpdate,
  'rbac.authorization.k8s.io/ClusterRoleBinding': checkBindingUpdate,
  'apiextensions.k8s.io/CustomResourceDefinition': checkDefinitionUpdate,
  'resource.k8s.io/ResourceClaim': checkResourceClaimUpdate,
  'resource.k8s.io/ResourceClaimTemplate': checkResourceClaimTemplateUpdate,
  'resource.k8s.io/ResourceSlice': checkResourceSliceUpdate,
};
