/** A pod's quality of service: the order in which a node under pressure gives its pods up. */
import { compareQuantities } from '../codec/quantity.ts';
import type { Pod, ResourceRequirements } from '../types.gen.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COMPUTE = ['cpu', 'memory'] as const;

/**
 * Guaranteed: every container limits cpu and memory and requests just that. BestEffort: no container says anything. Else Burstable. Where the
 * pod itself states resources (KEP-2837), those decide.
 */
export function qosClassOf(pod: Pod): QosClass {
  const { spec } = pod;
  const podLevel = spec?.resources;
  const stated: (ResourceRequirements | undefined)[] =
    podLevel && (hasCompute(podLevel.requests) || hasCompute(podLevel.limits))
      ? [podLevel]
      : [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map((container) => container.resources);
  if (!stated.some((resources) => hasCompute(resources?.requests) || hasCompute(resources?.limits))) return 'BestEffort';
  return stated.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

function hasCompute(list: Readonly<Record<string, string>> | undefined): boolean {
  return list !== undefined && COMPUTE.some((name) => list[name] !== undefined && compareQuantities(list[name], '0') > 0);
}

function isGuaranteed(resources: ResourceRequirements | undefined): boolean {
  return COMPUTE.every((name) => {
    const limit = resources?.limits?.[name];
    const request = resources?.requests?.[name];
    return limit !== undefined && compareQuantities(limit, '0') > 0 && (request === undefined || compareQuantities(request, limit) === 0);
  });
}
