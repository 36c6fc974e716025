/**
 * The versions that Kubernetes no longer serves and that tutorials of old still name. Each object is stored as the version that took its
 * place; these are further views of it. They are in no category: `kubectl get all` would show every object twice.
 */
import { groupVersion, parseGroupVersion } from '../meta.ts';
import type { GroupRow, ResourceRow } from '../schema/resources.ts';
import type { LegacyRules, ResourceInfo } from '../schema/schema.ts';
import { resourcesOfRow } from '../scheme.ts';
import { autoscalerBetaFromV2, autoscalerBetaToV2 } from '../convert/autoscaler.ts';
import { INGRESS } from './ingress.ts';
import { DISRUPTION_BUDGET } from './policy.ts';
import { ALPHA_BINDING } from './rbac.ts';
import {
  APPS_V1BETA1_DEPLOYMENT,
  APPS_V1BETA1_STATEFUL_SET,
  APPS_V1BETA2,
  EXTENSIONS_DAEMON_SET,
  EXTENSIONS_DEPLOYMENT,
  EXTENSIONS_REPLICA_SET,
} from './workloads.ts';

interface LegacyRow extends ResourceRow {
  storageVersion: string;
  /** Minor versions of Kubernetes 1. */
  deprecated: number;
  removed: number;
  shape?: Omit<LegacyRules, 'warning'>;
}

const STATUS = ['status'];
const SCALED = ['scale', 'status'];
const APPS = 'apps/v1';
const NETWORKING = 'networking.k8s.io/v1';
const RBAC = 'rbac.authorization.k8s.io/v1';

const DEPLOYMENT = { resource: 'deployments', kind: 'Deployment', short: ['deploy'], subresources: SCALED, storageVersion: APPS };
const DAEMON_SET = { resource: 'daemonsets', kind: 'DaemonSet', short: ['ds'], subresources: STATUS, storageVersion: APPS };
const REPLICA_SET = {
  resource: 'replicasets',
  kind: 'ReplicaSet',
  short: ['rs'],

  subresources: SCALED,
  fields: ['status.replicas'],
  storageVersion: APPS,
};
const STATEFUL_SET = {
  resource: 'statefulsets',
  kind: 'StatefulSet',
  short: ['sts'],

  subresources: SCALED,
  storageVersion: APPS,
};
const REVISION = { resource: 'controllerrevisions', kind: 'ControllerRevision', storageVersion: APPS };
const INGRESSES = {
  resource: 'ingresses',
  kind: 'Ingress',
  short: ['ing'],
  subresources: STATUS,
  prefix: 'ingress',
  storageVersion: NETWORKING,
  shape: INGRESS,
};
const AUTOSCALER = {
  resource: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
  short: ['hpa'],

  subresources: STATUS,
  storageVersion: 'autoscaling/v2',
};

