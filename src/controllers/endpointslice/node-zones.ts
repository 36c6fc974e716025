import { cpuMillis } from '../../api/codec/quantity.ts';
import type { Node } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { NODES } from '../../client/resources.ts';

const ZONE = 'topology.kubernetes.io/zone';
/** Such nodes run no ordinary pods, and their size says nothing about where requests come from. */
const EXCLUDED = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** Each zone's part of the cluster's CPU, all together 1; undefined where a node does not say enough. */
export type ZoneShares = ReadonlyMap<string, number> | undefined;

/** Where nodes are, and how much of the cluster each zone is. */
export class NodeZones {
  readonly #nodes: Informer<Node>;
  #shares: { value: ZoneShares } | undefined;

  constructor(client: Client) {
    this.#nodes = client.informer(NODES);
  }

  /** Calls `changed` when a node came, went, moved, or counts differently; heartbeats do none of that. */
  watch(changed: () => void): void {
    const note = (): void => {
      this.#shares = undefined;
      changed();
    };
    this.#nodes.subscribe({
      added: note,
      updated: (node, before) => placeOf(node) !== placeOf(before) && note(),
      deleted: note,
    });
  }

  of(nodeName: string): string | undefined {
    return zoneOf(this.#nodes.get(nodeName));
  }

  shares(): ZoneShares {
    this.#shares ??= { value: sharesOf(this.#nodes.list()) };
    return this.#shares.value;
  }
}

/** By allocatable CPU of the nodes that are ready, as upstream's topology cache counts. */
export function sharesOf(nodes: readonly Node[]): ZoneShares {
  const cpu = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    if (isExcluded(node) || !isReady(node)) continue;
    const zone = zoneOf(node);
    const millis = cpuOf(node);
    if (!zone || millis === 0) return undefined;
    cpu.set(zone, (cpu.get(zone) ?? 0) + millis);
    total += millis;
  }
  if (total === 0) return undefined;
  return new Map([...cpu].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([zone, millis]) => [zone, millis / total]));
}

function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[ZONE];
}

function cpuOf({ status }: Node): number {
  return cpuMillis(status?.allocatable?.['cpu'] ?? '0');
}

function isExcluded({ metadata }: Node): boolean {
  return EXCLUDED.some((label) => metadata.labels?.[label] !== undefined);
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function placeOf(node: Node): string {
  return [zoneOf(node), cpuOf(node), isExcluded(node), isReady(node)].join();
}
