/**
 * When no node has room: which pods of lower priority would have to go, and from which node with the least harm. Pods protected by a
 * PodDisruptionBudget are spared where another way exists.
 */
import { labelSelectorOf } from '../api/selectors.ts';
import type { Pod, PodDisruptionBudget } from '../api/types.gen.ts';
import type { DefaultPreemptionArgs } from './config/arguments.ts';
import { beginPlugins } from './cycle.ts';
import { firstRefusal } from './node-answers.ts';
import { type FitFailure, histogram } from './failure.ts';
import type { Rejection, WeightedPlugin } from './framework.ts';
import { domainsOver } from './cluster-state.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

export interface PreemptionPlan {
  node: NodeInfo;
  victims: PodInfo[];
  violations: number;
}

export type PreemptionResult = { plan: PreemptionPlan } | { message: string };
export type CandidateResult = { candidates: PreemptionPlan[] } | { message: string };

const NOT_HELPFUL: Rejection = { code: 'UnschedulableAndUnresolvable', reasons: ['Preemption is not helpful for scheduling'] };
const NO_VICTIMS: Rejection = { code: 'Unschedulable', reasons: ['No preemption victims found for incoming pod'] };
const MIN_CANDIDATES_PERCENTAGE = 10;
const MIN_CANDIDATES = 100;

export interface PreemptionOptions {
  plugins: readonly WeightedPlugin[];
  budgets: readonly PodDisruptionBudget[];
  args?: DefaultPreemptionArgs;
}

/** The node, of enough candidates, on which the least would be lost, and the pods that would have to go; or upstream's words for why none would help. */
export function planPreemption(pod: PodInfo, failure: FitFailure, snapshot: Snapshot, options: PreemptionOptions): PreemptionResult {
  const found = preemptionCandidates(pod, failure, snapshot, options);
  return 'message' in found ? found : { plan: leastHarm(found.candidates)! };
}

/** Nodes on which the pod would fit without less important pods; at least one. */
export function preemptionCandidates(
  pod: PodInfo,
  failure: FitFailure,
  snapshot: Snapshot,
  { plugins, budgets, args = {} }: PreemptionOptions,
): CandidateResult {
  if (pod.pod.spec!.preemptionPolicy === 'Never') return { message: 'not eligible due to preemptionPolicy=Never.' };
  const nominated = pod.pod.status?.nominatedNodeName;
  if (nominated && victimsStillLeaving(pod, snapshot.node(nominated), failure))
    return { message: 'not eligible due to a terminating pod on the nominated node.' };
  const share = ((args.minCandidateNodesPercentage ?? MIN_CANDIDATES_PERCENTAGE) * snapshot.nodes.length) / 100;
  const enough = Math.max(Math.floor(share), args.minCandidateNodesAbsolute ?? MIN_CANDIDATES, 1);
  const rejections = new Map<string, Rejection>();
  const candidates: PreemptionPlan[] = [];
  for (const node of snapshot.nodes) {
    if (candidates.length >= enough) break;
    if (failure.rejections.get(node.name)?.code !== 'Unschedulable') {
      rejections.set(node.name, NOT_HELPFUL);
      continue;
    }
    const plan = planOn(node, pod, snapshot, { plugins, budgets });
    if ('reasons' in plan) rejections.set(node.name, plan);
    else candidates.push(plan);
  }
  if (candidates.length > 0) return { candidates };
  return { message: `0/${snapshot.nodes.length} nodes are available: ${histogram(rejections.values())}.` };
}

export const leastHarm = (candidates: readonly PreemptionPlan[]): PreemptionPlan | undefined => candidates.toSorted(byHarm)[0];

/** The pod was promised this node, and its victims are still ending: taking more would be too much. */
function victimsStillLeaving(pod: PodInfo, node: NodeInfo | undefined, failure: FitFailure): boolean {
  if (!node || failure.rejections.get(node.name)?.code === 'UnschedulableAndUnresolvable') return false;
  return [...node.pods.values()].some((other) => other.pod.metadata.deletionTimestamp && other.priority < pod.priority);
}

