/** Defaults of what describes the cluster and who may do what in it. */
import type {
  FlowSchema,
  LimitRange,
  LimitRangeItem,
  Namespace,
  Node,
  PriorityClass,
  PriorityLevelConfiguration,
  RoleBinding,
  Secret,
} from '../types.gen.ts';

type LimitItem = LimitRangeItem & { default?: Record<string, string> };

const RBAC = 'rbac.authorization.k8s.io';

/** `stringData` is write-only: it goes into `data`, over what is there. */
export function defaultSecret(secret: Secret): void {
  secret.type ||= 'Opaque';
  if (!secret.stringData) return;
  const added = Object.entries(secret.stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  if (added.length > 0) secret.data = { ...secret.data, ...(Object.fromEntries(added) as Record<string, string>) };
  delete secret.stringData;
}

/** The label lets selectors name a namespace (KEP-2161). */
export function defaultNamespace(namespace: Namespace): void {
  const { metadata } = namespace;
  if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  namespace.status ??= {};
  namespace.status.phase ||= 'Active';
}

export function defaultNode({ status }: Node): void {
  if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
}

/** A container's default limit is its maximum, its default request the default limit or else the minimum. */
export function defaultLimitRange({ spec }: LimitRange): void {
  for (const limit of (spec?.limits ?? []) as LimitItem[]) {
    if (limit.type !== 'Container') continue;
    const defaults = { ...limit.max, ...limit.default };
    const requests = { ...limit.min, ...defaults, ...limit.defaultRequest };
    if (Object.keys(defaults).length > 0) limit.default = defaults;
    if (Object.keys(requests).length > 0) limit.defaultRequest = requests;
  }
}

export function defaultRoleBinding(binding: RoleBinding): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= RBAC;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC;
  }
}

export function defaultPriorityClass(priorityClass: PriorityClass): void {
  priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
}

export function defaultFlowSchema({ spec }: FlowSchema): void {
  if (spec) spec.matchingPrecedence ||= 1000;
}

export function defaultPriorityLevel({ spec }: PriorityLevelConfiguration): void {
  if (spec?.exempt) {
    spec.exempt.nominalConcurrencyShares ??= 0;
    spec.exempt.lendablePercent ??= 0;
  }
  if (!spec?.limited) return;
  spec.limited.nominalConcurrencyShares ??= 30;
  spec.limited.lendablePercent ??= 0;
  const queuing = spec.limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.queues ||= 64;
  queuing.handSize ||= 8;
  queuing.queueLengthLimit ||= 50;
}
