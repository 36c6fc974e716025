/** How long an object lives on after its deletion was asked for. */
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import type { Pod } from '../types.gen.ts';

/**
 * Seconds of grace; 0 means it goes at once (finalizers apart). Only pods have any: what was asked for, else their own
 * terminationGracePeriodSeconds, and none when no kubelet has anything to stop.
 */
export function deletionGrace(info: ResourceInfo, object: KubeObject, requested: number | undefined): number {
  if (info.group !== '' || info.kind !== 'Pod') return 0;
  const { spec, status } = object as unknown as Pod;
  if (!spec?.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
  const grace = requested ?? spec.terminationGracePeriodSeconds ?? 0;
  return grace < 0 ? 1 : grace;
}
