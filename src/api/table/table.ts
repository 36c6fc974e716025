/**
 * Objects as rows: what `kubectl get` prints is made here, column by column as upstream's printers do. Rows always have the wide
 * columns; kubectl hides by priority.
 */
import { parseGroupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import type { LegacyRules, ResourceInfo } from '../schema/schema.ts';
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1, scales } from './autoscaling.ts';
import { AGE, ageOf, column, NAME } from './columns.ts';
import type { Cell, Printer, RowCondition, TableColumn } from './columns.ts';
import {
  componentStatuses,
  configMaps,
  events,
  leases,
  namespaces,
  nodes,
  priorityClasses,
  resourceQuotas,
  runtimeClasses,
  secrets,
  serviceAccounts,
} from './core.ts';
import { apiServices, mutatingPolicies, policyBindings, validatingPolicies, webhookConfigurations } from './extension.ts';
import { endpoints, endpointSlices, ingressClasses, ingresses, ipAddresses, networkPolicies, serviceCIDRs, services } from './network.ts';
import { podTemplates, pods } from './pods.ts';
import { certificateSigningRequests, flowSchemas, podDisruptionBudgets, priorityLevels, roleBindings } from './policy.ts';
import { namesAndAges, resourceClaims, resourceSlices } from './resource.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  volumeAttachments,
  volumeAttributesClasses,
} from './storage.ts';
import {
  controllerRevisions,
  cronJobs,
  daemonSets,
  deployments,
  jobs,
  replicaSets,
  replicationControllers,
  statefulSets,
} from './workloads.ts';

export type { TableColumn } from './columns.ts';

export interface TableRow {
  cells: Cell[];
  conditions?: RowCondition[];
  /** As `includeObject` asks: the object's metadata, the object, or absent. */
  object?: KubeObject | null;
}

export interface Table {
  kind: 'Table';
  apiVersion: 'meta.k8s.io/v1';
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly TableColumn[];
  rows: TableRow[];
}

export interface TableOptions {
  /** Milliseconds since the epoch: ages are relative to it. */
  now: number;
  metadata?: Table['metadata'];
  includeObject?: 'None' | 'Metadata' | 'Object';
}

/** The columns of a resource; the same array every time. */
export function columnsFor(info: ResourceInfo): readonly TableColumn[] {
  return printerOf(info).columns;
}

/** One row. Its cells depend on `now` through ages; everything else changes only with the object. */
export function rowFor(info: ResourceInfo, object: KubeObject, now: number): TableRow {
  const printer = printerOf(info);
  const row: TableRow = { cells: printer.cells(object, now) };
  const conditions = printer.conditions?.(object);
  if (conditions) row.conditions = conditions;
  return row;
}

/** A metav1.Table of the objects. */
export function tableFor(
  info: ResourceInfo,
  objects: readonly KubeObject[],
  { now, metadata = {}, includeObject = 'Metadata' }: TableOptions,
): Table {
  const rows = objects.map((object) => {
    const row = rowFor(info, object, now);
    if (includeObject === 'Object') row.object = object;
    else if (includeObject === 'Metadata')
      row.object = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
    return row;
  });
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: columnsFor(info), rows };
}

function printerOf(info: ResourceInfo): Printer {
  if (info.custom) return info.custom.printer;
  if (info.legacy) return legacyPrinter(info, info.legacy);
  if (info.kind === 'HorizontalPodAutoscaler' && info.version === 'v1') return horizontalPodAutoscalersV1 as Printer<never>;
  return PRINTERS[`${info.group}/${info.kind}`] ?? (info.schema.name?.startsWith('io.k8s.') ? NAME_AND_CREATION : NAME_AND_AGE);
}

/** A version of old shows what the stored one does. */
function legacyPrinter({ kind, storageVersion }: ResourceInfo, { toStorage }: LegacyRules): Printer {
  const printer = (PRINTERS[`${parseGroupVersion(storageVersion).group}/${kind}`] ?? NAME_AND_CREATION) as Printer;
  if (!toStorage) return printer;
  return { ...printer, cells: (object, now) => printer.cells(toStorage(object), now) };
}

/** What upstream shows for built-in kinds without a printer. */
const NAME_AND_CREATION: Printer = {
  columns: [NAME, column('Created At', 'date')],
  cells: ({ metadata }) => [metadata.name ?? '', metadata.creationTimestamp ?? null],
};

/** What upstream shows for custom resources without columns of their own. */
const NAME_AND_AGE: Printer = {
  columns: [NAME, AGE],
  cells: (object, now) => [object.metadata.name ?? '', ageOf(object, now)],
};

const PRINTERS: Readonly<Record<string, Printer<never>>> = {
  '/Pod': pods,
  '/PodTemplate': podTemplates,
  '/ReplicationController': replicationControllers,
  '/Service': services,
  '/Endpoints': endpoints,
  '/Node': nodes,
  '/Event': events,
  '/Namespace': namespaces,
  '/Secret': secrets,
  '/ConfigMap': configMaps,
  '/ServiceAccount': serviceAccounts,
  '/PersistentVolume': persistentVolumes,
  '/PersistentVolumeClaim': persistentVolumeClaims,
  '/ComponentStatus': componentStatuses,
  '/ResourceQuota': resourceQuotas,
  'events.k8s.io/Event': events,
  'apps/Deployment': deployments,
  'apps/ReplicaSet': replicaSets,
  'apps/StatefulSet': statefulSets,
  'apps/DaemonSet': daemonSets,
  'apps/ControllerRevision': controllerRevisions,
  'batch/Job': jobs,
  'batch/CronJob': cronJobs,
  'autoscaling/HorizontalPodAutoscaler': horizontalPodAutoscalers,
  'autoscaling/Scale': scales,
  'networking.k8s.io/Ingress': ingresses,
  'networking.k8s.io/IngressClass': ingressClasses,
  'networking.k8s.io/NetworkPolicy': networkPolicies,
  'networking.k8s.io/ServiceCIDR': serviceCIDRs,
  'networking.k8s.io/IPAddress': ipAddresses,
  'discovery.k8s.io/EndpointSlice': endpointSlices,
  'policy/PodDisruptionBudget': podDisruptionBudgets,
  'rbac.authorization.k8s.io/RoleBinding': roleBindings,
  'rbac.authorization.k8s.io/ClusterRoleBinding': roleBindings,
  'certificates.k8s.io/CertificateSigningRequest': certificateSigningRequests,
  'coordination.k8s.io/Lease': leases,
  'scheduling.k8s.io/PriorityClass': priorityClasses,
  'node.k8s.io/RuntimeClass': runtimeClasses,
  'storage.k8s.io/StorageClass': storageClasses,
  'storage.k8s.io/VolumeAttributesClass': volumeAttributesClasses,
  'storage.k8s.io/VolumeAttachment': volumeAttachments,
  'storage.k8s.io/CSIDriver': csiDrivers,
  'storage.k8s.io/CSINode': csiNodes,
  'storage.k8s.io/CSIStorageCapacity': csiStorageCapacities,
  'flowcontrol.apiserver.k8s.io/FlowSchema': flowSchemas,
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': priorityLevels,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': webhookConfigurations,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': webhookConfigurations,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': validatingPolicies,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': policyBindings,
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': mutatingPolicies,
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': policyBindings,
  'apiregistration.k8s.io/APIService': apiServices,
  'resource.k8s.io/ResourceClaim': resourceClaims,
  'resource.k8s.io/ResourceSlice': resourceSlices,
  'resource.k8s.io/ResourceClaimTemplate': namesAndAges,
  'resource.k8s.io/DeviceClass': namesAndAges,
};
