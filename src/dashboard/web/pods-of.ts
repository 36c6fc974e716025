import type { ObjectWithMeta } from '../../api/meta.ts';
import { SelectorError, formatLabelSelector } from '../../api/selectors.ts';
import type { LabelSelector } from '../../api/types.gen.ts';
import type { Kind } from './kinds.ts';
import type { LiveQuery } from './live.ts';

/** How to list the pods of a workload or Service; undefined when it selects none. */
export function podsOf({ hasPods }: Kind, object: ObjectWithMeta): LiveQuery | undefined {
  const { selector } = (object as { spec?: { selector?: LabelSelector | Record<string, string> } }).spec ?? {};
  if (!hasPods || !selector) return undefined;
  const labelSelector = formatted(isLabelSelector(selector) ? selector : { matchLabels: selector });
  return labelSelector ? { namespace: object.metadata.namespace, labelSelector } : undefined;
}

/** A Service's selector is a plain map. */
function isLabelSelector(selector: LabelSelector | Record<string, string>): selector is LabelSelector {
  return typeof selector.matchLabels === 'object' || Array.isArray(selector.matchExpressions);
}

function formatted(selector: LabelSelector): string | undefined {
  try {
    return formatLabelSelector(selector);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}
