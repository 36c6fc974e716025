/**
 * The scheduler's picture of the cluster: nodes with what their pods take, kept up to date by each event and by each assumed pod, never
 * rebuilt. Counters of pods by selector are kept per node while a selector is in use, so that spreading costs the same with
 * ten thousand pods as with ten.
 */
import { keyOf } from '../api/meta.ts';
import type { LabelSelector } from '../api/selectors.ts';
import type { Node, Pod } from '../api/types.gen.ts';
import { type Amounts, NONE, amountsOf, minus, plus, podRequests, podRequestsForScore } from './resources.ts';

export interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

/** A pod with what the plugins ask of it worked out once. */
export interface PodInfo {
  key: string;
  pod: Pod;
  requests: Amounts;
  scoreRequests: Amounts;
  hostPorts: readonly HostPort[];
  priority: number;
  hasAntiAffinity: boolean;
  hasAffinity: boolean;
}

/** A node with its pods, summed up. */
export class NodeInfo {
  readonly name: string;
  node: Node;
  readonly pods = new Map<string, PodInfo>();
  requested: Amounts = NONE;
  scoreRequested: Amounts = NONE;
  allocatable: Amounts = NONE;
  maxPods = 0;
  hostPorts: readonly HostPort[] = [];
  /** Bytes by image name. */
  images: ReadonlyMap<string, number> = new Map();
  podsWithAntiAffinity = 0;
  podsWithAffinity = 0;

  constructor(node: Node) {
    this.name = node.metadata.name!;
    this.node = node;
    this.setNode(node);
  }

  get labels(): Readonly<Record<string, string>> {
    return this.node.metadata.labels ?? {};
  }

  setNode(node: Node): void {
    this.node = node;
    const allocatable = node.status?.allocatable;
    this.allocatable = amountsOf(allocatable);
    this.maxPods = Number(allocatable?.['pods'] ?? 0);
    this.images = new Map(
      (node.status?.images ?? []).flatMap((image) => (image.names ?? []).map((name) => [name, image.sizeBytes ?? 0] as const)),
    );
  }

  add(pod: PodInfo): void {
    this.pods.set(pod.key, pod);
    this.requested = plus(this.requested, pod.requests);
    this.scoreRequested = plus(this.scoreRequested, pod.scoreRequests);
    if (pod.hostPorts.length > 0) this.hostPorts = [...this.hostPorts, ...pod.hostPorts];
    if (pod.hasAntiAffinity) this.podsWithAntiAffinity++;
    if (pod.hasAffinity) this.podsWithAffinity++;
  }

  remove(key: string): PodInfo | undefined {
    const pod = this.pods.get(key);
    if (!pod) return undefined;
    this.pods.delete(key);
    this.requested = minus(this.requested, pod.requests);
    this.scoreRequested = minus(this.scoreRequested, pod.scoreRequests);
    if (pod.hostPorts.length > 0) this.hostPorts = [...this.pods.values()].flatMap((other) => other.hostPorts);
    if (pod.hasAntiAffinity) this.podsWithAntiAffinity--;
    if (pod.hasAffinity) this.podsWithAffinity--;
    return pod;
  }

  /** The node without some of its pods: what preemption tries. */
  without(keys: ReadonlySet<string>): NodeInfo {
    const copy = new NodeInfo(this.node);
    for (const [key, pod] of this.pods) if (!keys.has(key)) copy.add(pod);
    return copy;
  }
}

/** What a scheduling cycle reads. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  node(name: string): NodeInfo | undefined;
  /** How many pods of a namespace that the selector matches (terminating ones left out) stand on each node; absent means none. */
  matching(namespace: string, selector: LabelSelector, selectorKey: string): ReadonlyMap<string, number>;
  /** Nodes that hold a pod with required anti-affinity, and with any affinity term. */
  readonly nodesWithAntiAffinity: readonly NodeInfo[];
  readonly nodesWithAffinity: readonly NodeInfo[];
}

