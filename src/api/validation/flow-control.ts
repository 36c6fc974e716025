/** FlowSchemas and PriorityLevelConfigurations (KEP-1040). */
import { semanticEqual } from '../patch/json.ts';
import type {
  FlowSchema,
  FlowcontrolV1Subject,
  LimitedPriorityLevelConfiguration,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  QueuingConfiguration,
  ResourcePolicyRule,
} from '../types.gen.ts';
import { dns1123SubdomainProblems } from './names.ts';
import type { Problems } from './problems.ts';

const LARGEST_PRECEDENCE = 10_000;
const MOST_QUEUES = 10_000_000;
/** Bits of entropy that shuffle sharding may take of a hash. */
const MOST_ENTROPY = 60;
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const EXEMPT = 'exempt';
const CATCH_ALL = 'catch-all';

export function checkFlowSchema(problems: Problems, { metadata, spec }: FlowSchema): void {
  if (!spec) return problems.required('spec');
  const { matchingPrecedence = 0, priorityLevelConfiguration, distinguisherMethod, rules = [] } = spec;
  const precedence = 'spec.matchingPrecedence';
  if (matchingPrecedence <= 0) problems.invalid(precedence, matchingPrecedence, 'must be a positive value');
  if (matchingPrecedence > LARGEST_PRECEDENCE)
    problems.invalid(precedence, matchingPrecedence, `must not be greater than ${LARGEST_PRECEDENCE}`);
  if (matchingPrecedence === 1 && metadata.name !== EXEMPT)
    problems.invalid(precedence, matchingPrecedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (distinguisherMethod) problems.oneOf('spec.distinguisherMethod.type', distinguisherMethod.type, ['ByNamespace', 'ByUser']);
  const level = priorityLevelConfiguration?.name;
  if (!level) problems.required('spec.priorityLevelConfiguration.name', 'must reference a priority level');
  else problems.invalidEach('spec.priorityLevelConfiguration.name', level, dns1123SubdomainProblems(level));
  for (const [index, rule] of rules.entries()) checkRule(problems, `spec.rules[${index}]`, rule);
}

/** The two that every request falls into when no other takes it are as they are. */
export function checkFlowSchemaUpdate(problems: Problems, { metadata, spec }: FlowSchema, old: FlowSchema): void {
  if ([EXEMPT, CATCH_ALL].includes(metadata.name!) && !semanticEqual(spec, old.spec))
    problems.invalid('spec', spec, `spec of '${metadata.name}' must equal the fixed value`);
}

function checkRule(
  problems: Problems,
  at: string,
  { subjects = [], resourceRules = [], nonResourceRules = [] }: Partial<PolicyRulesWithSubjects>,
): void {
  if (subjects.length === 0) problems.required(`${at}.subjects`, 'subjects must contain at least one value');
  for (const [index, subject] of subjects.entries()) checkSubject(problems, `${at}.subjects[${index}]`, subject);
  if (resourceRules.length + nonResourceRules.length === 0)
    problems.required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [index, rule] of resourceRules.entries()) checkResourceRule(problems, `${at}.resourceRules[${index}]`, rule);
  for (const [index, rule] of nonResourceRules.entries()) checkUrlRule(problems, `${at}.nonResourceRules[${index}]`, rule);
}

const SUBJECT_FIELDS = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' } as const;

function checkSubject(problems: Problems, at: string, subject: FlowcontrolV1Subject): void {
  const kinds = Object.keys(SUBJECT_FIELDS) as (keyof typeof SUBJECT_FIELDS)[];
  if (!kinds.some((kind) => kind === subject.kind)) return problems.unsupported(`${at}.kind`, subject.kind, kinds);
  for (const kind of kinds) {
    const field = SUBJECT_FIELDS[kind];
    const given = subject[field];
    if (kind !== subject.kind && given) problems.forbidden(`${at}.${field}`, `${field} is forbidden when subject kind is not '${kind}'`);
    if (kind !== subject.kind) continue;
    if (!given) problems.required(`${at}.${field}`, `${field} is required when subject kind is '${kind}'`);
    else if (!given.name) problems.required(`${at}.${field}.name`);
  }
  if (subject.kind === 'ServiceAccount' && subject.serviceAccount && !subject.serviceAccount.namespace)
    problems.required(`${at}.serviceAccount.namespace`, 'must specify namespace for service account');
}

function checkResourceRule(problems: Problems, at: string, rule: ResourcePolicyRule): void {
  checkVerbs(problems, at, rule.verbs);
  checkList(problems, `${at}.apiGroups`, rule.apiGroups, {
    absent: 'resource rules must supply at least one api group',
    what: 'api groups',
  });
  checkList(problems, `${at}.resources`, rule.resources, { absent: 'resource rules must supply at least one resource', what: 'resources' });
  if (!rule.namespaces?.length && rule.clusterScope) return;
  checkList(problems, `${at}.namespaces`, rule.namespaces, {
    absent: 'resource rules that are not cluster scoped must supply at least one namespace',
    what: 'namespaces',
  });
}

function checkUrlRule(problems: Problems, at: string, { verbs, nonResourceURLs }: NonResourcePolicyRule): void {
  checkVerbs(problems, at, verbs);
  checkList(problems, `${at}.nonResourceURLs`, nonResourceURLs, {
    absent: 'nonResourceURLs must contain at least one value',
    what: 'non-resource URLs',
  });
  for (const [index, url] of (nonResourceURLs ?? []).entries()) {
    const field = `${at}.nonResourceURLs[${index}]`;
    if (url === '*') continue;
    if (!url.startsWith('/')) problems.invalid(field, url, 'must start with slash');
    else if (url.includes(' ')) problems.invalid(field, url, 'must not contain white-space');
    else if (url.includes('//')) problems.invalid(field, url, 'must not contain double slash');
    else if (url.slice(0, -1).includes('*') || (url.endsWith('*') && !url.endsWith('/*')))
      problems.invalid(field, url, 'wildcard can only do suffix matching');
  }
}

