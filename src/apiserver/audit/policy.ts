/** Upstream's audit Policy (audit.k8s.io/v1): which requests are written down, and how much of them. */
import type { UserInfo } from '../../api/transport.ts';
import { readConfigFile, type ConfigFields } from '../config-file.ts';
import type { RequestInfo } from '../contract.ts';

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof LEVELS)[number];

export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof STAGES)[number];

/** What is written of one request. */
export interface AuditDecision {
  level: Level;
  omitStages: readonly string[];
  omitManagedFields: boolean;
}

export interface AuditPolicy {
  /** The first rule that matches decides; nothing is written where none does. */
  decide(attributes: { user: UserInfo; info: RequestInfo }): AuditDecision;
}

interface Rule {
  decision: AuditDecision;
  users: readonly string[];
  userGroups: readonly string[];
  verbs: readonly string[];
  resources: readonly GroupResources[];
  namespaces: readonly string[];
  nonResourceURLs: readonly string[];
}

interface GroupResources {
  group: string;
  resources: readonly string[];
  resourceNames: readonly string[];
}

const NOTHING: AuditDecision = { level: 'None', omitStages: [], omitManagedFields: false };

/** Reads a policy (YAML or JSON). Throws ConfigFileError with the field. */
export function parseAuditPolicy(text: string): AuditPolicy {
  const file = readConfigFile(text, 'Policy', ['audit.k8s.io/v1']);
  file.only('apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields');
  const omitStages = stagesOf(file);
  const omitManagedFields = file.flag('omitManagedFields') ?? false;
  const given = file.list('rules');
  if (given.length === 0) throw file.required('rules', 'a policy has at least one rule');
  const rules = given.map((rule) => ruleOf(rule, { omitStages, omitManagedFields }));
  return { decide: (attributes) => rules.find((rule) => matches(rule, attributes))?.decision ?? NOTHING };
}

function ruleOf(rule: ConfigFields, forAll: Omit<AuditDecision, 'level'>): Rule {
  rule.only('level', 'users', 'userGroups', 'verbs', 'resources', 'namespaces', 'nonResourceURLs', 'omitStages', 'omitManagedFields');
  const resources = rule.list('resources').map(groupResourcesOf);
  const namespaces = rule.texts('namespaces');
  const nonResourceURLs = rule.texts('nonResourceURLs');
  for (const [index, url] of nonResourceURLs.entries()) checkUrl(rule, `nonResourceURLs[${index}]`, url);
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0))
    throw rule.invalid('nonResourceURLs', 'rules cannot apply to both regular resources and non-resource URLs');
  return {
    decision: {
      level: levelOf(rule),
      omitStages: [...new Set([...forAll.omitStages, ...stagesOf(rule)])],
      omitManagedFields: rule.flag('omitManagedFields') ?? forAll.omitManagedFields,
    },
    users: rule.texts('users'),
    userGroups: rule.texts('userGroups'),
    verbs: rule.texts('verbs'),
    resources,
    namespaces,
    nonResourceURLs,
  };
}

function levelOf(rule: ConfigFields): Level {
  const text = rule.text('level');
  if (text === '') throw rule.required('level');
  const level = LEVELS.find((known) => known === text);
  if (!level) throw rule.unsupported('level', text, LEVELS);
  return level;
}

function stagesOf(fields: ConfigFields): readonly string[] {
  const stages = fields.texts('omitStages');
  for (const [index, stage] of stages.entries())
    if (!(STAGES as readonly string[]).includes(stage))
      throw fields.invalid(`omitStages[${index}]`, `${JSON.stringify(stage)}: allowed stages are ${STAGES.join(',')}`);
  return stages;
}

function groupResourcesOf(fields: ConfigFields): GroupResources {
  fields.only('group', 'resources', 'resourceNames');
  const resources = fields.texts('resources');
  const resourceNames = fields.texts('resourceNames');
  if (resourceNames.length > 0 && resources.length === 0)
    throw fields.invalid('resourceNames', 'using resourceNames requires at least one resource');
  return { group: fields.text('group'), resources, resourceNames };
}

function checkUrl(rule: ConfigFields, field: string, url: string): void {
  if (url === '*') return;
  if (!url.startsWith('/')) throw rule.invalid(field, `${JSON.stringify(url)}: non-resource URL rules must begin with a '/' character`);
  if (url.slice(0, -1).includes('*'))
    throw rule.invalid(field, `${JSON.stringify(url)}: non-resource URL wildcards '*' must be the final character of the rule`);
}

function matches(rule: Rule, { user, info }: { user: UserInfo; info: RequestInfo }): boolean {
  const { users, userGroups, verbs, resources, namespaces, nonResourceURLs } = rule;
  if (users.length > 0 && !users.includes(user.name)) return false;
  if (userGroups.length > 0 && !userGroups.some((group) => user.groups.includes(group))) return false;
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false;
  if (resources.length > 0 || namespaces.length > 0) return info.isResourceRequest && matchesResource(rule, info);
  if (nonResourceURLs.length > 0) return !info.isResourceRequest && nonResourceURLs.some((url) => covers(url, info.path));
  return true;
}

/** What is cluster-scoped has the empty text for its namespace. */
function matchesResource({ resources, namespaces }: Rule, info: RequestInfo): boolean {
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false;
  return resources.length === 0 || resources.some((group) => group.group === info.group && names(group, info));
}

function names({ resources, resourceNames }: GroupResources, { resource, subresource, name }: RequestInfo): boolean {
  if (resources.length === 0) return true;
  if (resourceNames.length > 0 && !resourceNames.includes(name)) return false;
  const full = subresource ? `${resource}/${subresource}` : resource;
  return resources.some(
    (given) => given === full || given === '*' || given === `${resource}/*` || (subresource !== '' && given === `*/${subresource}`),
  );
}

function covers(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}
