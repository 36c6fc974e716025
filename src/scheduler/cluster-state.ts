/**
 * The scheduler's picture of the cluster: kept up to date by each event and by each assumed pod, never rebuilt. Counters of pods by selector
 * are kept per node and per topology while they are asked for, so that spreading costs the same with ten thousand pods as with ten.
 */
import type { LabelSelector } from '../api/selectors.ts';
import type { Node } from '../api/types.gen.ts';
import { type Domains, NodeInfo, type PodInfo, type Snapshot, ZONE_LABEL } from './snapshot.ts';

const MAX_COUNTERS = 64;
const MAX_DOMAINS = 16;

interface Counter {
  namespace: string;
  selector: LabelSelector;
  counts: Map<string, number>;
  /** What was asked of the counts by topology, by label and rule; all dropped when a node changes. */
  domains: Map<string, { of: Domains; values: Map<string, number> }>;
}

/** The picture of the cluster that cycles look at: changed by events and by assumptions, never rebuilt. */
export class ClusterState implements Snapshot {
  readonly #nodes = new Map<string, NodeInfo>();
  /** Where each counted pod is. */
  readonly #placed = new Map<string, string>();
  /** Pods on nodes that are not known (yet). */
  readonly #homeless = new Map<string, PodInfo>();
  readonly #counters = new Map<string, Counter>();
  readonly #claimUsers = new Map<string, number>();
  readonly #images = new Map<string, number>();
  readonly #withAntiAffinity = new Set<NodeInfo>();
  readonly #withAffinity = new Set<NodeInfo>();
  #list: readonly NodeInfo[] | undefined;

