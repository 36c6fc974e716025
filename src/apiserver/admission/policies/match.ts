/** Which requests a policy and its bindings mean (admissionregistration.k8s.io MatchResources). */
import { labelSelectorOf, type LabelSelector } from '../../../api/selectors.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { MatchResources } from '../../../api/types.gen.ts';
import type { AdmissionRequest } from '../../contract.ts';
import type { StoredObjects } from '../../stored.ts';
import { ruleMatcher } from '../matching/rules.ts';
import { matchesObject, namespaceMatcher } from '../matching/selectors.ts';

/** The resource in whose version a request is meant; undefined when it is not. Throws StatusError 404 when its namespace does not exist. */
export type PolicyMatcher = (resources: MatchResources | undefined, request: AdmissionRequest) => Promise<ResourceInfo | undefined>;

interface Selectors {
  namespace: LabelSelector;
  object: LabelSelector;
}

export function policyMatcher(objects: StoredObjects): PolicyMatcher {
  const matchRules = ruleMatcher(objects.resources);
  const matchesNamespace = namespaceMatcher(objects);
  const selectors = new WeakMap<MatchResources, Selectors>();
  return async (resources, request) => {
    if (!resources) return request.resource;
    const { resourceRules, excludeResourceRules, matchPolicy } = resources;
    // The cheap questions first; upstream's order makes no difference to the answer.
    const matched = resourceRules?.length ? matchRules(resourceRules, matchPolicy, request) : request.resource;
    if (!matched || matchRules(excludeResourceRules, matchPolicy, request)) return undefined;
    let own = selectors.get(resources);
    if (!own) selectors.set(resources, (own = selectorsOf(resources)));
    if (!matchesObject(own.object, request)) return undefined;
    return (await matchesNamespace(own.namespace, request)) ? matched : undefined;
  };
}

function selectorsOf({ namespaceSelector, objectSelector }: MatchResources): Selectors {
  return { namespace: labelSelectorOf(namespaceSelector ?? {}), object: labelSelectorOf(objectSelector ?? {}) };
}

const ADMISSION_GROUP = 'admissionregistration.k8s.io';

/** Policies and webhooks never judge what configures them: nobody could get out of a policy that denies everything. */
export function isExempt({ resource }: AdmissionRequest): boolean {
  return resource.group === ADMISSION_GROUP;
}
