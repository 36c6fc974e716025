/** Defaults of what extends the API: webhooks, admission policies, CustomResourceDefinitions, APIServices. */
import type {
  APIService,
  CustomResourceDefinition,
  MatchResources,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../types.gen.ts';

const HTTPS_PORT = 443;

/** Mutating and validating configurations alike; only mutating webhooks have a reinvocation policy. */
export function defaultWebhooks(configuration: MutatingWebhookConfiguration): void {
  for (const webhook of configuration.webhooks ?? []) {
    webhook.failurePolicy ??= 'Fail';
    webhook.matchPolicy ??= 'Equivalent';
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    webhook.timeoutSeconds ??= 10;
    if (configuration.kind !== 'ValidatingWebhookConfiguration') webhook.reinvocationPolicy ??= 'Never';
    for (const rule of webhook.rules ?? []) rule.scope ??= '*';
    if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= HTTPS_PORT;
  }
}

export function defaultPolicy({ spec }: ValidatingAdmissionPolicy): void {
  if (!spec) return;
  spec.failurePolicy ??= 'Fail';
  if (spec.matchConstraints) defaultMatchResources(spec.matchConstraints);
}

export function defaultPolicyBinding({ spec }: ValidatingAdmissionPolicyBinding): void {
  if (spec?.matchResources) defaultMatchResources(spec.matchResources);
}

function defaultMatchResources(resources: MatchResources): void {
  resources.matchPolicy ??= 'Equivalent';
  resources.namespaceSelector ??= {};
  resources.objectSelector ??= {};
  for (const rule of [...(resources.resourceRules ?? []), ...(resources.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

export function defaultCustomResourceDefinition({ spec }: CustomResourceDefinition): void {
  if (!spec) return;
  spec.conversion ??= { strategy: 'None' };
  if (spec.conversion.webhook?.clientConfig?.service) spec.conversion.webhook.clientConfig.service.port ??= HTTPS_PORT;
  if (!spec.names?.kind) return;
  spec.names.singular ||= spec.names.kind.toLowerCase();
  spec.names.listKind ||= `${spec.names.kind}List`;
}

export function defaultApiService({ spec }: APIService): void {
  if (spec?.service) spec.service.port ??= HTTPS_PORT;
}
