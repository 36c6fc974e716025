import type { AdmissionPlugin, AdmissionRequest } from '../../contract.ts';
import { isAdmissionConfiguration } from '../matching/rules.ts';
import { CallFailure } from './denial.ts';
import type { Invocation } from './invocation.ts';
import { failOpen, type WebhookParts } from './parts.ts';

/** ValidatingAdmissionWebhook: all that match are asked side by side; of several refusals the first in order is told. */
export function validatingWebhooks({ hooks, select, caller }: WebhookParts): AdmissionPlugin {
  const run = async (request: AdmissionRequest): Promise<void> => {
    const invocations: Invocation[] = [];
    for (const hook of hooks()) {
      const invocation = await select(hook, request);
      if (invocation) invocations.push(invocation);
    }
    const outcomes = await Promise.allSettled(invocations.map((invocation, index) => validated(invocation, request, index)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason as Error;
  };
  const validated = async (invocation: Invocation, request: AdmissionRequest, index: number): Promise<void> => {
    try {
      await caller.ask(invocation, request);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      failOpen(error, invocation.hook, request);
      request.annotate?.(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`, invocation.hook.webhook.name);
    }
  };
  return {
    name: 'ValidatingAdmissionWebhook',
    validate: (request) => (hooks().length === 0 || isAdmissionConfiguration(request) ? undefined : run(request)),
  };
}
