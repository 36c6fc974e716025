/** What extends the API. */
import type {
  APIService,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../types.gen.ts';
import { AGE, ageOf, column, NAME, UNSET } from './columns.ts';
import type { Printer } from './columns.ts';

export const webhookConfigurations: Printer<MutatingWebhookConfiguration> = {
  columns: [NAME, column('Webhooks', 'integer'), AGE],
  cells: (object, now) => [object.metadata.name!, object.webhooks?.length ?? 0, ageOf(object, now)],
};

export const validatingPolicies: Printer<ValidatingAdmissionPolicy> = {
  columns: [NAME, column('Validations', 'integer'), column('ParamKind'), AGE],
  cells: (object, now) => [
    object.metadata.name!,
    object.spec?.validations?.length ?? 0,
    paramKind(object.spec?.paramKind),
    ageOf(object, now),
  ],
};

export const mutatingPolicies: Printer<{
  metadata: ValidatingAdmissionPolicy['metadata'];
  spec?: { mutations?: unknown[]; paramKind?: { apiVersion?: string; kind?: string } };
}> = {
  columns: [NAME, column('Mutations', 'integer'), column('ParamKind'), AGE],
  cells: (object, now) => [
    object.metadata.name!,
    object.spec?.mutations?.length ?? 0,
    paramKind(object.spec?.paramKind),
    ageOf(object, now),
  ],
};

export const policyBindings: Printer<ValidatingAdmissionPolicyBinding> = {
  columns: [NAME, column('PolicyName'), column('ParamRef'), AGE],
  cells: (object, now) => {
    const reference = object.spec?.paramRef;
    const text = !reference ? UNSET : reference.name ? `${reference.namespace || '*'}/${reference.name}` : UNSET;
    return [object.metadata.name!, object.spec?.policyName ?? '', text, ageOf(object, now)];
  },
};

export const apiServices: Printer<APIService> = {
  columns: [NAME, column('Service'), column('Available'), AGE],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const available = status?.conditions?.find(({ type }) => type === 'Available');
    const text = !available ? 'Unknown' : available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`;
    return [metadata.name!, spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local', text, ageOf(object, now)];
  },
};

function paramKind(kind: { apiVersion?: string; kind?: string } | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : UNSET;
}
