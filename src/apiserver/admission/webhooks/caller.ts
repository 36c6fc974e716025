import type { Clock } from '../../../lib/clock.ts';
import type { Rng } from '../../../lib/random.ts';
import { StatusError } from '../../../api/status.ts';
import type { AdmissionRequest } from '../../contract.ts';
import { serviceAddress } from '../../crds/service-address.ts';
import type { StoredObjects } from '../../stored.ts';
import { WebhookClient } from '../../webhook-client.ts';
import { CallFailure, denied, dryRunUnsupported } from './denial.ts';
import type { Invocation } from './invocation.ts';
import type { Outcome, WebhookMetrics } from './metrics.ts';
import { reviewOf, verdictOf, type Review, type Verdict } from './review.ts';

export interface CallerOptions extends StoredObjects {
  clock: Clock;
  rng: Rng;
  metrics: WebhookMetrics;
}

const DEFAULT_TIMEOUT_SECONDS = 10;
const NO_SIDE_EFFECTS: readonly string[] = ['None', 'NoneOnDryRun'];

/** Asks webhooks, and counts what became of it. */
export class WebhookCaller {
  readonly #options: CallerOptions;
  readonly #client: WebhookClient;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#client = new WebhookClient({ clock: options.clock, locate: serviceAddress(options) });
  }

  /**
   * What an allowing webhook answered. Throws CallFailure when it could not be asked or answered what it may not, StatusError when it refused.
   * Its warnings and audit annotations are passed on in any case.
   */
  async ask(invocation: Invocation, request: AdmissionRequest): Promise<Verdict> {
    const { clock, metrics } = this.#options;
    const { hook } = invocation;
    const began = clock.now();
    const observe = (outcome: Outcome): void =>
      metrics.observe({ hook, operation: request.operation }, outcome, (clock.now() - began) / 1000);
    try {
      const verdict = await this.#ask(invocation, request);
      observe({ rejected: false });
      return verdict;
    } catch (error) {
      if (error instanceof CallFailure) observe({ rejected: hook.webhook.failurePolicy !== 'Ignore', failed: true });
      else if (error instanceof StatusError) observe({ rejected: true, code: error.code });
      throw error;
    }
  }

  close(): void {
    this.#client.close();
  }

  async #ask(invocation: Invocation, request: AdmissionRequest): Promise<Verdict> {
    const { webhook, type } = invocation.hook;
    const { name } = webhook;
    if (request.dryRun && !NO_SIDE_EFFECTS.includes(webhook.sideEffects)) throw dryRunUnsupported(name);
    const review = this.#review(invocation, request);
    const answer = await this.#post(invocation, review, request);
    const verdict = this.#verdict(name, answer, review, type === 'admit');
    for (const warning of verdict.warnings) request.warn(warning);
    for (const [key, value] of Object.entries(verdict.auditAnnotations)) request.annotate?.(`${name}/${key}`, value);
    if (!verdict.allowed) throw denied(name, verdict.status);
    return verdict;
  }

  #review(invocation: Invocation, request: AdmissionRequest): Review {
    try {
      return reviewOf(request, invocation, this.#options.rng.uuid());
    } catch (error) {
      throw new CallFailure(invocation.hook.webhook.name, `could not create admission objects: ${(error as Error).message}`, error);
    }
  }

  async #post({ hook: { webhook } }: Invocation, body: Review, { waiter }: AdmissionRequest): Promise<unknown> {
    const timeoutSeconds = webhook.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    const signal = waiter?.signal;
    try {
      return await this.#client.post(webhook.clientConfig, { body, timeoutSeconds, ...(signal ? { signal } : {}) });
    } catch (error) {
      throw new CallFailure(webhook.name, `failed to call webhook: ${(error as Error).message}`, error);
    }
  }

  #verdict(name: string, answer: unknown, review: Review, mutating: boolean): Verdict {
    try {
      return verdictOf(answer, review, mutating);
    } catch (error) {
      throw new CallFailure(name, `received invalid webhook response: ${(error as Error).message}`, error);
    }
  }
}
