/** RBAC rules: matching one against a request, and covering one rule by others (for escalation checks). */
import type { PolicyRule } from '../../api/types.gen.ts';
import type { RequestInfo } from '../contract.ts';

/** What a subject may do at one scope: rules filed by the resource that they name, so that a request looks at few of them. */
export class RuleSet {
  readonly rules: readonly PolicyRule[];
  readonly #byResource = new Map<string, PolicyRule[]>();
  readonly #anyResource: PolicyRule[] = [];
  readonly #urls: PolicyRule[] = [];

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
    for (const rule of rules) this.#file(rule);
  }

  allows(info: RequestInfo): boolean {
    if (!info.isResourceRequest) return this.#urls.some((rule) => has(rule.verbs, info.verb) && urlMatches(rule, info.path));
    const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
    const matches = (rule: PolicyRule): boolean =>
      has(rule.verbs, info.verb) && has(rule.apiGroups, info.group) && nameMatches(rule, info.name);
    if (this.#byResource.get(resource)?.some(matches)) return true;
    if (info.subresource && this.#byResource.get(`*/${info.subresource}`)?.some(matches)) return true;
    return this.#anyResource.some(matches);
  }

  #file(rule: PolicyRule): void {
    if (rule.nonResourceURLs?.length) this.#urls.push(rule);
    if (rule.resources?.includes('*')) {
      this.#anyResource.push(rule);
      return;
    }
    for (const resource of rule.resources ?? []) {
      const filed = this.#byResource.get(resource);
      if (filed) filed.push(rule);
      else this.#byResource.set(resource, [rule]);
    }
  }
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes(value) || list.includes('*'));
}

function nameMatches({ resourceNames }: PolicyRule, name: string): boolean {
  return !resourceNames?.length || resourceNames.includes(name);
}

function urlMatches({ nonResourceURLs = [] }: PolicyRule, path: string): boolean {
  return nonResourceURLs.some((url) => urlCovers(url, path));
}

/** A trailing `*` stands for any rest: `/healthz/*`. */
function urlCovers(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

/** The parts of `wanted` that `owned` does not cover, split so far that one owned rule must cover each (upstream's breakdown). */
export function uncovered(wanted: readonly PolicyRule[], owned: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !owned.some((rule) => covers(rule, part)));
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  const names = rule.resourceNames?.length ? rule.resourceNames : [undefined];
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        for (const name of names)
          parts.push({
            apiGroups: [group],
            resources: [resource],
            verbs: [verb],
            ...(name === undefined ? {} : { resourceNames: [name] }),
          });
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return parts;
}

/** Whether an owner's rule gives all of a part that was broken down (one verb, one group, one resource, one name or URL). */
function covers(owner: PolicyRule, part: PolicyRule): boolean {
  if (!has(owner.verbs, part.verbs[0]!)) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return owner.nonResourceURLs?.some((pattern) => urlCovers(pattern, url)) ?? false;
  if (!has(owner.apiGroups, part.apiGroups![0]!)) return false;
  if (!resourceCovered(owner.resources ?? [], part.resources![0]!)) return false;
  if (!owner.resourceNames?.length) return true;
  const name = part.resourceNames?.[0];
  return name !== undefined && owner.resourceNames.includes(name);
}

function resourceCovered(owned: readonly string[], resource: string): boolean {
  if (owned.includes('*') || owned.includes(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && owned.includes(`*${resource.slice(slash)}`);
}

/** As upstream prints a rule in an escalation error: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`. */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (label: string, values: readonly string[] | undefined): void => {
    if (values?.length) parts.push(`${label}:${JSON.stringify(values).replaceAll('","', '", "')}`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}

/** Parts that differ in nothing but the verb, as one rule again. */
export function compact(parts: readonly PolicyRule[]): PolicyRule[] {
  const merged = new Map<string, PolicyRule>();
  for (const part of parts) {
    const key = JSON.stringify([part.apiGroups, part.resources, part.resourceNames, part.nonResourceURLs]);
    const same = merged.get(key);
    if (!same) merged.set(key, { ...part, verbs: [...part.verbs] });
    else for (const verb of part.verbs) if (!same.verbs.includes(verb)) same.verbs.push(verb);
  }
  return [...merged.values()];
}