const GROUPS: readonly (Omit<GroupRow, 'resources'> & { resources: readonly LegacyRow[] })[] = [
  api('extensions', 'v1beta1', [
    { ...DAEMON_SET, deprecated: 8, removed: 16, shape: EXTENSIONS_DAEMON_SET },
    { ...DEPLOYMENT, deprecated: 8, removed: 16, shape: EXTENSIONS_DEPLOYMENT },
    { ...INGRESSES, deprecated: 14, removed: 22 },
    {
      resource: 'networkpolicies',
      kind: 'NetworkPolicy',
      short: ['netpol'],
      storageVersion: NETWORKING,
      deprecated: 9,
      removed: 16,
    },
    { ...REPLICA_SET, deprecated: 8, removed: 16, shape: EXTENSIONS_REPLICA_SET },
  ]),
  api('apps', 'v1beta2', [
    { ...REVISION, deprecated: 9, removed: 16 },
    { ...DAEMON_SET, deprecated: 9, removed: 16, shape: APPS_V1BETA2 },
    { ...DEPLOYMENT, deprecated: 9, removed: 16, shape: APPS_V1BETA2 },
    { ...REPLICA_SET, deprecated: 9, removed: 16, shape: APPS_V1BETA2 },
    { ...STATEFUL_SET, deprecated: 9, removed: 16, shape: APPS_V1BETA2 },
  ]),
  api('apps', 'v1beta1', [
    { ...REVISION, deprecated: 8, removed: 16 },
    { ...DEPLOYMENT, deprecated: 8, removed: 16, shape: APPS_V1BETA1_DEPLOYMENT },
    { ...STATEFUL_SET, deprecated: 8, removed: 16, shape: APPS_V1BETA1_STATEFUL_SET },
  ]),
  api('networking.k8s.io', 'v1beta1', [
    { resource: 'ingressclasses', kind: 'IngressClass', cluster: true, storageVersion: NETWORKING, deprecated: 19, removed: 22 },
    { ...INGRESSES, deprecated: 19, removed: 22 },
  ]),
  api('rbac.authorization.k8s.io', 'v1beta1', roles()),
  api('rbac.authorization.k8s.io', 'v1alpha1', roles(ALPHA_BINDING)),
  api('batch', 'v1beta1', [
    {
      resource: 'cronjobs',
      kind: 'CronJob',
      short: ['cj'],

      subresources: STATUS,
      storageVersion: 'batch/v1',
      deprecated: 21,
      removed: 25,
    },
  ]),
  api('policy', 'v1beta1', [
    {
      resource: 'poddisruptionbudgets',
      kind: 'PodDisruptionBudget',
      short: ['pdb'],
      subresources: STATUS,
      storageVersion: 'policy/v1',
      deprecated: 21,
      removed: 25,
      shape: DISRUPTION_BUDGET,
    },
  ]),
  api('autoscaling', 'v2beta2', [{ ...AUTOSCALER, deprecated: 23, removed: 26 }]),
  api('autoscaling', 'v2beta1', [
    { ...AUTOSCALER, deprecated: 22, removed: 25, shape: { toStorage: autoscalerBetaToV2, fromStorage: autoscalerBetaFromV2 } },
  ]),
];

/** Every resource of the versions of old, each with the rules by which the stored version serves it. */
export function legacyResources(): ResourceInfo[] {
  return GROUPS.flatMap((row) => {
    const rules = new Map(row.resources.map((resource) => [resource.resource, rulesOf(row, resource)]));
    return resourcesOfRow(row).map((info) => {
      const { offByDefault: _off, ...others } = Object.getOwnPropertyDescriptors(info);
      return Object.defineProperties({ legacy: rules.get(info.resource)! }, others) as ResourceInfo;
    });
  });
}

function rulesOf(row: GroupRow, { kind, storageVersion, deprecated, removed, shape }: LegacyRow): LegacyRules {
  const successor = `${groupVersion(parseGroupVersion(storageVersion))} ${kind}`;
  const warning = `${groupVersion(row)} ${kind} is deprecated in v1.${deprecated}+, unavailable in v1.${removed}+; use ${successor}`;
  return { warning, ...shape };
}

function roles(binding?: LegacyRow['shape']): LegacyRow[] {
  const row = (resource: string, kind: string, cluster: boolean, shape?: LegacyRow['shape']): LegacyRow => ({
    resource,
    kind,
    ...(cluster ? { cluster } : {}),
    storageVersion: RBAC,
    deprecated: 17,
    removed: 22,
    ...(shape ? { shape } : {}),
  });
  return [
    row('clusterrolebindings', 'ClusterRoleBinding', true, binding),
    row('clusterroles', 'ClusterRole', true),
    row('rolebindings', 'RoleBinding', false, binding),
    row('roles', 'Role', false),
  ];
}

function api(
  group: string,
  version: string,
  resources: readonly LegacyRow[],
): Omit<GroupRow, 'resources'> & { resources: readonly LegacyRow[] } {
  return { group, version, definitions: `io.k8s.api.${group.replace(/\.(?:authorization\.)?k8s\.io$/, '')}`, resources };
}
