import type { LabelSelector } from '../../api/selectors.ts';
import type { Pod, TopologySpreadConstraint } from '../../api/types.gen.ts';
import { MAX_SCORE, type PluginCycle, type Rejection, type SchedulingPlugin } from '../framework.ts';
import { HOSTNAME_LABEL, type NodeInfo, type Snapshot, ZONE_LABEL } from '../snapshot.ts';
import { nodeMatcher } from './node-selection.ts';
import { selectorKey, withLabelKeys } from './pod-terms.ts';
import { isTolerated } from '../../api/tolerations.ts';

const NO_MATCH: Rejection = { code: 'Unschedulable', reasons: ["node(s) didn't match pod topology spread constraints"] };
const NO_LABEL: Rejection = {
  code: 'UnschedulableAndUnresolvable',
  reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
};

/** The selector of the workload that the pod belongs to (its Services and owner), for spreading by default; undefined when it belongs to none. */
export type WorkloadSelector = (pod: Pod) => LabelSelector | undefined;

interface Constraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: LabelSelector;
  key: string;
  /** Which nodes count, and that as text (snapshot.ts, Domains). */
  counts(node: NodeInfo): boolean;
  rule: string;
}

export interface PodTopologySpreadArgs {
  /** For pods that state none; without selectors: their workload's is taken. */
  defaultConstraints?: readonly TopologySpreadConstraint[];
  /** `System`: the cluster-wide default below; `List`: `defaultConstraints`. */
  defaultingType?: 'System' | 'List';
}

/** kube-scheduler's own default: at most 3 more per host, 5 more per zone, as a wish. */
const SYSTEM_CONSTRAINTS: readonly TopologySpreadConstraint[] = [
  { topologyKey: HOSTNAME_LABEL, maxSkew: 3, whenUnsatisfiable: 'ScheduleAnyway' },
  { topologyKey: ZONE_LABEL, maxSkew: 5, whenUnsatisfiable: 'ScheduleAnyway' },
];

/** Topology spread constraints; pods that state none are spread softly over hosts and zones with their workload. */
export function podTopologySpread(workloadSelector: WorkloadSelector, args: PodTopologySpreadArgs = {}): SchedulingPlugin {
  const isSystem = (args.defaultingType ?? 'System') === 'System';
  const defaults = isSystem ? SYSTEM_CONSTRAINTS : (args.defaultConstraints ?? []);
  return {
    name: 'PodTopologySpread',
    begin({ pod }, snapshot) {
      const stated = pod.spec!.topologySpreadConstraints ?? [];
      if (stated.length === 0 && defaults.length === 0) return undefined;
      const selector = stated.length === 0 ? workloadSelector(pod) : undefined;
      if (stated.length === 0 && !selector) return undefined;
      const constraints = stated.length > 0 ? stated : defaults;
      const of = (what: string): Constraint[] =>
        constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === what).map((each) => compile(each, pod, selector));
      const hard = of('DoNotSchedule');
      const soft = of('ScheduleAnyway');
      return {
        ...(hard.length > 0 ? hardSteps(pod, hard, snapshot) : {}),
        ...(soft.length > 0 ? softSteps(pod, soft, snapshot, stated.length > 0 || !isSystem) : {}),
      };
    },
    wakesOn: ({ resource, pod }, waiting) =>
      resource === 'Node' ||
      resource === 'UnscheduledPod' ||
      (resource === 'AssignedPod' && pod?.pod.metadata.namespace === waiting.pod.metadata.namespace),
  };
}

function compile(constraint: TopologySpreadConstraint, pod: Pod, workload?: LabelSelector): Constraint {
  const selector = workload ?? withLabelKeys(constraint.labelSelector, pod, constraint.matchLabelKeys);
  const matches = (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' ? nodeMatcher(pod) : undefined;
  const honourTaints = constraint.nodeTaintsPolicy === 'Honor';
  const { nodeSelector, affinity, tolerations } = pod.spec!;
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    selector,
    key: selectorKey(selector),
    rule: JSON.stringify([matches && [nodeSelector, affinity?.nodeAffinity], honourTaints && tolerations]),
    counts: (node) =>
      (matches?.(node) ?? true) &&
      (!honourTaints || !node.node.spec?.taints?.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, tolerations))),
  };
}

