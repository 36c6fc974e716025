/** What one object takes of a ResourceQuota, and which quotas it concerns. Rules: https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
import { addQuantities, compareQuantities } from '../codec/quantity.ts';
import type { GroupVersionResource, KubeObject } from '../meta.ts';
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../types.gen.ts';

export type Amounts = Record<string, string>;
type Resource = Pick<GroupVersionResource, 'group' | 'resource'>;

const COUNTED = new Set(['services', 'replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps', 'persistentvolumeclaims']);
/** Also counted under their bare names: `cpu` is `requests.cpu`. */
export const BARE = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Amounts by the names that quotas use. Pods that have ended take nothing but their place in the store. */
export function usageOf(info: Resource, object: KubeObject): Amounts {
  const counts: Amounts = { [`count/${info.resource}${info.group ? `.${info.group}` : ''}`]: '1' };
  if (info.group !== '') return counts;
  if (COUNTED.has(info.resource)) counts[info.resource] = '1';
  if (info.resource === 'pods') return { ...counts, ...podUsage(object) };
  if (info.resource === 'services') return { ...counts, ...serviceUsage(object) };
  if (info.resource === 'persistentvolumeclaims') return { ...counts, ...claimUsage(object) };
  return counts;
}

function podUsage(pod: Pod): Amounts {
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return {};
  const usage: Amounts = { pods: '1' };
  for (const side of ['requests', 'limits'] as const) {
    for (const [name, amount] of Object.entries(podTotals(pod, side))) {
      if (name.includes('/') && side === 'limits') continue;
      usage[`${side}.${name}`] = amount;
      if (side === 'requests' && BARE.has(name)) usage[name] = amount;
    }
  }
  return usage;
}

/** Containers and sidecars together, or the largest init container where that is more; overhead on top. */
function podTotals({ spec }: Pod, side: 'requests' | 'limits'): Amounts {
  const totals: Amounts = {};
  const amounts = ({ resources }: Container): [string, string][] => Object.entries(resources?.[side] ?? {});
  const init = spec?.initContainers ?? [];
  const add = (name: string, amount: string): void => {
    totals[name] = totals[name] === undefined ? amount : addQuantities(totals[name], amount);
  };
  for (const container of [...(spec?.containers ?? []), ...init.filter(({ restartPolicy }) => restartPolicy === 'Always')]) {
    for (const [name, amount] of amounts(container)) add(name, amount);
  }
  for (const container of init.filter(({ restartPolicy }) => restartPolicy !== 'Always')) {
    for (const [name, amount] of amounts(container))
      if (totals[name] === undefined || compareQuantities(totals[name], amount) < 0) totals[name] = amount;
  }
  for (const [name, amount] of Object.entries(spec?.overhead ?? {})) add(name, amount);
  return totals;
}

function serviceUsage({ spec }: Service): Amounts {
  const ports = spec?.ports?.length ?? 0;
  if (spec?.type === 'NodePort') return { 'services.nodeports': String(ports) };
  if (spec?.type !== 'LoadBalancer') return {};
  return {
    'services.loadbalancers': '1',
    ...(spec.allocateLoadBalancerNodePorts === false ? {} : { 'services.nodeports': String(ports) }),
  };
}

function claimUsage({ spec }: PersistentVolumeClaim): Amounts {
  const storage = spec?.resources?.requests?.['storage'] ?? '0';
  const ofClass = spec?.storageClassName ? `${spec.storageClassName}.storageclass.storage.k8s.io/` : undefined;
  return {
    'requests.storage': storage,
    ...(ofClass ? { [`${ofClass}requests.storage`]: storage, [`${ofClass}persistentvolumeclaims`]: '1' } : {}),
  };
}

/** Whether a quota with scopes counts this object; one without counts all. */
export function inScope({ spec }: ResourceQuota, info: Resource, object: KubeObject): boolean {
  const scopes = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] as string[] }));
  const requirements = [...scopes, ...(spec?.scopeSelector?.matchExpressions ?? [])];
  if (requirements.length === 0) return true;
  if (info.group === '' && info.resource === 'persistentvolumeclaims') {
    return requirements.every(
      ({ scopeName, operator, values = [] }) => scopeName === 'VolumeAttributesClass' && matchesAttributes(object, operator, values),
    );
  }
  if (info.group !== '' || info.resource !== 'pods') return false;
  return requirements.every(({ scopeName, operator, values = [] }) => matchesScope(object as unknown as Pod, scopeName, operator, values));
}

function matchesScope({ spec, ...pod }: Pod, scope: string, operator: string, values: readonly string[]): boolean {
  const bestEffort = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].every(
    ({ resources }) =>
      Object.keys({ ...resources?.requests, ...resources?.limits }).filter((name) => name === 'cpu' || name === 'memory').length === 0,
  );
  const terms = [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  switch (scope) {
    case 'Terminating':
      return spec?.activeDeadlineSeconds !== undefined && !pod.metadata.deletionTimestamp;
    case 'NotTerminating':
      return spec?.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return bestEffort;
    case 'NotBestEffort':
      return !bestEffort;
    case 'CrossNamespacePodAffinity':
      return terms.some(({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined);
    case 'PriorityClass':
      return matchesOperator(spec?.priorityClassName, operator, values);
    default:
      return false;
  }
}

/** By every class that the claim has, had, or is on its way to (KEP-3751). */
function matchesAttributes({ spec, status }: PersistentVolumeClaim, operator: string, values: readonly string[]): boolean {
  const named = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  const names = named.filter((name) => name !== undefined && name !== '');
  if (names.length === 0) return matchesOperator(undefined, operator, values);
  return names.some((name) => matchesOperator(name, operator, values));
}

function matchesOperator(value: string | undefined, operator: string, values: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return Boolean(value);
    default:
      return !value;
  }
}