/** The fewest victims on the node: take all lower ones away, then give back, the most important first, whoever still fits. */
function planOn(node: NodeInfo, pod: PodInfo, snapshot: Snapshot, { plugins, budgets }: PreemptionOptions): PreemptionPlan | Rejection {
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  if (lower.length === 0) return NO_VICTIMS;
  const gone = new Set(lower.map(({ key }) => key));
  const misfit = misfitOn(node, pod, gone, snapshot, plugins);
  if (misfit) return misfit;
  const { violating, others } = splitByBudget(lower.toSorted(byImportance), budgets);
  const victims: PodInfo[] = [];
  let violations = 0;
  for (const candidate of [...violating, ...others]) {
    gone.delete(candidate.key);
    if (!misfitOn(node, pod, gone, snapshot, plugins)) continue;
    gone.add(candidate.key);
    victims.push(candidate);
    if (violating.includes(candidate)) violations++;
  }
  return { node, victims, violations };
}

/** Why the pod does not fit on the node without the pods that are `gone`. Plugins see a snapshot in which those pods are not there. */
function misfitOn(
  node: NodeInfo,
  pod: PodInfo,
  gone: ReadonlySet<string>,
  snapshot: Snapshot,
  plugins: readonly WeightedPlugin[],
): Rejection | undefined {
  const tried = node.without(gone);
  const view = withNode(
    snapshot,
    tried,
    [...gone].map((key) => node.pods.get(key)!),
  );
  const begun = beginPlugins(pod, view, plugins);
  const filters = begun.filter(({ cycle }) => cycle.filter);
  return begun.find(({ cycle }) => cycle.reject)?.cycle.reject ?? firstRefusal(tried, filters)?.rejection;
}

function withNode(snapshot: Snapshot, changed: NodeInfo, gone: readonly PodInfo[]): Snapshot {
  const nodes = snapshot.nodes.map((node) => (node.name === changed.name ? changed : node));
  const view: Snapshot = {
    nodes,
    node: (name) => (name === changed.name ? changed : snapshot.node(name)),
    claimUsers: (key) => snapshot.claimUsers(key) - gone.filter(({ claims }) => claims.includes(key)).length,
    nodesWithAntiAffinity: nodes.filter((node) => node.podsWithAntiAffinity > 0),
    nodesWithAffinity: nodes.filter((node) => node.podsWithAffinity > 0),
    matching: (namespace, selector, key) => {
      const counts = new Map(snapshot.matching(namespace, selector, key));
      const fewer = gone.filter(
        ({ pod }) => pod.metadata.namespace === namespace && !pod.metadata.deletionTimestamp && selector.matchesLabels(pod.metadata.labels),
      );
      counts.set(changed.name, (counts.get(changed.name) ?? 0) - fewer.length);
      return counts;
    },
    domains: (of) => domainsOver(nodes, view.matching(of.namespace, of.selector, of.selectorKey), of),
    nodesWithImage: (name) => snapshot.nodesWithImage(name),
  };
  return view;
}

const startOf = (pod: Pod): string => pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '';

/** Higher priority first, then the one that has run longer. */
function byImportance(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || startOf(a.pod).localeCompare(startOf(b.pod));
}

function splitByBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): { violating: PodInfo[]; others: PodInfo[] } {
  const left = budgets.map((budget) => ({
    budget,
    selector: labelSelectorOf(budget.spec?.selector),
    allowed: budget.status?.disruptionsAllowed ?? 0,
  }));
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    let violates = false;
    for (const entry of left) {
      const { namespace, labels, name } = info.pod.metadata;
      if (entry.budget.metadata.namespace !== namespace || !entry.selector.matchesLabels(labels)) continue;
      if (entry.budget.status?.disruptedPods?.[name!]) continue;
      if (--entry.allowed < 0) violates = true;
    }
    (violates ? violating : others).push(info);
  }
  return { violating, others };
}

/** Fewest violations, lowest top priority, least sum of priorities, fewest victims, then the youngest of the important ones. */
function byHarm(a: PreemptionPlan, b: PreemptionPlan): number {
  const top = ({ victims }: PreemptionPlan): number => Math.max(...victims.map(({ priority }) => priority));
  const sum = ({ victims }: PreemptionPlan): number => victims.reduce((total, { priority }) => total + priority + 2 ** 31, 0);
  const earliest = ({ victims }: PreemptionPlan): string => victims.map(({ pod }) => startOf(pod)).toSorted()[0] ?? '';
  return (
    a.violations - b.violations ||
    top(a) - top(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    earliest(b).localeCompare(earliest(a))
  );
}
