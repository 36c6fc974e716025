import { StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { Lease, Node, NodeCondition, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { LEASES, NODES, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { desiredTaints, readinessTaint } from './taints.ts';
import { allSilent, EvictionPace, isReady } from './zones.ts';

export interface NodeLifecycleOptions {
  /** Silence after which a node is Unknown, ms; kube-controller-manager's --node-monitor-grace-period, 50 s since 1.32. */
  graceMs?: number;
  /** The same for a node that never reported; --node-startup-grace-period. */
  startupGraceMs?: number;
}

/** Whether a node that is not ready may be emptied depends on the others; upstream looks as often. */
const UNREADY_LOOK_MS = 5000;
const NODE_INDEX = 'spec.nodeName';
const LEASE_NAMESPACE = 'kube-node-lease';
/** The conditions that a silent kubelet can no longer answer for. */
const KUBELET_CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/**
 * Watches over nodes: conditions become taints; a node whose kubelet neither renews its Lease nor reports turns Unknown, its pods NotReady,
 * and it is tainted so that its pods move. Silence is measured on this process's own monotonic clock from when a sign of life was seen
 * here: neither another host's clock nor a laptop that slept counts against a node.
 */
export function createNodeLifecycleController(context: ComponentContext, options: NodeLifecycleOptions = {}): Component[] {
  const { graceMs = 50_000, startupGraceMs = 60_000 } = options;
  return [runReconciler(context, new NodeLifecycle(context, { graceMs, startupGraceMs }))];
}

class NodeLifecycle implements Reconciler {
  readonly name = 'node-lifecycle-controller';
  readonly concurrency = 4;
  readonly #context: ComponentContext;
  readonly #options: Required<NodeLifecycleOptions>;
  readonly #nodes: Informer<Node>;
  readonly #leases: Informer<Lease>;
  readonly #pods: Informer<Pod>;
  readonly #pace: EvictionPace;
  /** When a sign of life was last seen, monotonic ms. */
  readonly #seenAt = new Map<string, number>();

  constructor(context: ComponentContext, options: Required<NodeLifecycleOptions>) {
    this.#context = context;
    this.#options = options;
    this.#nodes = context.client.informer(NODES);
    this.#leases = context.client.informer(LEASES, { namespace: LEASE_NAMESPACE });
    this.#pods = context.client.informer(PODS);
    this.#pods.addIndex(NODE_INDEX, ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
    this.#pace = new EvictionPace(context.clock);
  }

  setup(queue: { add(key: string): void }): void {
    const seen = (name: string): void => void this.#seenAt.set(name, this.#context.clock.monotonic());
    this.#leases.subscribe({ added: ({ metadata }) => seen(metadata.name!), updated: ({ metadata }) => seen(metadata.name!) });
    this.#nodes.subscribe({
      added: (node) => {
        const name = node.metadata.name!;
        seen(name);
        this.#context.events.event(node, 'Normal', 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
        queue.add(name);
      },
      updated: (node, previous) => {
        if (heartbeatOf(node) !== heartbeatOf(previous)) seen(node.metadata.name!);
        queue.add(node.metadata.name!);
      },
      deleted: (node) => {
        const name = node.metadata.name!;
        this.#seenAt.delete(name);
        this.#context.events.event(node, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
      },
    });
    // A pod may have become ready just as its node fell silent.
    this.#pods.subscribe({
      updated: ({ spec, status }) => {
        const node = spec?.nodeName ? this.#nodes.get(spec.nodeName) : undefined;
        if (node && readinessOf(node)?.status === 'Unknown' && status?.conditions?.some(isReadyTrue)) queue.add(spec!.nodeName!);
      },
    });
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const cached = this.#nodes.get(name);
    if (!cached || cached.metadata.deletionTimestamp) return;
    const ready = readinessOf(cached);
    const grace = ready ? this.#options.graceMs : this.#options.startupGraceMs;
    const left = (this.#seenAt.get(name) ?? 0) + grace - this.#context.clock.monotonic();
    const unknown = ready?.status === 'Unknown';
    const node = left <= 0 && !unknown ? await this.#markUnknown(cached) : cached;
    if (readinessOf(node)?.status === 'Unknown') await this.#markPodsNotReady(name);
    const wait = await this.#taint(node);
    const next = Math.min(wait, left > 0 ? left : Infinity);
    return next === Infinity ? undefined : { afterMs: next };
  }

  async #markUnknown(node: Node): Promise<Node> {
    const name = node.metadata.name!;
    const wasReady = isReady(node);
    const conditions = silentConditions(node, this.#context.clock.now());
    this.#context.log.warn('kubelet stopped posting node status', { node: name });
    const updated = await this.#context.client.resource(NODES).updateStatus({ ...node, status: { ...node.status, conditions } });
    if (wasReady) this.#context.events.event(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    return updated;
  }

  async #markPodsNotReady(nodeName: string): Promise<void> {
    for (const pod of this.#pods.byIndex(NODE_INDEX, nodeName)) {
      if (!pod.status?.conditions?.some(isReadyTrue)) continue;
      const lastTransitionTime = timestamp(this.#context.clock.now());
      const conditions = pod.status.conditions.map((condition) =>
        condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime } : condition,
      );
      try {
        await this.#context.client.resource(PODS, pod.metadata.namespace).updateStatus({ ...pod, status: { ...pod.status, conditions } });
        this.#context.events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      } catch (error) {
        if (!StatusError.is(error, 'NotFound')) throw error;
      }
    }
  }

  /** Brings the taints in line; returns after how many ms to look again, Infinity for a node that is ready. */
  async #taint(node: Node): Promise<number> {
    const { clock, client } = this.#context;
    const { name, resourceVersion } = node.metadata;
    const wanted = readinessTaint(node);
    const wait = wanted ? this.#waitToEmpty(node, wanted) : Infinity;
    const taints = desiredTaints(node, wait === 0 ? wanted : undefined, clock.now());
    if (taints) await client.resource(NODES).patch(name!, 'merge', { metadata: { resourceVersion }, spec: { taints } });
    if (!wanted) return Infinity;
    return wait > 0 && wait < Infinity ? wait : UNREADY_LOOK_MS;
  }

  /** How long until this node may be emptied of pods, ms; a node that is being emptied stays so unless no node is ready any more. */
  #waitToEmpty(node: Node, taint: string): number {
    const nodes = this.#nodes.list().map((other) => (other.metadata.name === node.metadata.name ? node : other));
    const tainted = node.spec?.taints?.some(({ key, effect }) => key === taint && effect === 'NoExecute');
    if (tainted) return allSilent(nodes) ? Infinity : 0;
    return this.#pace.take(node, nodes);
  }
}

function readinessOf({ status }: Node): NodeCondition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

function heartbeatOf(node: Node): string | undefined {
  const ready = readinessOf(node);
  return ready && ready.status !== 'Unknown' ? ready.lastHeartbeatTime : undefined;
}

function isReadyTrue({ type, status }: { type: string; status: string }): boolean {
  return type === 'Ready' && status === 'True';
}

function silentConditions({ metadata, status }: Node, now: number): NodeCondition[] {
  const current = status?.conditions ?? [];
  const others = current.filter(({ type }) => !KUBELET_CONDITIONS.includes(type));
  const silent = KUBELET_CONDITIONS.map((type): NodeCondition => {
    const before = current.find((condition) => condition.type === type);
    if (before?.status === 'Unknown') return before;
    const lastTransitionTime = timestamp(now);
    const unknown = { type, status: 'Unknown', lastTransitionTime };
    if (before) return { ...before, ...unknown, reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' };
    const never = { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' };
    return { ...unknown, ...never, lastHeartbeatTime: metadata.creationTimestamp };
  });
  return [...others, ...silent];
}