/** What scheduling asks of a pod, worked out once. */
export function podInfo(pod: Pod): PodInfo {
  const { affinity } = pod.spec!;
  const hostPorts = (pod.spec!.containers.flatMap((container) => container.ports ?? []) ?? [])
    .concat((pod.spec!.initContainers ?? []).filter((init) => init.restartPolicy === 'Always').flatMap((init) => init.ports ?? []))
    .filter((port) => (port.hostPort ?? 0) > 0)
    .map((port) => ({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort! }));
  return {
    key: keyOf(pod),
    pod,
    requests: podRequests(pod),
    scoreRequests: podRequestsForScore(pod),
    hostPorts,
    priority: pod.spec!.priority ?? 0,
    hasAntiAffinity: (affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0,
    hasAffinity: affinity?.podAffinity !== undefined || affinity?.podAntiAffinity !== undefined,
  };
}

const MAX_COUNTERS = 64;

interface Counter {
  namespace: string;
  selector: LabelSelector;
  counts: Map<string, number>;
}

/** The picture of the cluster that cycles look at: changed by events and by assumptions, never rebuilt. */
export class ClusterState implements Snapshot {
  readonly #nodes = new Map<string, NodeInfo>();
  /** Where each counted pod is. */
  readonly #placed = new Map<string, string>();
  /** Pods on nodes that are not known (yet). */
  readonly #homeless = new Map<string, PodInfo>();
  readonly #counters = new Map<string, Counter>();
  #list: readonly NodeInfo[] | undefined;

  get nodes(): readonly NodeInfo[] {
    this.#list ??= spreadOverZones([...this.#nodes.values()]);
    return this.#list;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  get nodesWithAntiAffinity(): readonly NodeInfo[] {
    return this.nodes.filter((node) => node.podsWithAntiAffinity > 0);
  }

  get nodesWithAffinity(): readonly NodeInfo[] {
    return this.nodes.filter((node) => node.podsWithAffinity > 0);
  }

  setNode(node: Node): NodeInfo {
    const name = node.metadata.name!;
    const known = this.#nodes.get(name);
    if (known) {
      known.setNode(node);
      return known;
    }
    const created = new NodeInfo(node);
    this.#nodes.set(name, created);
    this.#list = undefined;
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
    this.#list = undefined;
  }

  /** Where the pod is counted now. */
  placeOf(key: string): string | undefined {
    return this.#placed.get(key);
  }

  /** Counts the pod on the node, in place of what was known of it before. */
  place(pod: PodInfo, nodeName: string): void {
    this.remove(pod.key);
    const node = this.#nodes.get(nodeName);
    if (!node) {
      this.#homeless.set(pod.key, pod);
      return;
    }
    node.add(pod);
    this.#placed.set(pod.key, nodeName);
    this.#count(pod, nodeName, 1);
  }

  remove(key: string): PodInfo | undefined {
    this.#homeless.delete(key);
    const nodeName = this.#placed.get(key);
    if (nodeName === undefined) return undefined;
    this.#placed.delete(key);
    const pod = this.#nodes.get(nodeName)?.remove(key);
    if (pod) this.#count(pod, nodeName, -1);
    return pod;
  }

  matching(namespace: string, selector: LabelSelector, selectorKey: string): ReadonlyMap<string, number> {
    const key = `${namespace}\n${selectorKey}`;
    const known = this.#counters.get(key);
    if (known) return known.counts;
    if (this.#counters.size >= MAX_COUNTERS) this.#counters.delete(this.#counters.keys().next().value!);
    const counter: Counter = { namespace, selector, counts: new Map() };
    for (const node of this.#nodes.values()) {
      for (const pod of node.pods.values())
        if (isCounted(counter, pod)) counter.counts.set(node.name, (counter.counts.get(node.name) ?? 0) + 1);
    }
    this.#counters.set(key, counter);
    return counter.counts;
  }

  #count(pod: PodInfo, nodeName: string, by: number): void {
    for (const counter of this.#counters.values()) {
      if (isCounted(counter, pod)) counter.counts.set(nodeName, (counter.counts.get(nodeName) ?? 0) + by);
    }
  }
}

function isCounted({ namespace, selector }: Counter, { pod }: PodInfo): boolean {
  return pod.metadata.namespace === namespace && !pod.metadata.deletionTimestamp && selector.matchesLabels(pod.metadata.labels);
}

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

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
