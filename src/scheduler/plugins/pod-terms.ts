import { EVERYTHING, NOTHING, type LabelSelector, formatLabelSelector, labelSelectorOf } from '../../api/selectors.ts';
import type { LabelSelector as SelectorSpec, Pod, PodAffinityTerm } from '../../api/types.gen.ts';

/** A pod affinity term, compiled for the pod that carries it. */
export interface Term {
  topologyKey: string;
  weight: number;
  /** Whether the other pod is one that the term speaks of. */
  matches(other: Pod): boolean;
}

/** Labels of namespaces by name, for namespaceSelector. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

export function compileTerm(term: PodAffinityTerm, owner: Pod, namespaceLabels: NamespaceLabels, weight = 1): Term {
  const selector = withLabelKeys(term.labelSelector, owner, term.matchLabelKeys, term.mismatchLabelKeys);
  const namespaces = new Set(term.namespaces ?? []);
  const byLabel = term.namespaceSelector ? labelSelectorOf(term.namespaceSelector) : undefined;
  if (namespaces.size === 0 && !byLabel) namespaces.add(owner.metadata.namespace!);
  return {
    topologyKey: term.topologyKey,
    weight,
    matches: (other) => {
      const namespace = other.metadata.namespace!;
      const inNamespace =
        namespaces.has(namespace) ||
        (byLabel !== undefined && (byLabel.everything || byLabel.matchesLabels(namespaceLabels(namespace) ?? {})));
      return inNamespace && selector.matchesLabels(other.metadata.labels);
    },
  };
}

/** The selector with the values that the pod itself has for matchLabelKeys (equal) and mismatchLabelKeys (different). An absent selector matches nothing. */
export function withLabelKeys(
  spec: SelectorSpec | undefined,
  owner: Pod,
  equal: readonly string[] = [],
  different: readonly string[] = [],
): LabelSelector {
  if (!spec) return NOTHING;
  const labels = owner.metadata.labels ?? {};
  const extra = [
    ...equal.filter((key) => key in labels).map((key) => ({ key, operator: 'In', values: [labels[key]!] })),
    ...different.filter((key) => key in labels).map((key) => ({ key, operator: 'NotIn', values: [labels[key]!] })),
  ];
  const whole = extra.length === 0 ? spec : { ...spec, matchExpressions: [...(spec.matchExpressions ?? []), ...extra] };
  const isEmpty = Object.keys(whole.matchLabels ?? {}).length === 0 && (whole.matchExpressions ?? []).length === 0;
  return isEmpty ? EVERYTHING : labelSelectorOf(whole);
}

export const selectorKey = (selector: LabelSelector): string => (selector.everything ? '*' : formatLabelSelector(selector));
