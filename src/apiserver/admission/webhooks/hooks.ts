import { labelSelectorOf, type LabelSelector } from '../../../api/selectors.ts';
import type { MutatingWebhook, MutatingWebhookConfiguration, ObjectMeta, ValidatingWebhook } from '../../../api/types.gen.ts';
import { stored, type StoredObjects } from '../../stored.ts';
import type { MatchConditions } from '../matching/conditions.ts';

/** A configured webhook, ready to be asked. */
export interface Hook {
  /** `configuration/webhook/index`: tells it from all others of its type. */
  key: string;
  type: 'admit' | 'validating';
  configuration: string;
  webhook: MutatingWebhook & ValidatingWebhook;
  namespaceSelector: LabelSelector;
  objectSelector: LabelSelector;
  /** Compiled when first needed. */
  conditions?: MatchConditions;
}

/** The webhooks that are configured now: by their configuration's name, then in its order. An empty list is the same list every time. */
export function hookList(objects: StoredObjects, type: Hook['type']): () => readonly Hook[] {
  const resource = type === 'admit' ? 'mutatingwebhookconfigurations' : 'validatingwebhookconfigurations';
  const configurations = stored<MutatingWebhookConfiguration>(objects, 'admissionregistration.k8s.io', 'v1', resource);
  let hooks: readonly Hook[] | undefined;
  let following = false;
  return () => {
    if (hooks) return hooks;
    if (!objects.resources.find('admissionregistration.k8s.io', 'v1', resource)) return (hooks = []);
    if (!following) {
      following = true;
      configurations.subscribe(() => (hooks = undefined));
    }
    const byName = configurations.list().toSorted((a, b) => compare(a.metadata, b.metadata));
    return (hooks = byName.flatMap((configuration) => hooksOf(configuration, type)));
  };
}

function compare({ name: a = '' }: ObjectMeta, { name: b = '' }: ObjectMeta): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function hooksOf({ metadata, webhooks = [] }: MutatingWebhookConfiguration, type: Hook['type']): Hook[] {
  const seen = new Map<string, number>();
  return webhooks.map((webhook) => {
    const index = seen.get(webhook.name) ?? 0;
    seen.set(webhook.name, index + 1);
    return {
      key: `${metadata.name}/${webhook.name}/${index}`,
      type,
      configuration: metadata.name!,
      webhook,
      namespaceSelector: labelSelectorOf(webhook.namespaceSelector),
      objectSelector: labelSelectorOf(webhook.objectSelector),
    };
  });
}
