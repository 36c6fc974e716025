/** The Available condition of an APIService. */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/meta.ts';
import type { APIService, APIServiceCondition } from '../../api/types.gen.ts';

export interface Availability {
  available: boolean;
  reason: string;
  message: string;
}

export const LOCAL: Availability = { available: true, reason: 'Local', message: 'Local APIServices are always available' };
export const PASSED: Availability = { available: true, reason: 'Passed', message: 'all checks passed' };

/** The object with its condition; itself where that says so already. The time of the last transition stays while the status does. */
export function withAvailability(object: KubeObject, { available, reason, message }: Availability, now: string): KubeObject {
  const conditions = (object as unknown as APIService).status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === 'Available');
  const status = available ? 'True' : 'False';
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
  const next: APIServiceCondition = { type: 'Available', status, ...(lastTransitionTime ? { lastTransitionTime } : {}), reason, message };
  if (isDeepStrictEqual(before, next)) return object;
  const others = conditions.filter(({ type }) => type !== 'Available');
  return {
    ...object,
    metadata: { ...object.metadata },
    status: { ...(object['status'] as object | undefined), conditions: [...others, next] },
  };
}
