import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { NamedRuleWithOperations } from '../../../api/types.gen.ts';
import type { AdmissionRequest, ResourceLookup } from '../../contract.ts';

/** What rules look at. */
export type RuleSubject = Pick<AdmissionRequest, 'operation' | 'resource' | 'subresource' | 'namespace' | 'name'>;

/** Finds the resource in whose version a rule matches; undefined when none does. */
export type RuleMatcher = (
  rules: readonly NamedRuleWithOperations[] | undefined,
  matchPolicy: string | undefined,
  request: RuleSubject,
) => ResourceInfo | undefined;

/**
 * Rules of webhooks and policies (admissionregistration.k8s.io/v1 RuleWithOperations, with resourceNames where policies have them). The
 * request's own resource is tried first; unless `matchPolicy` is `Exact`, then its other versions and groups, which are what is stored under the
 * same prefix. The first rule wins, as upstream.
 */
export function ruleMatcher(resources: ResourceLookup): RuleMatcher {
  const equivalents = equivalentResources(resources);
  return (rules, matchPolicy, request) => {
    if (!rules || rules.length === 0) return undefined;
    if (rules.some((rule) => matchesRule(rule, request))) return request.resource;
    if (matchPolicy === 'Exact') return undefined;
    const others = equivalents(request.resource, request.subresource);
    for (const rule of rules) {
      for (const resource of others) if (matchesRule(rule, { ...request, resource })) return resource;
    }
    return undefined;
  };
}

/** Whether a rule means this request, its resource and version taken literally. */
export function matchesRule(rule: NamedRuleWithOperations, request: RuleSubject): boolean {
  const { group, version } = request.resource;
  return (
    includes(rule.operations, request.operation) &&
    includes(rule.apiGroups, group) &&
    includes(rule.apiVersions, version) &&
    (rule.resources ?? []).some((resource) => matchesResource(resource, request)) &&
    matchesScope(rule.scope, request) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(request.name))
  );
}

function includes(allowed: readonly string[] | undefined, value: string): boolean {
  return allowed !== undefined && (allowed.includes('*') || allowed.includes(value));
}

/** `pods`, `pods/status`, `pods/*`, `*`, any/scale and so on: a star stands for every name. */
function matchesResource(pattern: string, { resource, subresource }: RuleSubject): boolean {
  const slash = pattern.indexOf('/');
  const [main, sub] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
  return (main === '*' || main === resource.resource) && (sub === '*' || sub === subresource);
}

/** A namespace's requests carry its own name as namespace, though it is cluster-scoped. */
function matchesScope(scope: string | undefined, { resource, namespace }: RuleSubject): boolean {
  const clusterScoped = resource.resource === 'namespaces' || namespace === '';
  if (scope === 'Cluster') return clusterScoped;
  return scope === 'Namespaced' ? !clusterScoped : true;
}

/** Other resources that show the same objects, made anew only when resources come or go. */
function equivalentResources(resources: ResourceLookup): (resource: ResourceInfo, subresource: string) => readonly ResourceInfo[] {
  let generation = -1;
  let byPrefix = new Map<string, ResourceInfo[]>();
  return (resource, subresource) => {
    if (generation !== resources.generation) {
      generation = resources.generation;
      byPrefix = Map.groupBy(resources.all(), ({ storagePrefix }) => storagePrefix);
    }
    const all = resource.storagePrefix === '' ? [] : (byPrefix.get(resource.storagePrefix) ?? []);
    return all.filter((other) => !isSame(other, resource) && offers(other, subresource));
  };
}

function isSame(a: ResourceInfo, b: ResourceInfo): boolean {
  return a.group === b.group && a.version === b.version && a.resource === b.resource;
}

function offers({ subresources }: ResourceInfo, subresource: string): boolean {
  return subresource === '' || subresources.some(({ name }) => name === subresource);
}

/** What configures webhooks and policies is never sent to them: a broken one must not stand in the way of its own removal. */
export function isAdmissionConfiguration({ resource: { group, resource } }: Pick<RuleSubject, 'resource'>): boolean {
  return group === 'admissionregistration.k8s.io' && CONFIGURATIONS.has(resource);
}

const CONFIGURATIONS = new Set([
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'validatingwebhookconfigurations',
]);
