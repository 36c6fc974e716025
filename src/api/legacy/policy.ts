/** PodDisruptionBudgets of policy/v1beta1, where an empty selector selects no pod; in v1 it selects every one. */
import type { KubeObject } from '../meta.ts';
import type { LegacyRules } from '../schema/schema.ts';
import type { LabelSelector, LabelSelectorRequirement } from '../types.gen.ts';

/** The label that upstream says the difference with: no pod has it. */
const MATCH_LABEL = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';
const NOTHING: LabelSelectorRequirement = { key: MATCH_LABEL, operator: 'Exists' };
const EVERYTHING: LabelSelectorRequirement = { key: MATCH_LABEL, operator: 'DoesNotExist' };

export const DISRUPTION_BUDGET: Omit<LegacyRules, 'warning'> = {
  toStorage: (object) => translated(object, { empty: NOTHING, full: EVERYTHING }),
  fromStorage: (object) => translated(object, { empty: EVERYTHING, full: NOTHING }),
};

/** An empty selector becomes one that says in the other version what it says in this; what said so becomes empty. */
function translated(object: KubeObject, { empty, full }: Record<'empty' | 'full', LabelSelectorRequirement>): KubeObject {
  const { selector, ...spec } = (object['spec'] ?? {}) as { selector?: LabelSelector };
  if (!selector) return { ...object };
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const [only] = matchExpressions;
  if (Object.keys(matchLabels).length > 0 || matchExpressions.length > 1) return { ...object };
  if (!only) return { ...object, spec: { ...spec, selector: { matchExpressions: [empty] } } };
  return only.key === MATCH_LABEL && only.operator === full.operator ? { ...object, spec: { ...spec, selector: {} } } : { ...object };
}
