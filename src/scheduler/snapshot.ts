/** What a scheduling cycle looks at: nodes with what their pods take, and pods with what plugins ask of them worked out once. */
import { type HostPort, hostPortsOf } from '../api/host-ports.ts';
import { keyOf } from '../api/meta.ts';
import type { LabelSelector } from '../api/selectors.ts';
import type { Node, Pod } from '../api/types.gen.ts';
import { type Amounts, NONE, amountsOf, minus, plus, podRequests, podRequestsForScore } from './resources.ts';

export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';

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
  #hostname: string | undefined;
  #zone: string | undefined;
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
  /** Another number after every change. */
  version = 0;

  constructor(node: Node) {
    this.name = node.metadata.name!;
    this.node = node;
    this.setNode(node);
  }

  setNode(node: Node): void {
    this.version++;
    this.node = node;
    this.labels = node.metadata.labels ?? {};
    this.#hostname = this.labels[HOSTNAME_LABEL];
    this.#zone = this.labels[ZONE_LABEL];
    const allocatable = node.status?.allocatable;
    this.allocatable = amountsOf(allocatable);
    this.maxPods = Number(allocatable?.['pods'] ?? 0);
    this.images = new Map(
      (node.status?.images ?? []).flatMap((image) => (image.names ?? []).map((name) => [name, image.sizeBytes ?? 0] as const)),
    );
  }

  /** The two that spreading asks of every node for every pod are at hand. */
  label(key: string): string | undefined {
    return key === ZONE_LABEL ? this.#zone : key === HOSTNAME_LABEL ? this.#hostname : this.labels[key];
  }

  add(pod: PodInfo): void {
    this.version++;
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
    this.version++;
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
  const requests = podRequests(pod);
  return {
    key: keyOf(pod),
    pod,
    requests,
    scoreRequests: podRequestsForScore(pod, requests),
    hostPorts: hostPortsOf(pod),
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
