/** The admission plugins, in upstream's order: all that mutate run first, then all that validate. Webhooks and policies come between the last mutation and quota. */
import type { Clock } from '../../lib/clock.ts';
import type { Rng } from '../../lib/random.ts';
import { rbacEscalation } from '../authz/escalation.ts';
import type { RbacAuthorizer } from '../authz/rbac.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { defaultIngressClass, defaultStorageClass } from './default-classes.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { deviceAdminAccess } from './device-admin-access.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { admissionPolicyChecks, mutatingAdmissionPolicy, validatingAdmissionPolicy } from './policies/plugin.ts';
import { podResizeValidator } from './pod-resize.ts';
import { podSecurity } from './pod-security/plugin.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { priorityAdmission } from './priority.ts';
import { storageObjectInUseProtection } from './protect-in-use.ts';
import { persistentVolumeClaimResize } from './pvc-resize.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClassAdmission } from './runtime-class.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { checkMatchConditions } from './webhooks/check.ts';
import { webhookPlugins } from './webhooks/plugins.ts';

export interface AdmissionOptions extends StoredObjects {
  authorizer: RbacAuthorizer;
  clock: Clock;
  rng: Rng;
  /** Takes what plugins have to say on /metrics. */
  exposeMetrics?: (lines: () => readonly string[]) => void;
}

export function admissionChain(options: AdmissionOptions): AdmissionPlugin[] {
  const { authorizer } = options;
  const webhooks = webhookPlugins(options);
  return [
    namespaceLifecycle(options), // first, so that nothing is defaulted for an object that has nowhere to be
    limitRanger(options), // before quota, which wants requests and limits to be there
    serviceAccountAdmission(options),
    nodeRestriction(options),
    taintNodesByCondition(),
    podSecurity(options),
    priorityAdmission(options), // before quota, whose scopes look at the class
    defaultTolerationSeconds(),
    defaultStorageClass(options),
    storageObjectInUseProtection(),
    persistentVolumeClaimResize(options),
    runtimeClassAdmission(options), // adds overhead, which quota counts
    certificateApproval(authorizer),
    certificateSigning(authorizer),
    certificateSubjectRestriction(),
    defaultIngressClass(options),
    podTopologyLabels(options),
    podResizeValidator(options),
    mutatingAdmissionPolicy(options), // before the webhooks, which see what policies made of the object
    webhooks.mutating, // sees what the server itself fills in
    validatingAdmissionPolicy(options),
    webhooks.validating, // all webhooks before quota: what they refuse is not counted
    checkMatchConditions(),
    admissionPolicyChecks,
    deviceAdminAccess(options),
    rbacEscalation(authorizer), // upstream's store does it, after all admission
    resourceQuota(options), // last: it reserves, and nothing may refuse after it
  ];
}
