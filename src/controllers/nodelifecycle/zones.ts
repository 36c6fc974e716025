import type { Node } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';

/** kube-controller-manager's defaults: nodes a second that are emptied, and when a zone counts as broken. */
const RATE = 0.1;
const SECONDARY_RATE = 0.01;
const UNHEALTHY_SHARE = 0.55;
const LARGE_ZONE = 50;

/**
 * How fast nodes may be emptied. Where most of a zone is silent, the fault is rather the network's or ours than the nodes', and moving all
 * pods would make it worse; where every node of the cluster is, nothing is moved at all.
 */
export class EvictionPace {
  readonly #clock: Clock;
  /** The last node that was let through, by zone. */
  readonly #last = new Map<string, { node: string; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0: this node may be emptied now, which counts. Else how long to wait, ms; Infinity until other nodes change. */
  take(node: Node, nodes: readonly Node[]): number {
    if (allSilent(nodes)) return Infinity;
    const zone = zoneOf(node);
    const rate = rateOf(nodes.filter((other) => zoneOf(other) === zone));
    if (rate === 0) return Infinity;
    const now = this.#clock.monotonic();
    const last = this.#last.get(zone);
    // The same node again is one whose taint could not be written the first time.
    if (last && last.until > now) return last.node === node.metadata.name ? 0 : last.until - now;
    this.#last.set(zone, { node: node.metadata.name!, until: now + 1000 / rate });
    return 0;
  }
}

/** Whether no node of the cluster is ready. */
export function allSilent(nodes: readonly Node[]): boolean {
  return nodes.every((node) => !isReady(node));
}

export function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function rateOf(zone: readonly Node[]): number {
  const silent = zone.filter((node) => !isReady(node)).length;
  const broken = silent > 2 && silent < zone.length && silent / zone.length >= UNHEALTHY_SHARE;
  if (!broken) return RATE;
  return zone.length > LARGE_ZONE ? SECONDARY_RATE : 0;
}

function zoneOf({ metadata }: Node): string {
  const { labels = {} } = metadata;
  return `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`;
}
