import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { AdmissionRequest, Authorizer } from '../../contract.ts';
import type { StoredObjects } from '../../stored.ts';
import { isAdmissionConfiguration, ruleMatcher } from '../matching/rules.ts';
import { matchesObject, namespaceMatcher } from '../matching/selectors.ts';
import { objectsIn, type VersionedObjects } from '../matching/versions.ts';
import { refuse } from '../refuse.ts';
import type { Hook } from './hooks.ts';

/** A webhook that is to be called about a request, with what it is shown. */
export interface Invocation {
  hook: Hook;
  /** The resource in whose version the webhook's rule matched. */
  matched: ResourceInfo;
  objects: VersionedObjects;
}

/** Whether a webhook is to be called. Throws StatusError when it cannot be decided. */
export type Selection = (hook: Hook, request: AdmissionRequest) => Promise<Invocation | undefined>;

export function webhookSelection(options: StoredObjects & { authorizer: Authorizer }): Selection {
  const matchRules = ruleMatcher(options.resources);
  const matchesNamespace = namespaceMatcher(options);
  return async (hook, request) => {
    if (isAdmissionConfiguration(request)) return undefined;
    const { rules, matchPolicy, matchConditions } = hook.webhook;
    const matched = matchRules(rules, matchPolicy, request);
    if (!matched || !matchesObject(hook.objectSelector, request) || !(await matchesNamespace(hook.namespaceSelector, request)))
      return undefined;
    const objects = await objectsIn(request, matched);
    const invocation = { hook, matched, objects };
    return !matchConditions?.length || (await meetsConditions(invocation, request, options.authorizer)) ? invocation : undefined;
  };
}

/** A condition that is false decides; one that fails leaves it to the failure policy (KEP-3716). */
async function meetsConditions(
  { hook, matched, objects }: Invocation,
  request: AdmissionRequest,
  authorizer: Authorizer,
): Promise<boolean> {
  const { admissionVariables } = await import('../matching/cel-request.ts');
  if (!hook.conditions) {
    const { compileConditions } = await import('../matching/conditions.ts');
    hook.conditions = compileConditions(hook.webhook.matchConditions!);
  }
  const outcome = hook.conditions.evaluate(admissionVariables({ request, matched, objects }, authorizer));
  if (!(outcome instanceof Error)) return outcome;
  if (hook.webhook.failurePolicy === 'Ignore') return false;
  throw refuse(request, outcome.message);
}
