/** What a cluster is made of: nodes, namespaces, events, configuration. */
import type {
  ComponentStatus,
  ConfigMap,
  Event,
  EventsV1Event,
  Lease,
  Namespace,
  Node,
  PriorityClass,
  ResourceQuota,
  RuntimeClass,
  Secret,
  ServiceAccount,
} from '../types.gen.ts';
import { AGE, ageOf, column, NAME, NONE, UNKNOWN, wide } from './columns.ts';
import type { Printer } from './columns.ts';
import { since } from './duration.ts';

export const nodes: Printer<Node> = {
  columns: [
    NAME,
    column('Status'),
    column('Roles'),
    AGE,
    column('Version'),
    wide('Internal-IP'),
    wide('External-IP'),
    wide('OS-Image'),
    wide('Kernel-Version'),
    wide('Container-Runtime'),
  ],
  cells: (object, now) => {
    const info = object.status?.nodeInfo;
    const address = (wanted: string): string => object.status?.addresses?.find(({ type }) => type === wanted)?.address ?? NONE;
    return [
      object.metadata.name!,
      nodeStatus(object),
      nodeRoles(object),
      ageOf(object, now),
      info?.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      info?.osImage || UNKNOWN,
      info?.kernelVersion || UNKNOWN,
      info?.containerRuntimeVersion || UNKNOWN,
    ];
  },
};

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const word = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

const ROLE_PREFIX = 'node-role.kubernetes.io/';

function nodeRoles({ metadata }: Node): string {
  const labels = Object.entries(metadata.labels ?? {});
  const roles = labels.flatMap(([key, value]) =>
    key.startsWith(ROLE_PREFIX) ? [key.slice(ROLE_PREFIX.length)] : key === 'kubernetes.io/role' ? [value] : [],
  );
  return [...new Set(roles.filter(Boolean))].toSorted().join(',') || NONE;
}

/** Core and events.k8s.io events are one thing under two sets of names. */
export const events: Printer<Event & Partial<EventsV1Event>> = {
  columns: [
    column('Last Seen'),
    column('Type'),
    column('Reason'),
    column('Object'),
    wide('Subobject'),
    wide('Source'),
    column('Message'),
    wide('First Seen'),
    wide('Count', 'integer'),
    { ...NAME, priority: 1 },
  ],
  cells: (event, now) => {
    const { metadata, type, reason, series } = event;
    const about = event.involvedObject ?? event.regarding;
    const first = event.firstTimestamp ?? event.deprecatedFirstTimestamp ?? event.eventTime;
    const last = series?.lastObservedTime ?? event.lastTimestamp ?? event.deprecatedLastTimestamp ?? first;
    const count = series?.count ?? (event.count || event.deprecatedCount || 1);
    const kind = about?.kind?.toLowerCase() ?? '';
    const message = (event.message ?? event.note ?? '').trim();
    return [
      since(last, now),
      type ?? '',
      reason ?? '',
      about?.name ? `${kind}/${about.name}` : kind,
      about?.fieldPath ?? '',
      eventSource(event),
      message,
      since(first, now),
      count,
      metadata.name!,
    ];
  },
};

function eventSource(event: Event & Partial<EventsV1Event>): string {
  const source = event.source ?? event.deprecatedSource;
  const component = source?.component || event.reportingComponent || event.reportingController || '';
  const host = source?.host || event.reportingInstance;
  return host ? `${component}, ${host}` : component;
}

export const namespaces: Printer<Namespace> = {
  columns: [NAME, column('Status'), AGE],
  cells: (object, now) => [object.metadata.name!, object.status?.phase ?? '', ageOf(object, now)],
};

export const configMaps: Printer<ConfigMap> = {
  columns: [NAME, column('Data', 'integer'), AGE],
  cells: (object, now) => [
    object.metadata.name!,
    Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
    ageOf(object, now),
  ],
};

export const secrets: Printer<Secret> = {
  columns: [NAME, column('Type'), column('Data', 'integer'), AGE],
  cells: (object, now) => [object.metadata.name!, object.type ?? '', Object.keys(object.data ?? {}).length, ageOf(object, now)],
};

export const serviceAccounts: Printer<ServiceAccount> = {
  columns: [NAME, column('Secrets', 'integer'), AGE],
  cells: (object, now) => [object.metadata.name!, object.secrets?.length ?? 0, ageOf(object, now)],
};

export const componentStatuses: Printer<ComponentStatus> = {
  columns: [NAME, column('Status'), column('Message'), column('Error')],
  cells: ({ metadata, conditions }) => {
    const healthy = conditions?.find(({ type }) => type === 'Healthy');
    return [
      metadata.name!,
      healthy ? (healthy.status === 'True' ? 'Healthy' : 'Unhealthy') : 'Unknown',
      healthy?.message ?? '',
      healthy?.error ?? '',
    ];
  },
};

export const resourceQuotas: Printer<ResourceQuota> = {
  columns: [NAME, column('Request'), column('Limit'), AGE],
  cells: (object, now) => {
    const { hard = {}, used = {} } = object.status ?? {};
    const lines = Object.keys(hard)
      .toSorted()
      .map((name) => ({ name, text: `${name}: ${used[name] ?? '0'}/${hard[name]}` }));
    const isLimit = (name: string): boolean => name.startsWith('limits.');
    const text = (limits: boolean): string =>
      lines
        .filter(({ name }) => isLimit(name) === limits)
        .map((line) => line.text)
        .join(', ');
    return [object.metadata.name!, text(false), text(true), ageOf(object, now)];
  },
};

export const leases: Printer<Lease> = {
  columns: [NAME, column('Holder'), AGE],
  cells: (object, now) => [object.metadata.name!, object.spec?.holderIdentity ?? '', ageOf(object, now)],
};

export const priorityClasses: Printer<PriorityClass> = {
  columns: [NAME, column('Value', 'integer'), column('Global-Default', 'boolean'), AGE, column('PreemptionPolicy')],
  cells: (object, now) => [
    object.metadata.name!,
    object.value ?? 0,
    object.globalDefault ?? false,
    ageOf(object, now),
    object.preemptionPolicy ?? '',
  ],
};

export const runtimeClasses: Printer<RuntimeClass> = {
  columns: [NAME, column('Handler'), AGE],
  cells: (object, now) => [object.metadata.name!, object.handler, ageOf(object, now)],
};
