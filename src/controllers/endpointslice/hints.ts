/**
 * Which zones and nodes are told to use an endpoint: by the Service's trafficDistribution (KEP-4444, KEP-3015), or shared out among zones
 * by their size with the annotation `service.kubernetes.io/topology-mode: Auto` (KEP-2433).
 */
import type { Endpoint, EndpointHints, Service } from '../../api/types.gen.ts';
import type { ZoneShares } from './node-zones.ts';

const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';
/** The annotation's earlier name; it goes first where both are set. */
const TOPOLOGY_AWARE_HINTS = 'service.kubernetes.io/topology-aware-hints';
/** No endpoint of a zone may get more than that above its part. */
const OVERLOAD = 0.2;

export const HINTS_ENABLED = 'Topology Aware Hints has been enabled';
export const HINTS_DISABLED = 'Topology Aware Hints has been disabled';

export function isTopologyAware({ metadata }: Service): boolean {
  const mode = metadata.annotations?.[TOPOLOGY_AWARE_HINTS] ?? metadata.annotations?.[TOPOLOGY_MODE];
  return mode === 'Auto' || mode === 'auto';
}

/** What a ready endpoint gets by the Service's trafficDistribution alone. */
export function distributionHints({ spec }: Service, { zone, nodeName }: Endpoint): EndpointHints | undefined {
  const wanted = spec?.trafficDistribution ?? '';
  if (!['PreferClose', 'PreferSameZone', 'PreferSameNode'].includes(wanted)) return undefined;
  const forZones = zone ? { forZones: [{ name: zone }] } : {};
  const forNodes = nodeName && wanted === 'PreferSameNode' ? { forNodes: [{ name: nodeName }] } : {};
  return Object.keys({ ...forZones, ...forNodes }).length > 0 ? { ...forZones, ...forNodes } : undefined;
}

/** The zone for each ready endpoint, by its place in `ready`; or why none can be given, in upstream's words. */
export type Allocation = { zones: readonly string[] } | { refusal: string };

/**
 * Every zone gets its part of the endpoints, its own ones first; zones with more than their part give to those with less.
 *
 *     zones a and b of the same size, four endpoints in a and two in b: one of a's is for b
 */
export function allocateZones(ready: readonly Endpoint[], shares: ZoneShares): Allocation {
  if (!shares) return { refusal: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes' };
  if (shares.size < 2) return { refusal: 'Nodes only ready in one zone' };
  const counts = `(${ready.length} endpoints, ${shares.size} zones)`;
  if (shares.size > ready.length) return { refusal: `Insufficient number of endpoints ${counts}` };
  const desired = desiredByZone(ready.length, shares);
  if (!desired) {
    return { refusal: `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}` };
  }
  if (ready.some(({ zone }) => !zone)) return { refusal: 'One or more endpoints do not have a zone specified' };
  const zones = ready.map(({ zone }) => zone!);
  const { giving, receiving } = transfers(zones, desired);
  return { zones: zones.map((zone) => (takeOne(giving, zone) ? nextOf(receiving) : zone)) };
}

/** undefined where the least that each zone needs is more than there is. */
function desiredByZone(count: number, shares: ReadonlyMap<string, number>): Map<string, number> | undefined {
  const desired = new Map<string, number>();
  let left = count;
  for (const [zone, share] of shares) {
    const least = Math.ceil((share * count) / (1 + OVERLOAD));
    desired.set(zone, Math.max(share * count, least));
    left -= least;
  }
  return left < 0 ? undefined : desired;
}

/** How many endpoints each zone gives away and gets: whole ones, from the zone with most to spare to the one that lacks most. */
function transfers(zones: readonly string[], desired: ReadonlyMap<string, number>): Record<'giving' | 'receiving', Map<string, number>> {
  const giving = new Map<string, number>();
  const receiving = new Map<string, number>();
  const surplus = new Map(desired.keys().map((zone) => [zone, -desired.get(zone)!]));
  for (const zone of zones) {
    const before = surplus.get(zone);
    // A zone without a node that counts keeps nothing.
    surplus.set(zone, (before ?? 0) + 1);
  }
  for (;;) {
    const from = [...surplus].reduce((a, b) => (b[1] > a[1] ? b : a));
    const to = [...surplus].reduce((a, b) => (b[1] < a[1] ? b : a));
    const [spare, lack] = [from[1], -to[1]];
    if (Math.max(spare, lack) < 1 || Math.min(spare, lack) < 0.5) return { giving, receiving };
    surplus.set(from[0], spare - 1);
    surplus.set(to[0], 1 - lack);
    giving.set(from[0], (giving.get(from[0]) ?? 0) + 1);
    receiving.set(to[0], (receiving.get(to[0]) ?? 0) + 1);
  }
}

function takeOne(counts: Map<string, number>, zone: string): boolean {
  const left = counts.get(zone) ?? 0;
  if (left > 0) counts.set(zone, left - 1);
  return left > 0;
}

/** As many are given as are received. */
function nextOf(receiving: Map<string, number>): string {
  const [zone] = [...receiving].find(([, left]) => left > 0)!;
  takeOne(receiving, zone);
  return zone;
}
