/** Who may do what, and how much of it. */
import type {
  CertificateSigningRequest,
  ClusterRoleBinding,
  FlowSchema,
  PodDisruptionBudget,
  PriorityLevelConfiguration,
  RoleBinding,
} from '../types.gen.ts';
import { AGE, ageOf, column, NAME, NONE, wide } from './columns.ts';
import type { Printer } from './columns.ts';
import { humanDuration } from './duration.ts';

export const roleBindings: Printer<RoleBinding | ClusterRoleBinding> = {
  columns: [NAME, column('Role'), AGE, wide('Users'), wide('Groups'), wide('ServiceAccounts')],
  cells: (object, now) => {
    const of = (kind: string): string =>
      (object.subjects ?? [])
        .filter((subject) => subject.kind === kind)
        .map(({ name, namespace }) => (kind === 'ServiceAccount' && namespace ? `${namespace}/${name}` : name))
        .join(', ');
    return [
      object.metadata.name!,
      `${object.roleRef.kind}/${object.roleRef.name}`,
      ageOf(object, now),
      of('User'),
      of('Group'),
      of('ServiceAccount'),
    ];
  },
};

export const podDisruptionBudgets: Printer<PodDisruptionBudget> = {
  columns: [NAME, column('Min Available'), column('Max Unavailable'), column('Allowed Disruptions', 'integer'), AGE],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    return [
      metadata.name!,
      String(spec?.minAvailable ?? 'N/A'),
      String(spec?.maxUnavailable ?? 'N/A'),
      status?.disruptionsAllowed ?? 0,
      ageOf(object, now),
    ];
  },
};

export const certificateSigningRequests: Printer<CertificateSigningRequest> = {
  columns: [NAME, AGE, column('SignerName'), column('Requestor'), column('RequestedDuration'), column('Condition')],
  cells: (object, now) => {
    const { metadata, spec } = object;
    const duration = spec.expirationSeconds === undefined ? NONE : humanDuration(spec.expirationSeconds * 1000);
    return [metadata.name!, ageOf(object, now), spec.signerName || NONE, spec.username ?? '', duration, csrCondition(object)];
  },
};

function csrCondition({ status }: CertificateSigningRequest): string {
  const types = new Set(status?.conditions?.map(({ type }) => type));
  const decision = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending';
  return [decision, ...(types.has('Failed') ? ['Failed'] : []), ...(status?.certificate ? ['Issued'] : [])].join(',');
}

export const flowSchemas: Printer<FlowSchema> = {
  columns: [
    NAME,
    column('PriorityLevel'),
    column('MatchingPrecedence', 'integer'),
    column('DistinguisherMethod'),
    AGE,
    column('MissingPL'),
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const dangling = status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?';
    return [
      metadata.name!,
      spec?.priorityLevelConfiguration.name ?? '',
      spec?.matchingPrecedence ?? 0,
      spec?.distinguisherMethod?.type ?? NONE,
      ageOf(object, now),
      dangling,
    ];
  },
};

export const priorityLevels: Printer<PriorityLevelConfiguration> = {
  columns: [
    NAME,
    column('Type'),
    column('NominalConcurrencyShares'),
    column('Queues'),
    column('HandSize'),
    column('QueueLengthLimit'),
    AGE,
  ],
  cells: (object, now) => {
    const { metadata, spec } = object;
    const queuing = spec?.limited?.limitResponse?.queuing;
    const shares = spec?.limited?.nominalConcurrencyShares ?? spec?.exempt?.nominalConcurrencyShares;
    const cell = (value: number | undefined): string => (value === undefined ? NONE : String(value));
    return [
      metadata.name!,
      spec?.type ?? '',
      cell(shares),
      cell(queuing?.queues),
      cell(queuing?.handSize),
      cell(queuing?.queueLengthLimit),
      ageOf(object, now),
    ];
  },
};
