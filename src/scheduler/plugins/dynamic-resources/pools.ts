/** Resource slices as pools of devices, and which of their devices a node can reach. */
import type { Device, NodeSelector, ResourceSlice } from '../../../api/types.gen.ts';
import type { NodeInfo } from '../../snapshot.ts';
import { matchesSelector } from '../node-selection.ts';

/** A device with where it is found: unique by driver, pool and name. */
export interface PooledDevice {
  id: string;
  driver: string;
  pool: string;
  device: Device;
  /** `driver/pool`, for the counters that devices of a pool share. */
  poolId: string;
  /** The one node that can reach it; */
  nodeName?: string;
  /** or those that the selector matches; without both: every node. */
  nodeSelector?: NodeSelector;
}

export interface Pool {
  id: string;
  /** Slices of its latest generation are missing: its driver is still at it. */
  isIncomplete: boolean;
  devices: readonly PooledDevice[];
  /** What there is of each counter, by `set/counter`. */
  counters: ReadonlyMap<string, string>;
}

export interface Pools {
  all: ReadonlyMap<string, Pool>;
  /** Pools with a device that the node may reach, each with those devices. */
  reachable(node: NodeInfo): readonly { pool: Pool; devices: readonly PooledDevice[] }[];
}

export function poolsOf(slices: readonly ResourceSlice[]): Pools {
  const newest = new Map<string, ResourceSlice[]>();
  for (const slice of slices) {
    const id = `${slice.spec.driver}/${slice.spec.pool.name}`;
    const known = newest.get(id);
    const generation = known?.[0]?.spec.pool.generation ?? -1;
    if (slice.spec.pool.generation > generation) newest.set(id, [slice]);
    else if (slice.spec.pool.generation === generation) known!.push(slice);
  }
  const all = new Map([...newest].map(([id, members]) => [id, poolOf(id, members)]));
  const byNode = new Map<string, Pool[]>();
  const elsewhere: Pool[] = [];
  for (const pool of all.values()) {
    const names = new Set(pool.devices.map(({ nodeName }) => nodeName));
    const [only] = names;
    if (names.size === 1 && only !== undefined) byNode.set(only, [...(byNode.get(only) ?? []), pool]);
    else elsewhere.push(pool);
  }
  return {
    all,
    reachable: (node) =>
      [...(byNode.get(node.name) ?? []), ...elsewhere].flatMap((pool) => {
        const devices = pool.devices.filter((device) => isReachable(device, node));
        return devices.length > 0 ? [{ pool, devices }] : [];
      }),
  };
}

function poolOf(id: string, slices: readonly ResourceSlice[]): Pool {
  const counters = new Map<string, string>();
  for (const { spec } of slices) {
    for (const { name, counters: own } of spec.sharedCounters ?? [])
      for (const [counter, { value }] of Object.entries(own)) counters.set(`${name}/${counter}`, value);
  }
  const byName = slices.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
  return {
    id,
    isIncomplete: slices.length < slices[0]!.spec.pool.resourceSliceCount,
    devices: byName.flatMap((slice) => devicesOf(slice, id)),
    counters,
  };
}

function devicesOf({ spec }: ResourceSlice, poolId: string): PooledDevice[] {
  return (spec.devices ?? []).map((device) => {
    const place = spec.perDeviceNodeSelection ? device : spec;
    return {
      id: `${poolId}/${device.name}`,
      driver: spec.driver,
      pool: spec.pool.name,
      poolId,
      device,
      ...(place.nodeName ? { nodeName: place.nodeName } : {}),
      ...(place.nodeSelector && !place.nodeName ? { nodeSelector: place.nodeSelector } : {}),
    };
  });
}

function isReachable({ nodeName, nodeSelector }: PooledDevice, node: NodeInfo): boolean {
  if (nodeName !== undefined) return nodeName === node.name;
  return nodeSelector === undefined || matchesSelector(nodeSelector, node);
}
