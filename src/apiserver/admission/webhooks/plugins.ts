import type { Clock } from '../../../lib/clock.ts';
import type { Rng } from '../../../lib/random.ts';
import type { AdmissionPlugin, Authorizer } from '../../contract.ts';
import type { StoredObjects } from '../../stored.ts';
import { WebhookCaller } from './caller.ts';
import { hookList } from './hooks.ts';
import { webhookSelection } from './invocation.ts';
import { WebhookMetrics } from './metrics.ts';
import { mutatingWebhooks } from './mutating.ts';
import { validatingWebhooks } from './validating.ts';

export interface WebhookOptions extends StoredObjects {
  authorizer: Authorizer;
  clock: Clock;
  rng: Rng;
  /** Takes what is to stand on /metrics. */
  exposeMetrics?: (lines: () => readonly string[]) => void;
}

export interface WebhookPlugins {
  mutating: AdmissionPlugin;
  validating: AdmissionPlugin;
}

/** MutatingAdmissionWebhook and ValidatingAdmissionWebhook. Without a configured webhook they look at one empty list and return. */
export function webhookPlugins(options: WebhookOptions): WebhookPlugins {
  const metrics = new WebhookMetrics();
  options.exposeMetrics?.(() => metrics.lines());
  const select = webhookSelection(options);
  const caller = new WebhookCaller({ ...options, metrics });
  return {
    mutating: mutatingWebhooks({ hooks: hookList(options, 'admit'), select, caller }),
    validating: validatingWebhooks({ hooks: hookList(options, 'validating'), select, caller }),
  };
}
