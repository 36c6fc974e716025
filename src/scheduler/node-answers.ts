/**
 * What plugins said of nodes, kept for pods that are alike: those of one Deployment ask the same of a thousand nodes, and between two of them only
 * the nodes that took a pod have changed. Only plugins with a `sign` take part (framework.ts); the idea is that of KEP-5598.
 */
import type { BegunPlugin, Rejection, WeightedPlugin } from './framework.ts';
import type { NodeInfo, PodInfo } from './snapshot.ts';

/** With fewer nodes asking is as quick as remembering. */
const WORTHWHILE_NODES = 50;
/** Kinds of pods whose answers are kept; each costs some 50 bytes a node. */
const MAX_KINDS = 16;

interface Refusal {
  rejection: Rejection;
  by: string;
}

/** The answers for pods of one kind, by a node's place in the list. */
export interface Answers {
  /** Answers are for these nodes, in this order. */
  nodes: readonly NodeInfo[];
  /** The node's version that its answer is for; -1: not asked. */
  versions: Int32Array;
  /** By the first of the plugins that refuse it. */
  refusals: (Refusal | undefined)[];
  /** Raw scores by plugin; of refused nodes they mean nothing. */
  scores: ReadonlyMap<string, Float64Array>;
}

/** One for each list of plugins. */
export class NodeAnswers {
  readonly #kinds = new Map<string, Answers>();

  /** The answers for pods like this one; undefined where it is not worth while. Answers are renewed by `refusalOf`. */
  for(pod: PodInfo, nodes: readonly NodeInfo[], plugins: readonly WeightedPlugin[], begun: readonly BegunPlugin[]): Answers | undefined {
    if (nodes.length < WORTHWHILE_NODES) return undefined;
    const kind = JSON.stringify(plugins.map(({ plugin }) => plugin.sign?.(pod)));
    const known = this.#kinds.get(kind);
    this.#kinds.delete(kind);
    const answers = known?.nodes === nodes ? known : noAnswers(nodes, begun);
    this.#kinds.set(kind, answers);
    if (this.#kinds.size > MAX_KINDS) this.#kinds.delete(this.#kinds.keys().next().value!);
    return answers;
  }
}

function noAnswers(nodes: readonly NodeInfo[], begun: readonly BegunPlugin[]): Answers {
  const scoring = begun.filter(({ isSigned, cycle, weight }) => isSigned && cycle.score && weight > 0);
  return {
    nodes,
    versions: new Int32Array(nodes.length).fill(-1),
    refusals: Array.from(nodes, () => undefined),
    scores: new Map(scoring.map(({ name }) => [name, new Float64Array(nodes.length)])),
  };
}

/** Who refuses the node at this place; the plugins are asked only when it has changed since they were. `filters` are those that signed. */
export function refusalOf(
  answers: Answers,
  index: number,
  { filters, begun }: { filters: readonly BegunPlugin[]; begun: readonly BegunPlugin[] },
): Refusal | undefined {
  const node = answers.nodes[index]!;
  if (answers.versions[index] === node.version) return answers.refusals[index];
  const refusal = firstRefusal(node, filters);
  answers.versions[index] = node.version;
  answers.refusals[index] = refusal;
  if (!refusal)
    for (const { name, cycle } of begun) {
      const scores = answers.scores.get(name);
      if (scores) scores[index] = cycle.score!(node);
    }
  return refusal;
}

/** The first of the filters that refuses the node, and why. */
export function firstRefusal(node: NodeInfo, filters: readonly BegunPlugin[]): Refusal | undefined {
  for (const { name, cycle } of filters) {
    const rejection = cycle.filter!(node);
    if (rejection) return { rejection, by: name };
  }
  return undefined;
}
