import { semanticEqual } from '../../../api/patch/json.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { statusError } from '../../../api/status.ts';
import type { AdmissionPlugin, AdmissionRequest, MutationRounds } from '../../contract.ts';
import { isAdmissionConfiguration } from '../matching/rules.ts';
import { fromVersion } from '../matching/versions.ts';
import { CallFailure } from './denial.ts';
import type { Hook } from './hooks.ts';
import type { Invocation } from './invocation.ts';
import { patchedObject } from './patched.ts';
import { withValidManagers } from './managed-fields.ts';
import { failOpen, type WebhookParts } from './parts.ts';

/**
 * MutatingAdmissionWebhook: one webhook after the other, each shown what those before it made of the object. When one changes it, those with
 * reinvocationPolicy IfNeeded that had been asked before are asked once more in a second round.
 */
export function mutatingWebhooks({ hooks, select, caller }: WebhookParts): AdmissionPlugin {
  const histories = new WeakMap<MutationRounds, History>();
  const run = async (request: AdmissionRequest): Promise<KubeObject | undefined> => {
    const { rounds } = request;
    const history = (rounds && histories.get(rounds)) ?? new History();
    if (rounds) histories.set(rounds, history);
    const again = rounds?.again ?? false;
    // Other plugins have changed what the webhooks left.
    if (again && !semanticEqual(history.output, request.object)) history.changed();
    let now = request;
    for (const [index, hook] of hooks().entries()) {
      const invocation = await select(hook, now);
      if (!invocation || (again && !history.mustReinvoke(hook))) continue;
      const object = await admitted({ invocation, request: now, place: `round_${again ? 1 : 0}_index_${index}` });
      if (object !== now.object) {
        history.changed();
        rounds?.askForAnother();
        now = { ...now, object: object! };
      }
      history.invoked(hook);
    }
    history.output = now.object;
    return now.object;
  };
  const admitted = async ({ invocation, request, place }: Step): Promise<KubeObject | undefined> => {
    const { webhook, configuration } = invocation.hook;
    try {
      const { patch } = await caller.ask(invocation, request);
      const object = patch === undefined ? request.object : await changedBy(patch, invocation, request);
      const note = { configuration, webhook: webhook.name, mutated: object !== request.object };
      request.annotate?.(`mutation.webhook.admission.k8s.io/${place}`, JSON.stringify(note));
      return object;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      failOpen(error, invocation.hook, request);
      request.annotate?.(`failed-open.mutation.webhook.admission.k8s.io/${place}`, webhook.name);
      return request.object;
    }
  };
  return {
    name: 'MutatingAdmissionWebhook',
    mutate: (request) => (hooks().length === 0 || isAdmissionConfiguration(request) ? undefined : run(request)),
    stop: () => caller.close(),
  };
}

interface Step {
  invocation: Invocation;
  request: AdmissionRequest;
  /** Names the call in audit annotations. */
  place: string;
}

async function changedBy(
  patch: string,
  { hook, matched, objects }: Invocation,
  request: AdmissionRequest,
): Promise<KubeObject | undefined> {
  const { object } = objects;
  if (isEmptyPatch(patch)) return request.object;
  if (!object) {
    const why = `admission webhook ${JSON.stringify(hook.webhook.name)} attempted to modify the object, which is not supported for this operation`;
    throw statusError('InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] });
  }
  const changed = patchedObject(object, patch, matched);
  return changed === object ? request.object : fromVersion(request, matched, withValidManagers(changed, object, request));
}

function isEmptyPatch(patch: string): boolean {
  return patch.trim() === '[]';
}

/** Who was asked in the course of one request (upstream's webhookReinvokeContext). */
class History {
  output: KubeObject | undefined;
  readonly #before = new Set<string>();
  readonly #again = new Set<string>();

  invoked({ key, webhook }: Hook): void {
    if (webhook.reinvocationPolicy === 'IfNeeded') this.#before.add(key);
  }

  /** Those who were asked before the object changed have to be asked again. */
  changed(): void {
    for (const key of this.#before) this.#again.add(key);
    this.#before.clear();
  }

  mustReinvoke({ key }: Hook): boolean {
    return this.#again.has(key);
  }
}
