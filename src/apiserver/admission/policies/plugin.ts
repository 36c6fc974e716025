/**
 * The two policy plugins of the chain, and the check of policies themselves. What evaluates is loaded when the first policy with a binding is there;
 * until then a write pays for one comparison.
 */
import { invalid } from '../../../api/status.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/types.gen.ts';
import type { AdmissionPlugin } from '../../contract.ts';
import { PolicyCatalog } from './catalog.ts';
import type { PolicyContext } from './invocations.ts';
import { isExempt } from './match.ts';
import { PolicyMetrics } from './metrics.ts';
import type { Mutator } from './mutating.ts';
import type { Validator } from './validating.ts';

export interface PolicyPluginOptions extends PolicyContext {
  /** Takes what is to stand on /metrics. */
  exposeMetrics?: (lines: () => readonly string[]) => void;
}

export function mutatingAdmissionPolicy({ exposeMetrics, ...context }: PolicyPluginOptions): AdmissionPlugin {
  const catalog = new PolicyCatalog<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding>(context, {
    policies: 'mutatingadmissionpolicies',
    bindings: 'mutatingadmissionpolicybindings',
  });
  const metrics = new PolicyMetrics('mutating');
  exposeMetrics?.(() => metrics.lines());
  let mutator: Promise<Mutator> | undefined;
  return {
    name: 'MutatingAdmissionPolicy',
    mutate(request) {
      const { configured } = catalog;
      if (configured.length === 0 || isExempt(request)) return undefined;
      mutator ??= import('./mutating.ts').then(({ policyMutator }) => policyMutator({ ...context, metrics }));
      return mutator.then((mutate) => mutate(configured, request));
    },
  };
}

export function validatingAdmissionPolicy({ exposeMetrics, ...context }: PolicyPluginOptions): AdmissionPlugin {
  const catalog = new PolicyCatalog<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding>(context, {
    policies: 'validatingadmissionpolicies',
    bindings: 'validatingadmissionpolicybindings',
  });
  const metrics = new PolicyMetrics('validating');
  exposeMetrics?.(() => metrics.lines());
  let validator: Promise<Validator> | undefined;
  return {
    name: 'ValidatingAdmissionPolicy',
    validate(request) {
      const { configured } = catalog;
      if (configured.length === 0 || isExempt(request)) return undefined;
      validator ??= import('./validating.ts').then(({ policyValidator }) => policyValidator({ ...context, metrics }));
      return validator.then((validate) => validate(configured, request));
    },
  };
}

/**
 * Refuses policies and bindings that are not valid. Upstream does this in validation; here it comes just behind, since expressions are compiled
 * and what compiles them is loaded only where there are policies.
 */
export const admissionPolicyChecks: AdmissionPlugin = {
  name: 'AdmissionPolicyChecks',
  validate({ operation, resource, subresource, object, oldObject }) {
    if (resource.group !== 'admissionregistration.k8s.io' || !resource.kind.includes('AdmissionPolicy')) return undefined;
    if (subresource !== '' || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return undefined;
    return import('./checks.ts').then(({ policyFindings }) => {
      const findings = policyFindings(resource.kind, object, oldObject);
      if (findings.length > 0) throw invalid(resource.kind, resource.group, object.metadata.name ?? '', findings);
    });
  },
};
