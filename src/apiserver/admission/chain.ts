/** The admission plugins, in upstream's order: all that mutate run first, then all that validate. */
import type { Clock } from '../../lib/clock.ts';
import type { Rng } from '../../lib/random.ts';
import { rbacEscalation } from '../authz/escalation.ts';
import type { RbacAuthorizer } from '../authz/rbac.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { defaultIngressClass, defaultStorageClass } from './default-classes.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { priorityAdmission } from './priority.ts';
import { storageObjectInUseProtection } from './protect-in-use.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionOptions extends StoredObjects {
  authorizer: RbacAuthorizer;
  clock: Clock;
  rng: Rng;
}

export function admissionChain(options: AdmissionOptions): AdmissionPlugin[] {
  return [
    // First, so that nothing is defaulted for an object that has nowhere to be.
    namespaceLifecycle(options),
    serviceAccountAdmission(options),
    taintNodesByCondition(),
    priorityAdmission(options),
    // After Priority, which it does not look at; before quota, which counts the finished object.
    defaultTolerationSeconds(),
    defaultStorageClass(options),
    storageObjectInUseProtection(),
    defaultIngressClass(options),
    // Upstream checks this when it stores; here it is the last word before that.
    rbacEscalation(options.authorizer),
  ];
}
