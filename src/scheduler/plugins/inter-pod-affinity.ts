import type { Pod } from '../../api/types.gen.ts';
import { MAX_SCORE, type PluginCycle, type Rejection, type SchedulingPlugin } from '../framework.ts';
import type { NodeInfo, Snapshot } from '../snapshot.ts';
import { type NamespaceLabels, type Term, compileTerm } from './pod-terms.ts';

const reject = (code: Rejection['code'], reason: string): Rejection => ({ code, reasons: [reason] });
const NOT_BESIDE = reject('UnschedulableAndUnresolvable', "node(s) didn't match pod affinity rules");
const OWN_ANTI = reject('Unschedulable', "node(s) didn't match pod anti-affinity rules");
const OTHERS_ANTI = reject('Unschedulable', "node(s) didn't satisfy existing pods anti-affinity rules");

export interface InterPodAffinityArgs {
  /** Weight that a required affinity of a pod already there lends to a newcomer that matches it, 0–100. */
  hardPodAffinityWeight?: number;
  /** Wishes of pods already there do not count where the newcomer has none itself. */
  ignorePreferredTermsOfExistingPods?: boolean;
}

/** How many pods match, by topology key and value. */
type Counts = Map<string, Map<string, number>>;

/** Pod affinity and anti-affinity, required and preferred, seen from the newcomer and from the pods already there. */
export function interPodAffinity(
  namespaceLabels: NamespaceLabels,
  { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }: InterPodAffinityArgs = {},
): SchedulingPlugin {
  const scoring: Scoring = { namespaceLabels, hardWeight: hardPodAffinityWeight, ignoreOthers: ignorePreferredTermsOfExistingPods };
  return {
    name: 'InterPodAffinity',
    begin({ pod, hasAffinity }, snapshot) {
      const nobodyCares = snapshot.nodesWithAffinity.length === 0;
      if (!hasAffinity && nobodyCares) return undefined;
      return { ...filterSteps(pod, snapshot, namespaceLabels), ...scoreSteps(pod, snapshot, scoring) };
    },
    wakesOn: ({ resource, action }, { pod }) => {
      if (resource === 'Node') return action !== 'delete';
      if (resource === 'UnscheduledPod') return action === 'update';
      // A pod that came can only help one that wants company; one that went, one that wants to be apart or that others wanted apart.
      const wantsCompany = (pod.spec!.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0;
      return resource === 'AssignedPod' && (action !== 'add' || wantsCompany);
    },
  };
}

function filterSteps(pod: Pod, snapshot: Snapshot, namespaceLabels: NamespaceLabels): PluginCycle {
  const compile = (term: Parameters<typeof compileTerm>[0]): Term => compileTerm(term, pod, namespaceLabels);
  const affinity = (pod.spec!.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(compile);
  const anti = (pod.spec!.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(compile);
  const beside: Counts = new Map();
  const apart: Counts = new Map();
  const forbidden: Counts = new Map();
  if (affinity.length > 0 || anti.length > 0) {
    for (const node of snapshot.nodes) {
      for (const { pod: other } of node.pods.values()) {
        // All affinity terms must be met by the same pods for them to count (upstream).
        if (affinity.length > 0 && affinity.every((term) => term.matches(other))) for (const term of affinity) count(beside, term, node);
        for (const term of anti) if (term.matches(other)) count(apart, term, node);
      }
    }
  }
  for (const node of snapshot.nodesWithAntiAffinity) {
    for (const other of node.pods.values()) {
      if (!other.hasAntiAffinity) continue;
      const terms = other.pod.spec!.affinity!.podAntiAffinity!.requiredDuringSchedulingIgnoredDuringExecution!;
      for (const term of terms) {
        const compiled = compileTerm(term, other.pod, namespaceLabels);
        if (compiled.matches(pod)) count(forbidden, compiled, node);
      }
    }
  }
  if (affinity.length === 0 && anti.length === 0 && forbidden.size === 0) return {};
  // The first of a group that wants to be together has nobody to join: it may go anywhere that has the topology.
  const isFirst = beside.size === 0 && affinity.every((term) => term.matches(pod));
  return {
    filter: (node) => {
      for (const term of affinity) {
        const value = node.labels[term.topologyKey];
        if (value === undefined) return NOT_BESIDE;
        if (!isFirst && !beside.get(term.topologyKey)?.get(value)) return NOT_BESIDE;
      }
      for (const term of anti) if (countAt(apart, term.topologyKey, node) > 0) return OWN_ANTI;
      for (const key of forbidden.keys()) if (countAt(forbidden, key, node) > 0) return OTHERS_ANTI;
      return undefined;
    },
  };
}

interface Scoring {
  namespaceLabels: NamespaceLabels;
  hardWeight: number;
  ignoreOthers: boolean;
}

function scoreSteps(pod: Pod, snapshot: Snapshot, { namespaceLabels, hardWeight, ignoreOthers }: Scoring): PluginCycle {
  const preferred = preferredTerms(pod, namespaceLabels);
  if (ignoreOthers && preferred.length === 0) return {};
  const scores: Counts = new Map();
  const nodes = preferred.length > 0 ? snapshot.nodes : snapshot.nodesWithAffinity;
  for (const node of nodes) {
    for (const other of node.pods.values()) {
      for (const term of preferred) if (term.matches(other.pod)) count(scores, term, node, term.weight);
      if (!other.hasAffinity) continue;
      for (const term of preferredTerms(other.pod, namespaceLabels)) if (term.matches(pod)) count(scores, term, node, term.weight);
      if (hardWeight === 0) continue;
      for (const required of other.pod.spec!.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const term = compileTerm(required, other.pod, namespaceLabels);
        if (term.matches(pod)) count(scores, term, node, hardWeight);
      }
    }
  }
  if (scores.size === 0) return {};
  return {
    score: (node) => [...scores.keys()].reduce((sum, key) => sum + countAt(scores, key, node), 0),
    normalise: (totals) => {
      const max = Math.max(...totals);
      const min = Math.min(...totals);
      for (let i = 0; i < totals.length; i++) totals[i] = max === min ? 0 : Math.floor((MAX_SCORE * (totals[i]! - min)) / (max - min));
    },
  };
}

function preferredTerms(pod: Pod, namespaceLabels: NamespaceLabels): Term[] {
  const { podAffinity, podAntiAffinity } = pod.spec!.affinity ?? {};
  return [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
      compileTerm(term.podAffinityTerm, pod, namespaceLabels, term.weight),
    ),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
      compileTerm(term.podAffinityTerm, pod, namespaceLabels, -term.weight),
    ),
  ];
}

function count(counts: Counts, { topologyKey }: Term, node: NodeInfo, by = 1): void {
  const value = node.labels[topologyKey];
  if (value === undefined) return;
  let byValue = counts.get(topologyKey);
  if (!byValue) counts.set(topologyKey, (byValue = new Map()));
  byValue.set(value, (byValue.get(value) ?? 0) + by);
}

function countAt(counts: Counts, topologyKey: string, node: NodeInfo): number {
  const value = node.labels[topologyKey];
  return value === undefined ? 0 : (counts.get(topologyKey)?.get(value) ?? 0);
}
