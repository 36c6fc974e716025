import { statusError } from '../../../api/status.ts';
import type { AdmissionRequest } from '../../contract.ts';
import type { WebhookCaller } from './caller.ts';
import type { CallFailure } from './denial.ts';
import type { Hook } from './hooks.ts';
import type { Selection } from './invocation.ts';

/** What both webhook plugins are made of. */
export interface WebhookParts {
  hooks: () => readonly Hook[];
  select: Selection;
  caller: WebhookCaller;
}

/** Returns where the failure policy lets the request go on without the webhook. Throws StatusError where it does not, or where nobody waits any more. */
export function failOpen(failure: CallFailure, { webhook }: Hook, { waiter }: AdmissionRequest): void {
  if (webhook.failurePolicy !== 'Ignore') throw failure.refusal();
  if (waiter?.signal.aborted)
    throw statusError('Timeout', 'Timeout: request did not complete within requested timeout', { retryAfterSeconds: 0 });
}
