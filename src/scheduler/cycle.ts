/** One scheduling cycle: which node takes this pod, or why none does. Pure on the snapshot. */
import type { Rng } from '../lib/random.ts';
import type { ExtensionPoint, PluginCycle, Rejection, WeightedPlugin } from './framework.ts';
import { failureOfAll, type FitFailure } from './failure.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

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
  /** How many of 100 nodes are enough; by the size of the cluster unless given (percentageOfNodesToScore). */
  percentageOfNodes?: number;
}

/** The nodes that would take the pod, not yet scored. */
export interface Feasible {
  nodes: readonly NodeInfo[];
  begun: readonly BegunPlugin[];
  /** Why the other nodes would not. */
  rejections: ReadonlyMap<string, Rejection>;
}

export type FindResult = { examined: number } & ({ feasible: Feasible } | { failure: FitFailure; begun: readonly BegunPlugin[] });
export type CycleResult = { examined: number; begun: readonly BegunPlugin[] } & (
  | { node: NodeInfo; feasible: number }
  | { failure: FitFailure }
);

const ENOUGH_NODES = 100;

/** How many feasible nodes are enough: all up to 100, then a share that falls from 50 to 5 % (upstream's numFeasibleNodesToFind). */
export function enoughNodes(total: number, percentage = 0): number {
  if (total < ENOUGH_NODES || percentage >= 100) return total;
  const percent = percentage > 0 ? percentage : Math.max(50 - Math.floor(total / 125), 5);
  return Math.max(Math.floor((total * percent) / 100), ENOUGH_NODES);
}

export function beginPlugins(pod: PodInfo, snapshot: Snapshot, plugins: readonly WeightedPlugin[]): BegunPlugin[] {
  const begun: BegunPlugin[] = [];
  for (const { plugin, weight, points } of plugins) {
    const cycle = plugin.begin(pod, snapshot);
    if (!cycle) continue;
    begun.push({ name: plugin.name, weight, cycle: points ? limited(cycle, points) : cycle });
    // What no node can mend needs no further questions.
    if (cycle.reject && (!points || points.has('preFilter'))) break;
  }
  return begun;
}

/** Leaves out the steps of extension points that the profile disables for the plugin. */
function limited(cycle: PluginCycle, points: ReadonlySet<ExtensionPoint>): PluginCycle {
  const left: PluginCycle = { ...cycle };
  if (!points.has('preFilter')) {
    delete left.reject;
    delete left.only;
  }
  if (!points.has('filter')) delete left.filter;
  if (!points.has('postFilter')) delete left.postFilter;
  if (!points.has('score')) delete left.score;
  if (!points.has('reserve')) delete left.reserve;
  return left;
}

/** One pod, one look at the nodes: the best of enough feasible ones, or why each was refused. Changes nothing. */
export function schedule(pod: PodInfo, snapshot: Snapshot, options: CycleOptions): CycleResult {
  const found = findFeasible(pod, snapshot, options);
  if ('failure' in found) return found;
  const { nodes, begun } = found.feasible;
  return { node: best(nodes, begun, options.rng), feasible: nodes.length, examined: found.examined, begun };
}

/** The first half of a cycle: enough nodes that take the pod, or why none does. */
export function findFeasible(
  pod: PodInfo,
  snapshot: Snapshot,
  { plugins, startAt = 0, percentageOfNodes }: Omit<CycleOptions, 'rng'>,
): FindResult {
  const { nodes } = snapshot;
  const begun = beginPlugins(pod, snapshot, plugins);
  const refused = begun.find(({ cycle }) => cycle.reject);
  if (refused) return { failure: failureOfAll(nodes, refused.cycle.reject!, refused.name), begun, examined: 0 };
  const filters = begun.filter(({ cycle }) => cycle.filter);
  // Room was made for the pod there: it goes there if it still fits, without a look at the others.
  const promised = pod.pod.status?.nominatedNodeName ? snapshot.node(pod.pod.status.nominatedNodeName) : undefined;
  if (promised && isAllowed(promised, begun) && !filterNode(promised, filters))
    return { feasible: { nodes: [promised], begun, rejections: new Map() }, examined: 0 };
  const rejections = new Map<string, Rejection>();
  const rejectedBy = new Set<string>();
  const feasible: NodeInfo[] = [];
  const wanted = enoughNodes(nodes.length, percentageOfNodes);
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
  if (feasible.length > 0) return { feasible: { nodes: feasible, begun, rejections }, examined };
  if (candidates) {
    const who = begun.filter(({ cycle }) => cycle.only).map(({ name }) => name);
    const elsewhere: Rejection = {
      code: 'UnschedulableAndUnresolvable',
      reasons: [`node(s) didn't satisfy plugin(s) [${who.join(' ')}]`],
    };
    for (const node of nodes) if (!rejections.has(node.name)) rejections.set(node.name, elsewhere);
    for (const name of who) rejectedBy.add(name);
  }
  return { failure: { total: nodes.length, rejections, rejectedBy }, begun, examined };
}

const isAllowed = (node: NodeInfo, begun: readonly BegunPlugin[]): boolean =>
  begun.every(({ cycle }) => !cycle.only || cycle.only.has(node.name));

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

/**
 * The second half: the node with the highest weighted sum of scores; one of them by chance when several share it. `extra` are points that
 * others give besides the plugins, by node.
 */
export function best(nodes: readonly NodeInfo[], begun: readonly BegunPlugin[], rng: Rng, extra?: ReadonlyMap<string, number>): NodeInfo {
  if (nodes.length === 1) return nodes[0]!;
  const totals = Float64Array.from(nodes, ({ name }) => extra?.get(name) ?? 0);
  for (const { cycle, weight } of begun) {
    if (!cycle.score || weight === 0 || cycle.preScore?.(nodes) === false) continue;
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
