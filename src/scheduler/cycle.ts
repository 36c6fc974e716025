/** One scheduling cycle: which node takes this pod, or why none does. Pure on the snapshot. */
import type { Rng } from '../lib/random.ts';
import type { BegunPlugin, ExtensionPoint, PluginCycle, Rejection, WeightedPlugin } from './framework.ts';
import { failureOfAll, type FitFailure } from './failure.ts';
import { type Answers, firstRefusal, type NodeAnswers, refusalOf } from './node-answers.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

export interface CycleOptions {
  plugins: readonly WeightedPlugin[];
  rng: Rng;
  /** Where the last cycle stopped looking, so that all nodes get their turn. */
  startAt?: number;
  /** How many of 100 nodes are enough; by the size of the cluster unless given (percentageOfNodesToScore). */
  percentageOfNodes?: number;
  /** What these plugins said of the nodes for pods like this one. */
  memory?: NodeAnswers | undefined;
}

/** The nodes that would take the pod, not yet scored. */
export interface Feasible {
  nodes: readonly NodeInfo[];
  begun: readonly BegunPlugin[];
  /** Why the other nodes would not. */
  rejections: ReadonlyMap<string, Rejection>;
  remembered?: Remembered | undefined;
}

/** Scores that need not be asked for again. */
interface Remembered {
  answers: Answers;
  /** The place in `answers` of each feasible node. */
  places: readonly number[];
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
    begun.push({ name: plugin.name, weight, cycle: points ? limited(cycle, points) : cycle, isSigned: plugin.sign !== undefined });
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
  const { nodes, begun, remembered } = found.feasible;
  return { node: best(nodes, begun, options.rng, { remembered }), feasible: nodes.length, examined: found.examined, begun };
}

/** The first half of a cycle: enough nodes that take the pod, or why none does. */
export function findFeasible(
  pod: PodInfo,
  snapshot: Snapshot,
  { plugins, startAt = 0, percentageOfNodes, memory }: Omit<CycleOptions, 'rng'>,
): FindResult {
  const { nodes } = snapshot;
  const begun = beginPlugins(pod, snapshot, plugins);
  const refused = begun.find(({ cycle }) => cycle.reject);
  if (refused) return { failure: failureOfAll(nodes, refused.cycle.reject!, refused.name), begun, examined: 0 };
  const filters = begun.filter(({ cycle }) => cycle.filter);
  // Room was made for the pod there: it goes there if it still fits, without a look at the others.
  const promised = pod.pod.status?.nominatedNodeName ? snapshot.node(pod.pod.status.nominatedNodeName) : undefined;
  if (promised && isAllowed(promised, begun) && !firstRefusal(promised, filters))
    return { feasible: { nodes: [promised], begun, rejections: new Map() }, examined: 0 };
  const wanted = enoughNodes(nodes.length, percentageOfNodes);
  const pinned = begun.map(({ cycle }) => cycle.only).filter((only) => only !== undefined);
  const candidates = pinned.length > 0 ? pinnedTo(pinned, nodes, snapshot) : undefined;
  const answers = candidates ? undefined : memory?.for(pod, nodes, plugins, begun);
  const looked = lookAt(candidates ?? nodes, { begun, filters, answers, startAt, wanted });
  const { rejections, rejectedBy, feasible, examined, places } = looked;
  const remembered = answers && { answers, places };
  if (feasible.length > 0) return { feasible: { nodes: feasible, begun, rejections, remembered }, examined };
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

interface Look {
  begun: readonly BegunPlugin[];
  filters: readonly BegunPlugin[];
  answers: Answers | undefined;
  startAt: number;
  /** So many feasible nodes are enough. */
  wanted: number;
}

/** Asks of one node after the other until enough are found. */
function lookAt(pool: readonly NodeInfo[], { begun, filters, answers, startAt, wanted }: Look) {
  const rejections = new Map<string, Rejection>();
  const rejectedBy = new Set<string>();
  const feasible: NodeInfo[] = [];
  const places: number[] = [];
  // The first refusal counts: only of the filters before one that did not sign can the answers be kept.
  const unsigned = filters.findIndex(({ isSigned }) => !isSigned);
  const kept = unsigned < 0 ? filters : filters.slice(0, unsigned);
  const asked = answers ? filters.slice(kept.length) : filters;
  let examined = 0;
  for (; examined < pool.length && feasible.length < wanted; examined++) {
    const place = (startAt + examined) % pool.length;
    const node = pool[place]!;
    const refusal = (answers && refusalOf(answers, place, { filters: kept, begun })) ?? firstRefusal(node, asked);
    if (refusal) {
      rejections.set(node.name, refusal.rejection);
      rejectedBy.add(refusal.by);
    } else {
      feasible.push(node);
      places.push(place);
    }
  }
  return { rejections, rejectedBy, feasible, places, examined };
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

interface Scoring {
  /** Points that others give besides the plugins, by node. */
  extra?: ReadonlyMap<string, number> | undefined;
  /** Of exactly these nodes. */
  remembered?: Remembered | undefined;
}

/** The second half: the node with the highest weighted sum of scores; one of them by chance when several share it. */
export function best(nodes: readonly NodeInfo[], begun: readonly BegunPlugin[], rng: Rng, { extra, remembered }: Scoring = {}): NodeInfo {
  if (nodes.length === 1) return nodes[0]!;
  const totals = new Float64Array(nodes.length);
  if (extra) for (const [i, { name }] of nodes.entries()) totals[i] = extra.get(name) ?? 0;
  const scores = new Float64Array(nodes.length);
  for (const { name, cycle, weight } of begun) {
    if (!cycle.score || weight === 0) continue;
    const known = remembered?.answers.scores.get(name);
    if (!known && cycle.preScore?.(nodes) === false) continue;
    for (let i = 0; i < scores.length; i++) scores[i] = known ? known[remembered!.places[i]!]! : cycle.score(nodes[i]!);
    cycle.normalise?.(scores, nodes);
    for (let i = 0; i < scores.length; i++) totals[i]! += scores[i]! * weight;
  }
  return nodes[highest(totals, rng)]!;
}

/** The place of the highest total; of several that share it, one by chance. */
function highest(totals: Float64Array, rng: Rng): number {
  let most = -Infinity;
  let ties = 0;
  for (const total of totals) {
    if (total > most) {
      most = total;
      ties = 1;
    } else if (total === most) ties++;
  }
  let skip = ties > 1 ? Math.floor(rng.next() * ties) : 0;
  return totals.findIndex((total) => total === most && skip-- === 0);
}
