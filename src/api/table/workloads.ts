/** The kinds that make pods. */
import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../types.gen.ts';
import { AGE, ageOf, boolText, column, CONTAINER_COLUMNS, containerCells, labelsText, NAME, NONE, selectorText, wide } from './columns.ts';
import type { Printer } from './columns.ts';
import { humanDuration, since } from './duration.ts';

const REPLICA_COLUMNS = [
  NAME,
  column('Desired', 'integer'),
  column('Current', 'integer'),
  column('Ready', 'integer'),
  AGE,
  ...CONTAINER_COLUMNS,
  wide('Selector'),
] as const;

export const deployments: Printer<Deployment> = {
  columns: [
    NAME,
    column('Ready'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    AGE,
    ...CONTAINER_COLUMNS,
    wide('Selector'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const ready = `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`;
    return [
      metadata.name!,
      ready,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
      selectorText(spec?.selector),
    ];
  },
};

export const replicaSets: Printer<ReplicaSet> = {
  columns: REPLICA_COLUMNS,
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    return [
      metadata.name!,
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
      selectorText(spec?.selector),
    ];
  },
};

export const replicationControllers: Printer<ReplicationController> = {
  columns: REPLICA_COLUMNS,
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    return [
      metadata.name!,
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
      labelsText(spec?.selector),
    ];
  },
};

export const statefulSets: Printer<StatefulSet> = {
  columns: [NAME, column('Ready'), AGE, ...CONTAINER_COLUMNS],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    return [
      metadata.name!,
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
    ];
  },
};

export const daemonSets: Printer<DaemonSet> = {
  columns: [
    NAME,
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Node Selector'),
    AGE,
    ...CONTAINER_COLUMNS,
    wide('Selector'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const counts = [
      status?.desiredNumberScheduled,
      status?.currentNumberScheduled,
      status?.numberReady,
      status?.updatedNumberScheduled,
      status?.numberAvailable,
    ].map((count) => count ?? 0);
    return [
      metadata.name!,
      ...counts,
      labelsText(spec?.template?.spec?.nodeSelector),
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
      selectorText(spec?.selector),
    ];
  },
};

export const jobs: Printer<Job> = {
  columns: [NAME, column('Status'), column('Completions'), column('Duration'), AGE, ...CONTAINER_COLUMNS, wide('Selector')],
  cells: (object, now) => {
    const { metadata, spec } = object;
    return [
      metadata.name!,
      jobStatus(object),
      completions(object),
      jobDuration(object, now),
      ageOf(object, now),
      ...containerCells(spec?.template?.spec),
      selectorText(spec?.selector),
    ];
  },
};

function jobStatus({ metadata, status }: Job): string {
  const holds = (type: string): boolean =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata.deletionTimestamp) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(holds) ?? 'Running';
}

/** A work queue has no fixed number of completions: one success of any pod completes it. */
function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration({ status }: Job, now: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : now;
  return humanDuration(end - Date.parse(status.startTime));
}

export const cronJobs: Printer<CronJob> = {
  columns: [
    NAME,
    column('Schedule'),
    column('Timezone'),
    column('Suspend'),
    column('Active', 'integer'),
    column('Last Schedule'),
    AGE,
    ...CONTAINER_COLUMNS,
    wide('Selector'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const template = spec?.jobTemplate?.spec;
    const last = status?.lastScheduleTime ? since(status.lastScheduleTime, now) : NONE;
    return [
      metadata.name!,
      spec?.schedule ?? '',
      spec?.timeZone ?? NONE,
      boolText(spec?.suspend),
      status?.active?.length ?? 0,
      last,
      ageOf(object, now),
      ...containerCells(template?.template?.spec),
      selectorText(template?.selector),
    ];
  },
};

export const controllerRevisions: Printer<ControllerRevision> = {
  columns: [NAME, column('Controller'), column('Revision', 'integer'), AGE],
  cells: (object, now) => {
    const owner = object.metadata.ownerReferences?.find(({ controller }) => controller);
    const group = owner?.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
    return [object.metadata.name!, owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : NONE, object.revision, ageOf(object, now)];
  },
};
