/** `group/Kind` to its own rules; versions of a kind share them. */
import { checkCronJob, checkJob, checkJobUpdate } from './batch.ts';
import { checkCertificateSigningRequest } from './certificate.ts';
import { checkConfigMap, checkConfigMapUpdate, checkSecret, checkSecretUpdate } from './config.ts';
import { checkLimitRange, checkNode, checkNodeUpdate, checkPriorityClass, checkPriorityClassUpdate, checkResourceQuota } from './core.ts';
import { checkCustomResourceDefinition, checkDefinitionUpdate } from './extension.ts';
import { checkEndpoints, checkEndpointSlice, checkEndpointSliceUpdate, checkIngress, checkNetworkPolicy } from './network.ts';
import { checkPod, checkPodUpdate, checkTemplate } from './pod.ts';
import { checkHorizontalPodAutoscaler, checkPodDisruptionBudget } from './policy.ts';
import type { Problems } from './problems.ts';
import { checkBinding, checkBindingUpdate, checkClusterRole, checkRole } from './rbac.ts';
import { checkService, checkServiceUpdate } from './service.ts';
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
  '/ResourceQuota': checkResourceQuota,
  '/LimitRange': checkLimitRange,
  '/PersistentVolume': checkPersistentVolume,
  '/PersistentVolumeClaim': checkPersistentVolumeClaim,
  'apps/Deployment': checkDeployment,
  'apps/ReplicaSet': checkReplicaSet,
  'apps/StatefulSet': checkStatefulSet,
  'apps/DaemonSet': checkDaemonSet,
  'batch/Job': checkJob,
  'batch/CronJob': checkCronJob,
  'networking.k8s.io/Ingress': checkIngress,
  'networking.k8s.io/NetworkPolicy': checkNetworkPolicy,
  'discovery.k8s.io/EndpointSlice': checkEndpointSlice,
  'policy/PodDisruptionBudget': checkPodDisruptionBudget,
  'autoscaling/HorizontalPodAutoscaler': checkHorizontalPodAutoscaler,
  'storage.k8s.io/StorageClass': checkStorageClass,
  'scheduling.k8s.io/PriorityClass': checkPriorityClass,
  'rbac.authorization.k8s.io/Role': checkRole,
  'rbac.authorization.k8s.io/ClusterRole': checkClusterRole,
  'rbac.authorization.k8s.io/RoleBinding': checkBinding(['ClusterRole', 'Role']),
  'rbac.authorization.k8s.io/ClusterRoleBinding': checkBinding(['ClusterRole']),
  'certificates.k8s.io/CertificateSigningRequest': checkCertificateSigningRequest,
  'apiextensions.k8s.io/CustomResourceDefinition': checkCustomResourceDefinition,
};

/** What an update may not do. */
export const UPDATE_CHECKS: Readonly<Record<string, (problems: Problems, object: never, old: never) => void>> = {
  '/Pod': checkPodUpdate,
  '/Service': checkServiceUpdate,
  '/ConfigMap': checkConfigMapUpdate,
  '/Secret': checkSecretUpdate,
  '/Node': checkNodeUpdate,
  '/PersistentVolume': checkVolumeUpdate,
  '/PersistentVolumeClaim': checkClaimUpdate,
  'apps/Deployment': checkSelectorUpdate,
  'apps/ReplicaSet': checkSelectorUpdate,
  'apps/DaemonSet': checkSelectorUpdate,
  'apps/StatefulSet': checkStatefulSetUpdate,
  'batch/Job': checkJobUpdate,
  'discovery.k8s.io/EndpointSlice': checkEndpointSliceUpdate,
  'storage.k8s.io/StorageClass': checkStorageClassUpdate,
  'scheduling.k8s.io/PriorityClass': checkPriorityClassUpdate,
  'rbac.authorization.k8s.io/RoleBinding': checkBindingUpdate,
  'rbac.authorization.k8s.io/ClusterRoleBinding': checkBindingUpdate,
  'apiextensions.k8s.io/CustomResourceDefinition': checkDefinitionUpdate,
};