  get nodes(): readonly NodeInfo[] {
    this.#list ??= spreadOverZones([...this.#nodes.values()]);
    return this.#list;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  get nodesWithAntiAffinity(): readonly NodeInfo[] {
    return [...this.#withAntiAffinity];
  }

  get nodesWithAffinity(): readonly NodeInfo[] {
    return [...this.#withAffinity];
  }

  claimUsers(key: string): number {
    return this.#claimUsers.get(key) ?? 0;
  }

  setNode(node: Node): NodeInfo {
    const name = node.metadata.name!;
    const known = this.#nodes.get(name);
    if (known) {
      if (known.labels[ZONE_LABEL] !== node.metadata.labels?.[ZONE_LABEL]) this.#list = undefined;
      if (!sameForDomains(known.node, node)) this.#forgetDomains();
      this.#countImages(known.images, -1);
      known.setNode(node);
      this.#countImages(known.images, 1);
      return known;
    }
    const created = new NodeInfo(node);
    this.#nodes.set(name, created);
    this.#countImages(created.images, 1);
    this.#list = undefined;
    this.#forgetDomains();
    for (const pod of this.#homeless.values()) if (pod.pod.spec!.nodeName === name) this.place(pod, name);
    return created;
  }

  removeNode(name: string): void {
    const gone = this.#nodes.get(name);
    if (!gone) return;
    for (const pod of gone.pods.values()) {
      this.remove(pod.key);
      this.#homeless.set(pod.key, pod);
    }
    this.#nodes.delete(name);
    this.#countImages(gone.images, -1);
    this.#list = undefined;
    this.#forgetDomains();
  }

  /** Where the pod is counted now. */
  placeOf(key: string): string | undefined {
    return this.#placed.get(key);
  }

  /** Counts the pod on the node, in place of what was known of it before. */
  place(pod: PodInfo, nodeName: string): PodInfo {
    this.remove(pod.key);
    const node = this.#nodes.get(nodeName);
    if (!node) {
      this.#homeless.set(pod.key, pod);
      return pod;
    }
    node.add(pod);
    this.#placed.set(pod.key, nodeName);
    this.#noteAffinity(node);
    this.#count(pod, nodeName, 1);
    return pod;
  }

  remove(key: string): PodInfo | undefined {
    this.#homeless.delete(key);
    const nodeName = this.#placed.get(key);
    if (nodeName === undefined) return undefined;
    this.#placed.delete(key);
    const node = this.#nodes.get(nodeName);
    const pod = node?.remove(key);
    if (!node || !pod) return undefined;
    this.#noteAffinity(node);
    this.#count(pod, nodeName, -1);
    return pod;
  }

  matching(namespace: string, selector: LabelSelector, selectorKey: string): ReadonlyMap<string, number> {
    return this.#counter(namespace, selector, selectorKey).counts;
  }

  domains(of: Domains): ReadonlyMap<string, number> {
    const { domains, counts } = this.#counter(of.namespace, of.selector, of.selectorKey);
    const key = `${of.topologyKey}\n${of.rule}`;
    const known = domains.get(key);
    if (known) return known.values;
    const values = domainsOver(this.#nodes.values(), counts, of);
    if (domains.size >= MAX_DOMAINS) domains.clear();
    domains.set(key, { of, values });
    return values;
  }

  nodesWithImage(name: string): number {
    return this.#images.get(name) ?? 0;
  }

  #counter(namespace: string, selector: LabelSelector, selectorKey: string): Counter {
    const key = `${namespace}\n${selectorKey}`;
    const known = this.#counters.get(key);
    if (known) return known;
    if (this.#counters.size >= MAX_COUNTERS) this.#counters.delete(this.#counters.keys().next().value!);
    const counter: Counter = { namespace, selector, counts: new Map(), domains: new Map() };
    for (const node of this.#nodes.values()) {
      for (const pod of node.pods.values())
        if (isCounted(counter, pod)) counter.counts.set(node.name, (counter.counts.get(node.name) ?? 0) + 1);
    }
    this.#counters.set(key, counter);
    return counter;
  }

  /** Labels and taints decide which nodes count. */
  #forgetDomains(): void {
    for (const { domains } of this.#counters.values()) domains.clear();
  }

  #countImages(images: ReadonlyMap<string, number>, by: number): void {
    for (const name of images.keys()) this.#images.set(name, (this.#images.get(name) ?? 0) + by);
  }

  #noteAffinity(node: NodeInfo): void {
    if (node.podsWithAffinity > 0) this.#withAffinity.add(node);
    else this.#withAffinity.delete(node);
    if (node.podsWithAntiAffinity > 0) this.#withAntiAffinity.add(node);
    else this.#withAntiAffinity.delete(node);
  }

  #count(pod: PodInfo, nodeName: string, by: number): void {
    for (const key of pod.claims) {
      const users = (this.#claimUsers.get(key) ?? 0) + by;
      if (users > 0) this.#claimUsers.set(key, users);
      else this.#claimUsers.delete(key);
    }
    for (const counter of this.#counters.values()) {
      if (!isCounted(counter, pod)) continue;
      counter.counts.set(nodeName, (counter.counts.get(nodeName) ?? 0) + by);
      if (counter.domains.size > 0) countInDomains(counter, this.#nodes.get(nodeName), by);
    }
  }
}

/** Counts by topology value, worked out anew. */
export function domainsOver(
  nodes: Iterable<NodeInfo>,
  perNode: ReadonlyMap<string, number>,
  { topologyKey, counts }: Domains,
): Map<string, number> {
  const values = new Map<string, number>();
  for (const node of nodes) {
    const value = node.labels[topologyKey];
    if (value === undefined || !counts(node)) continue;
    values.set(value, (values.get(value) ?? 0) + (perNode.get(node.name) ?? 0));
  }
  return values;
}

function countInDomains({ domains }: Counter, node: NodeInfo | undefined, by: number): void {
  for (const { of, values } of domains.values()) {
    const value = node?.labels[of.topologyKey];
    if (value !== undefined && of.counts(node!)) values.set(value, (values.get(value) ?? 0) + by);
  }
}

function sameForDomains(a: Node, b: Node): boolean {
  const [before, after] = [a.metadata.labels ?? {}, b.metadata.labels ?? {}];
  const keys = Object.keys(before);
  return (
    keys.length === Object.keys(after).length &&
    keys.every((key) => before[key] === after[key]) &&
    JSON.stringify(a.spec?.taints) === JSON.stringify(b.spec?.taints)
  );
}

function isCounted({ namespace, selector }: Counter, { pod }: PodInfo): boolean {
  return pod.metadata.namespace === namespace && !pod.metadata.deletionTimestamp && selector.matchesLabels(pod.metadata.labels);
}

/** Takes nodes from each zone in turn, so that a cycle that looks at some nodes only still sees every zone. */
function spreadOverZones(nodes: readonly NodeInfo[]): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>();
  for (const node of nodes) {
    const zone = node.labels[ZONE_LABEL] ?? '';
    const members = zones.get(zone);
    if (members) members.push(node);
    else zones.set(zone, [node]);
  }
  if (zones.size <= 1) return [...nodes];
  const rows = [...zones.values()];
  const longest = Math.max(...rows.map((row) => row.length));
  return Array.from({ length: longest }, (_, index) => rows.map((row) => row[index]).filter((node) => node !== undefined)).flat();
}
