import type { ClusterRole, LabelSelector, PolicyRule } from '../../api/types.gen.ts';

/**
 * The rules of a ClusterRole with an aggregationRule: those of every other ClusterRole that its selectors choose, without repeats. A chosen
 * role may itself be aggregated (`admin` takes `edit`, which takes `view`).
 */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  collect(role, all, new Set(), rules);
  return [...rules.values()];
}

function collect(role: ClusterRole, all: readonly ClusterRole[], seen: Set<string>, rules: Map<string, PolicyRule>): void {
  const name = role.metadata.name!;
  if (seen.has(name)) return;
  seen.add(name);
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (!selectors?.length) {
    for (const rule of role.rules ?? []) rules.set(JSON.stringify(rule), rule);
    return;
  }
  const chosen = all.filter((other) => other !== role && selectors.some((selector) => selects(selector, other.metadata.labels ?? {})));
  for (const other of chosen.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))) collect(other, all, seen, rules);
}

function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        default:
          return value === undefined;
      }
    })
  );
}