function checkVerbs(problems: Problems, at: string, verbs: readonly string[] | undefined): void {
  checkList(problems, `${at}.verbs`, verbs, { absent: 'verbs must contain at least one value', what: 'verbs' });
  if (verbs?.includes('*')) return;
  for (const [index, verb] of (verbs ?? []).entries()) problems.oneOf(`${at}.verbs[${index}]`, verb, [...VERBS, '*']);
}

function checkList(
  problems: Problems,
  field: string,
  values: readonly string[] | undefined,
  { absent, what }: { absent: string; what: string },
): void {
  if (!values?.length) problems.required(field, absent);
  else if (values.length > 1 && values.includes('*')) problems.invalid(field, values, `if '*' is present, must not specify other ${what}`);
}

export function checkPriorityLevel(problems: Problems, { metadata, spec }: PriorityLevelConfiguration): void {
  if (!spec) return problems.required('spec');
  const { type, limited, exempt } = spec;
  if (type !== 'Exempt' && type !== 'Limited') return problems.oneOf('spec.type', type, ['Exempt', 'Limited']);
  if ((metadata.name === EXEMPT) !== (type === 'Exempt'))
    problems.invalid('spec.type', type, "type must be 'Exempt' if and only if `name` is 'exempt'");
  if (type === 'Exempt') {
    if (limited) problems.forbidden('spec.limited', 'must be nil if the type is not Limited');
    return checkShares(problems, 'spec.exempt', exempt);
  }
  if (exempt) problems.forbidden('spec.exempt', 'must be nil if the type is Limited');
  if (!limited) return problems.required('spec.limited', 'must not be empty when type is Limited');
  checkLimited(problems, limited);
}

/** Of the mandatory levels only the share of concurrency may be chosen. */
export function checkPriorityLevelUpdate(
  problems: Problems,
  { metadata, spec }: PriorityLevelConfiguration,
  old: PriorityLevelConfiguration,
): void {
  if (metadata.name !== CATCH_ALL || semanticEqual(withoutShares(spec), withoutShares(old.spec))) return;
  problems.invalid('spec', spec, `spec of '${CATCH_ALL}' must equal the fixed value`);
}

function withoutShares(spec: PriorityLevelConfiguration['spec']): object {
  return { ...spec, limited: { ...spec?.limited, nominalConcurrencyShares: 0, lendablePercent: 0 } };
}

interface Shares {
  nominalConcurrencyShares?: number;
  lendablePercent?: number;
}

function checkShares(
  problems: Problems,
  at: string,
  { nominalConcurrencyShares: shares = 0, lendablePercent: lent = 0 }: Shares = {},
): void {
  if (shares < 0) problems.invalid(`${at}.nominalConcurrencyShares`, shares, 'must be a non-negative integer');
  if (lent < 0 || lent > 100) problems.invalid(`${at}.lendablePercent`, lent, 'must be between 0 and 100, inclusive');
}

function checkLimited(problems: Problems, limited: LimitedPriorityLevelConfiguration): void {
  const at = 'spec.limited';
  checkShares(problems, at, limited);
  const borrowed = limited.borrowingLimitPercent;
  if (borrowed !== undefined && borrowed < 0)
    problems.invalid(`${at}.borrowingLimitPercent`, borrowed, 'if specified, must be a non-negative integer');
  const { type, queuing } = limited.limitResponse ?? {};
  if (type === 'Reject' && queuing)
    problems.forbidden(`${at}.limitResponse.queuing`, 'must be nil if limited.limitResponse.type is not Limited');
  else if (type === 'Queue' && !queuing)
    problems.required(`${at}.limitResponse.queuing`, 'must not be empty if limited.limitResponse.type is Limited');
  else if (type === 'Queue') checkQueuing(problems, `${at}.limitResponse.queuing`, queuing!);
  else if (type !== 'Reject') problems.oneOf(`${at}.limitResponse.type`, type, ['Queue', 'Reject']);
}

function checkQueuing(problems: Problems, at: string, { queues = 0, handSize = 0, queueLengthLimit = 0 }: QueuingConfiguration): void {
  if (queueLengthLimit <= 0) problems.invalid(`${at}.queueLengthLimit`, queueLengthLimit, 'must be positive');
  if (queues <= 0) problems.invalid(`${at}.queues`, queues, 'must be positive');
  else if (queues > MOST_QUEUES) problems.invalid(`${at}.queues`, queues, `must not be greater than ${MOST_QUEUES}`);
  if (handSize <= 0) problems.invalid(`${at}.handSize`, handSize, 'must be positive');
  else if (handSize > queues) problems.invalid(`${at}.handSize`, handSize, `should not be greater than queues (${queues})`);
  else if (entropyOf(queues, handSize) > MOST_ENTROPY)
    problems.invalid(
      `${at}.handSize`,
      handSize,
      `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MOST_ENTROPY}`,
    );
}

/** Bits that it takes to deal a hand from the deck: the logarithm of queues * (queues - 1) * … */
function entropyOf(queues: number, handSize: number): number {
  let bits = 0;
  for (let dealt = 0; dealt < handSize && bits <= MOST_ENTROPY; dealt++) bits += Math.log2(queues - dealt);
  return Math.ceil(bits);
}