/** Matching pods by topology value, over the nodes that count and have the keys of all constraints. */
function domainsFor(constraint: Constraint, pod: Pod, keys: readonly string[], snapshot: Snapshot): ReadonlyMap<string, number> {
  const others = keys.filter((key) => key !== constraint.topologyKey);
  const { selector, key, topologyKey, counts, rule } = constraint;
  return snapshot.domains({
    namespace: pod.metadata.namespace!,
    selector,
    selectorKey: key,
    topologyKey,
    counts: others.length === 0 ? counts : (node) => counts(node) && others.every((other) => node.labels[other] !== undefined),
    rule: `${rule} ${others.join(' ')}`,
  });
}

function hardSteps(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot): PluginCycle {
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  const states = constraints.map((constraint) => {
    const counts = domainsFor(constraint, pod, keys, snapshot);
    let least = counts.size < constraint.minDomains || counts.size === 0 ? 0 : Infinity;
    for (const count of counts.values()) least = Math.min(least, count);
    return { constraint, counts, least, self: constraint.selector.matchesLabels(pod.metadata.labels) ? 1 : 0 };
  });
  return {
    filter: (node) => {
      for (const { constraint, counts, least, self } of states) {
        const value = node.labels[constraint.topologyKey];
        if (value === undefined) return NO_LABEL;
        if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew) return NO_MATCH;
      }
      return undefined;
    },
  };
}

interface SoftState {
  constraint: Constraint;
  /** Matching pods by value; undefined for host names, where each node stands for itself. */
  counts: ReadonlyMap<string, number> | undefined;
  perNode: ReadonlyMap<string, number>;
  weight: number;
}

/** Scores by how many matching pods there are in the node's domains. `requireAllKeys`: nodes without one of the keys get nothing. */
function softSteps(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot, requireAllKeys: boolean): PluginCycle {
  const keys = requireAllKeys ? constraints.map(({ topologyKey }) => topologyKey) : [];
  const hasAllKeys = (node: NodeInfo): boolean => keys.every((key) => node.labels[key] !== undefined);
  let states: SoftState[] = [];
  return {
    preScore: (nodes) => {
      const scored = keys.length === 0 ? nodes : nodes.filter(hasAllKeys);
      states = constraints.map((constraint) => softState(constraint, pod, scored, { snapshot, keys }));
      return true;
    },
    score: (node) => {
      if (!hasAllKeys(node)) return IGNORED;
      let sum = 0;
      for (const { constraint, counts, perNode, weight } of states) {
        const value = node.label(constraint.topologyKey);
        if (value === undefined) continue;
        const count = counts ? counts.get(value) : perNode.get(node.name);
        sum += (count ?? 0) * weight + constraint.maxSkew - 1;
      }
      return Math.round(sum);
    },
    normalise: normaliseSoft,
  };
}

const IGNORED = -1;

function softState(
  constraint: Constraint,
  pod: Pod,
  scored: readonly NodeInfo[],
  { snapshot, keys }: { snapshot: Snapshot; keys: readonly string[] },
): SoftState {
  const { topologyKey, selector, key } = constraint;
  const perNode = snapshot.matching(pod.metadata.namespace!, selector, key);
  // Fewer domains weigh less: with many, one pod more hardly shows.
  if (topologyKey === HOSTNAME_LABEL) return { constraint, counts: undefined, perNode, weight: Math.log(scored.length + 2) };
  const domains = new Set<string | undefined>();
  for (const node of scored) domains.add(node.label(topologyKey));
  return { constraint, counts: domainsFor(constraint, pod, keys, snapshot), perNode, weight: Math.log(domains.size + 2) };
}

/** The fewer the better: turned round, with the most crowded node still above nothing where others are crowded too. */
function normaliseSoft(scores: Float64Array): void {
  let max = 0;
  let min = Infinity;
  for (const score of scores) {
    if (score === IGNORED) continue;
    max = Math.max(max, score);
    min = Math.min(min, score);
  }
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] === IGNORED) scores[i] = 0;
    else scores[i] = max === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (max + min - scores[i]!)) / max);
  }
}
