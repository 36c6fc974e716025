/** Defaults of dynamic resource claims. */
import type { ResourceClaimSpec } from '../types.gen.ts';

export function defaultResourceClaim({ spec }: { spec?: ResourceClaimSpec }): void {
  for (const request of spec?.devices?.requests ?? []) {
    for (const exact of [request.exactly, ...(request.firstAvailable ?? [])]) {
      if (!exact) continue;
      exact.allocationMode ||= 'ExactCount';
      if (exact.allocationMode === 'ExactCount') exact.count ||= 1;
    }
  }
}

export function defaultResourceClaimTemplate({ spec }: { spec?: { spec?: ResourceClaimSpec } }): void {
  if (spec) defaultResourceClaim(spec);
}
