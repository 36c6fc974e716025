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
  /** Keys of the claims that its volumes are, also of ephemeral ones. */
  claims: readonly string[];
}

/** A node with its pods, summed up. */
export class NodeInfo {
  readonly name: string;
  node: Node;
  labels: Readonly<Record<string, string>> = {};
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

  setNode(node: Node): void {
    this.node = node;
    this.labels = node.metadata.labels ?? {};
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

/** Pods of a namespace that a selector matches, counted by the values of a node label. */
export interface Domains {
  namespace: string;
  selector: LabelSelector;
  selectorKey: string;
  topologyKey: string;
  /** Which nodes count, and that rule as text: two with the same text are the same. Nodes without the label never do. */
  counts(node: NodeInfo): boolean;
  rule: string;
}

/** What a scheduling cycle reads. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  node(name: string): NodeInfo | undefined;
  /** How many pods of a namespace that the selector matches (terminating ones left out) stand on each node; absent means none. */
  matching(namespace: string, selector: LabelSelector, selectorKey: string): ReadonlyMap<string, number>;
  /** The same by topology value, over the nodes that count. */
  domains(domains: Domains): ReadonlyMap<string, number>;
  /** How many nodes hold the image. */
  nodesWithImage(name: string): number;
  /** How many pods on known nodes mount the claim, by its key. */
  claimUsers(key: string): number;
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
    claims: claimKeys(pod),
  };
}

const NO_KEYS: readonly string[] = [];

/** The claims a pod mounts, by key; generic ephemeral volumes have claims named after pod and volume. */
export function claimKeys({ metadata, spec }: Pod): readonly string[] {
  const { volumes } = spec!;
  if (!volumes?.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral)) return NO_KEYS;
  return volumes.flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [`${metadata.namespace}/${volume.persistentVolumeClaim.claimName}`];
    return volume.ephemeral ? [`${metadata.namespace}/${metadata.name}-${volume.name}`] : [];
  });
}

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
    for (const pod of [...gone.pods.values()]) {
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
