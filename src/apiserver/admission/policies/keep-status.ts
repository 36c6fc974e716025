import type { Logger } from '../../../lib/log.ts';
import { StatusError } from '../../../api/status.ts';
import type { ValidatingAdmissionPolicy } from '../../../api/types.gen.ts';
import { stored, type StoredObjects } from '../../stored.ts';

/**
 * Keeps `status.typeChecking` and `status.observedGeneration` of ValidatingAdmissionPolicies. Upstream's controller manager does it; here it is the
 * server, which has what compiles expressions. Loads it when there is a policy. Returns how to stop.
 */
export function keepPolicyStatus({ log, ...objects }: StoredObjects & { log: Logger }): () => void {
  const policies = stored<ValidatingAdmissionPolicy>(objects, 'admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies');
  const waiting = new Set<string>();
  let isStopped = false;
  let isWorking = false;
  const work = async (): Promise<void> => {
    if (isWorking) return;
    isWorking = true;
    for (const name of waiting) {
      waiting.delete(name);
      const policy = policies.get('', name);
      if (isStopped || !policy || !isDue(policy)) continue;
      try {
        await update(policy);
      } catch (error) {
        // Somebody wrote in between; that change is on its way here.
        if (!StatusError.is(error, 'Conflict') && !StatusError.is(error, 'NotFound') && !isStopped)
          log.warn('a policy could not be type-checked', { name, error });
      }
    }
    isWorking = false;
  };
  const update = async (policy: ValidatingAdmissionPolicy): Promise<void> => {
    const { typeWarnings } = await import('./type-checking.ts');
    const warnings = typeWarnings(policy, objects.resources);
    const status = {
      ...policy.status,
      observedGeneration: policy.metadata.generation!,
      typeChecking: warnings.length > 0 ? { expressionWarnings: warnings } : {},
    };
    await objects.source.updateStatus(policies.resource, { ...policy, status });
  };
  const enqueue = (policy: ValidatingAdmissionPolicy): void => {
    if (!isDue(policy)) return;
    waiting.add(policy.metadata.name!);
    void work();
  };
  const unsubscribe = policies.subscribe((policy, _previous, isDeleted) => {
    if (!isDeleted) enqueue(policy);
  });
  for (const policy of policies.list()) enqueue(policy);
  return () => {
    isStopped = true;
    unsubscribe();
  };
}

function isDue({ metadata, status }: ValidatingAdmissionPolicy): boolean {
  return status?.observedGeneration !== metadata.generation;
}
