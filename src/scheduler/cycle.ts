/** One scheduling cycle: which node takes this pod, or why none does. Pure on the snapshot. */
import type { Rng } from '../lib/random.ts';
import type { PluginCycle, Rejection, WeightedPlugin } from './framework.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

export type CycleResult = { node: NodeInfo; feasible: number } | { failure: FitFailure };

export interface FitFailure {
  /** How many nodes there are. */
  total: number;
  /** Set when a plugin rejected the pod whatever the node. */
  whole?: string;
  rejections: ReadonlyMap<string, Rejection>;
  rejectedBy: ReadonlySet<string>;
}

export interface BegunPlugin {
  name: string;
  weight: number;
  cycle: PluginCycle;
}

export interface CycleOptions {
  plugins: readonly WeightedPlugin[];
  rng: Rng;
  /** Where the last cycle stopped looking, so that all nodes get their turn. */
  startAt?: number;
}

const ENOUGH_NODES = 100;

/** How many feasible nodes are enough: all up to 100, then a share that falls from 50 to 5 % (upstream's numFeasibleNodesToFind). */
export function enoughNodes(total: number): number {
  if (total < ENOUGH_NODES) return total;
  const percent = Math.max(50 - Math.floor(total / 125), 5);
  return Math.max(Math.floor((total * percent) / 100), ENOUGH_NODES);
}

export function beginPlugins(pod: PodInfo, snapshot: Snapshot, plugins: readonly WeightedPlugin[]): BegunPlugin[] {
  return plugins.flatMap(({ plugin, weight }) => {
    const cycle = plugin.begin(pod, snapshot);
    return cycle ? [{ name: plugin.name, weight, cycle }] : [];
  });
}

/** One pod, one look at the nodes: the best of enough feasible ones, or why each was refused. Changes nothing. */
export function schedule(
  pod: PodInfo,
  snapshot: Snapshot,
  { plugins, rng, startAt = 0 }: CycleOptions,
): CycleResult & { examined: number } {
  const { nodes } = snapshot;
  const begun = beginPlugins(pod, snapshot, plugins);
  const refused = begun.find(({ cycle }) => cycle.reject);
  if (refused) {
    const rejection = refused.cycle.reject!;
    const rejections = new Map(nodes.map((node) => [node.name, rejection]));
    return {
      failure: { total: nodes.length, whole: rejection.reasons.join(', '), rejections, rejectedBy: new Set([refused.name]) },
      examined: 0,
    };
  }
  const rejections = new Map<string, Rejection>();
  const rejectedBy = new Set<string>();
  const feasible: NodeInfo[] = [];
  const wanted = enoughNodes(nodes.length);
  const filters = begun.filter(({ cycle }) => cycle.filter);
  const pinned = begun.map(({ cycle }) => cycle.only).filter((only) => only !== undefined);
  const candidates = pinned.length > 0 ? pinnedTo(pinned, nodes, snapshot) : undefined;
  const pool = candidates ?? nodes;
  let examined = 0;
  for (; examined < pool.length && feasible.length < wanted; examined++) {
    const node = pool[(startAt + examined) % pool.length]!;
    const rejection = filterNode(node, filters, rejectedBy);
    if (rejection) rejections.set(node.name, rejection);
    else feasible.push(node);
  }
  if (candidates && feasible.length === 0) {
    const elsewhere: Rejection = { code: 'UnschedulableAndUnresolvable', reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"] };
    for (const node of nodes) if (!rejections.has(node.name)) rejections.set(node.name, elsewhere);
    rejectedBy.add('NodeAffinity');
  }
  if (feasible.length === 0) return { failure: { total: nodes.length, rejections, rejectedBy }, examined };
  return { node: best(feasible, begun, rng), feasible: feasible.length, examined };
}

function pinnedTo(pinned: readonly ReadonlySet<string>[], nodes: readonly NodeInfo[], snapshot: Snapshot): NodeInfo[] {
  const [first, ...rest] = pinned;
  const names = [...first!].filter((name) => rest.every((other) => other.has(name)));
  return names.length > nodes.length
    ? nodes.filter((node) => names.includes(node.name))
    : names.map((name) => snapshot.node(name)).filter((node) => node !== undefined);
}

/** The first refusal of the node; `rejectedBy` collects whose it was. */
export function filterNode(node: NodeInfo, filters: readonly BegunPlugin[], rejectedBy?: Set<string>): Rejection | undefined {
  for (const { name, cycle } of filters) {
    const rejection = cycle.filter!(node);
    if (!rejection) continue;
    rejectedBy?.add(name);
    return rejection;
  }
  return undefined;
}

/** The node with the highest weighted sum of scores; one of them by chance when several share it. */
function best(nodes: readonly NodeInfo[], begun: readonly BegunPlugin[], rng: Rng): NodeInfo {
  if (nodes.length === 1) return nodes[0]!;
  const totals = new Float64Array(nodes.length);
  for (const { cycle, weight } of begun) {
    if (!cycle.score || weight === 0) continue;
    const scores = nodes.map((node) => cycle.score!(node));
    cycle.normalise?.(scores, nodes);
    for (let i = 0; i < scores.length; i++) totals[i]! += scores[i]! * weight;
  }
  let chosen = 0;
  let ties = 1;
  for (let i = 1; i < totals.length; i++) {
    if (totals[i]! > totals[chosen]!) {
      chosen = i;
      ties = 1;
    } else if (totals[i] === totals[chosen] && rng.next() < 1 / ++ties) chosen = i;
  }
  return nodes[chosen]!;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` and what preemption found, as kube-scheduler words it. */
export function failureMessage({ total, whole, rejections }: FitFailure, preemption?: string): string {
  const reasons = whole ?? histogram(rejections.values());
  const head = `0/${total} nodes are available:${reasons ? ` ${reasons}.` : ''}`;
  return total === 0 && !whole ? 'no nodes available to schedule pods' : `${head}${preemption ? ` preemption: ${preemption}` : ''}`;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`: each reason with how often it was given. */
export function histogram(rejections: Iterable<Rejection>): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .toSorted()
    .join(', ');
}
