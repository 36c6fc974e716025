import type { LabelSelector } from '../../api/selectors.ts';
import type { Pod, TopologySpreadConstraint } from '../../api/types.gen.ts';
import { MAX_SCORE, type PluginCycle, type Rejection, type SchedulingPlugin } from '../framework.ts';
import { type NodeInfo, type Snapshot, ZONE_LABEL } from '../snapshot.ts';
import { nodeMatcher } from './node-selection.ts';
import { selectorKey, withLabelKeys } from './pod-terms.ts';
import { isTolerated } from '../../api/tolerations.ts';

const NO_MATCH: Rejection = { code: 'Unschedulable', reasons: ["node(s) didn't match pod topology spread constraints"] };
const NO_LABEL: Rejection = {
  code: 'UnschedulableAndUnresolvable',
  reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
};
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** The selector of the workload that the pod belongs to (its Services and owner), for spreading by default; undefined when it belongs to none. */
export type WorkloadSelector = (pod: Pod) => LabelSelector | undefined;

interface Constraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: LabelSelector;
  key: string;
  counts(node: NodeInfo): boolean;
}

/** Topology spread constraints; pods that state none are spread softly over hosts and zones with their workload. */
export function podTopologySpread(workloadSelector: WorkloadSelector): SchedulingPlugin {
  return {
    name: 'PodTopologySpread',
    begin({ pod }, snapshot) {
      const stated = pod.spec!.topologySpreadConstraints ?? [];
      const hard = stated.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule').map((each) => compile(each, pod));
      const soft = stated.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway').map((each) => compile(each, pod));
      const isDefault = stated.length === 0;
      const scored = isDefault ? defaults(pod, workloadSelector) : soft;
      return {
        ...(hard.length > 0 ? hardSteps(pod, hard, snapshot) : {}),
        ...(scored.length > 0 ? softSteps(pod, scored, snapshot, !isDefault) : {}),
      };
    },
    wakesOn: ({ resource, pod }, waiting) =>
      resource === 'Node' || (resource === 'AssignedPod' && pod?.pod.metadata.namespace === waiting.pod.metadata.namespace),
  };
}

function compile(constraint: TopologySpreadConstraint, pod: Pod): Constraint {
  const selector = withLabelKeys(constraint.labelSelector, pod, constraint.matchLabelKeys);
  const matches = (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' ? nodeMatcher(pod) : undefined;
  const honourTaints = constraint.nodeTaintsPolicy === 'Honor';
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    selector,
    key: selectorKey(selector),
    counts: (node) =>
      (matches?.(node) ?? true) &&
      (!honourTaints ||
        !node.node.spec?.taints?.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, pod.spec!.tolerations))),
  };
}

/** The cluster-wide default of kube-scheduler: at most 3 more per host, 5 more per zone, as a wish. */
function defaults(pod: Pod, workloadSelector: WorkloadSelector): Constraint[] {
  const selector = workloadSelector(pod);
  if (!selector) return [];
  const common = { selector, key: selectorKey(selector), minDomains: 1, counts: () => true };
  return [
    { ...common, topologyKey: HOSTNAME_LABEL, maxSkew: 3 },
    { ...common, topologyKey: ZONE_LABEL, maxSkew: 5 },
  ];
}

/** Matching pods by topology value, over the nodes that count and have all keys. */
function domains(constraint: Constraint, pod: Pod, nodes: readonly NodeInfo[], snapshot: Snapshot): Map<string, number> {
  const perNode = snapshot.matching(pod.metadata.namespace!, constraint.selector, constraint.key);
  const result = new Map<string, number>();
  for (const node of nodes) {
    if (!constraint.counts(node)) continue;
    const value = node.labels[constraint.topologyKey]!;
    result.set(value, (result.get(value) ?? 0) + (perNode.get(node.name) ?? 0));
  }
  return result;
}

function hardSteps(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot): PluginCycle {
  const eligible = snapshot.nodes.filter((node) => constraints.every(({ topologyKey }) => node.labels[topologyKey] !== undefined));
  const states = constraints.map((constraint) => {
    const counts = domains(constraint, pod, eligible, snapshot);
    const least = counts.size < constraint.minDomains ? 0 : Math.min(...counts.values());
    return {
      constraint,
      counts,
      least: Number.isFinite(least) ? least : 0,
      self: constraint.selector.matchesLabels(pod.metadata.labels) ? 1 : 0,
    };
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

function softSteps(pod: Pod, constraints: readonly Constraint[], snapshot: Snapshot, requireAllKeys: boolean): PluginCycle {
  const eligible = requireAllKeys
    ? snapshot.nodes.filter((node) => constraints.every(({ topologyKey }) => node.labels[topologyKey] !== undefined))
    : snapshot.nodes;
  const states = constraints.map((constraint) => {
    const isHost = constraint.topologyKey === HOSTNAME_LABEL;
    const perNode = snapshot.matching(pod.metadata.namespace!, constraint.selector, constraint.key);
    const withKey = eligible.filter((node) => node.labels[constraint.topologyKey] !== undefined);
    const counts = isHost ? undefined : domains(constraint, pod, withKey, snapshot);
    // Fewer domains weigh less: with many, one pod more hardly shows.
    const weight = Math.log((counts?.size ?? withKey.length) + 2);
    const at = (node: NodeInfo): number | undefined => {
      const value = node.labels[constraint.topologyKey];
      if (value === undefined) return undefined;
      return counts ? counts.get(value) : perNode.get(node.name);
    };
    return { at, weight, skew: constraint.maxSkew - 1, key: constraint.topologyKey };
  });
  const IGNORED = -1;
  return {
    score: (node) => {
      if (requireAllKeys && states.some(({ key }) => node.labels[key] === undefined)) return IGNORED;
      return Math.round(
        states.reduce(
          (sum, { at, weight, skew, key }) => (node.labels[key] === undefined ? sum : sum + (at(node) ?? 0) * weight + skew),
          0,
        ),
      );
    },
    normalise: (scores) => {
      const known = scores.filter((score) => score !== IGNORED);
      const max = Math.max(...known);
      const min = Math.min(...known);
      for (let i = 0; i < scores.length; i++) {
        if (scores[i] === IGNORED) scores[i] = 0;
        else scores[i] = max === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (max + min - scores[i]!)) / max);
      }
    },
  };
}
