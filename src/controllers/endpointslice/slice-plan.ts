/** How the slices of a Service are changed into what they should be, with as few writes as possible. */
import { semanticEqual } from '../../api/patch/json.ts';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from '../../api/types.gen.ts';
import { endpointId, portsKey, type PortGroup } from './endpoints-of.ts';

/** kube-controller-manager's --max-endpoints-per-slice. */
export const MAX_ENDPOINTS = 100;

export interface SliceContent {
  ports: readonly DiscoveryV1EndpointPort[];
  endpoints: readonly Endpoint[];
}

export interface SlicePlan {
  create: SliceContent[];
  update: { slice: EndpointSlice; content: SliceContent }[];
  delete: EndpointSlice[];
}

/**
 * Compares the slices of one address type with the wanted groups. Endpoints stay in the slice that they are in; new ones fill slices that
 * are written anyway, then one with room, then new slices. A slice that is not needed any more is given other content before a new one
 * is made. With `keepsEmpty` a Service without endpoints has one empty slice, so that its readers can tell "none" from "not looked at yet".
 */
export function planSlices(
  existing: readonly EndpointSlice[],
  groups: ReadonlyMap<string, PortGroup>,
  { keepsEmpty }: { keepsEmpty: boolean },
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], delete: [] };
  const byPorts = Map.groupBy(existing, ({ ports = [] }) => portsKey(ports));
  for (const [key, group] of groups) planGroup(byPorts.get(key) ?? [], group, plan);
  for (const [key, slices] of byPorts) if (!groups.has(key)) plan.delete.push(...slices);
  if (keepsEmpty) keepOneEmpty(existing, plan);
  for (const slice of plan.delete.splice(0, Math.min(plan.create.length, plan.delete.length))) {
    plan.update.push({ slice, content: plan.create.shift()! });
  }
  return plan;
}

function planGroup(slices: readonly EndpointSlice[], { ports, endpoints }: PortGroup, plan: SlicePlan): void {
  const missing = new Map(endpoints);
  const kept = slices.map((slice) => keepWanted(slice, missing));
  const rest = [...missing.values()];
  const changed = kept.filter((each) => each.changed && each.endpoints.length > 0);
  for (const each of changed) each.endpoints.push(...rest.splice(0, MAX_ENDPOINTS - each.endpoints.length));
  const fullestWithRoom = kept
    .filter(
      (each) => !each.changed && rest.length > 0 && each.endpoints.length + (rest.length % MAX_ENDPOINTS || MAX_ENDPOINTS) <= MAX_ENDPOINTS,
    )
    .toSorted((a, b) => b.endpoints.length - a.endpoints.length)[0];
  if (fullestWithRoom) {
    fullestWithRoom.endpoints.push(...rest.splice(0, rest.length % MAX_ENDPOINTS || MAX_ENDPOINTS));
    fullestWithRoom.changed = true;
  }
  while (rest.length > 0) plan.create.push({ ports, endpoints: rest.splice(0, MAX_ENDPOINTS) });
  for (const { slice, endpoints, changed } of kept) {
    if (changed && endpoints.length === 0) plan.delete.push(slice);
    else if (changed) plan.update.push({ slice, content: { ports, endpoints } });
  }
}

interface Kept {
  slice: EndpointSlice;
  endpoints: Endpoint[];
  changed: boolean;
}

/** The slice's endpoints that are still wanted, as they are now; takes them out of `missing`. */
function keepWanted(slice: EndpointSlice, missing: Map<string, Endpoint>): Kept {
  const before = slice.endpoints ?? [];
  const endpoints: Endpoint[] = [];
  let changed = before.length === 0;
  for (const endpoint of before) {
    const id = endpointId(endpoint);
    const wanted = missing.get(id);
    missing.delete(id);
    if (wanted) endpoints.push(wanted);
    if (!semanticEqual(wanted, endpoint)) changed = true;
  }
  return { slice, endpoints, changed };
}

function keepOneEmpty(existing: readonly EndpointSlice[], plan: SlicePlan): void {
  if (plan.create.length > 0 || plan.delete.length < existing.length) return;
  const empty = plan.delete.find(isEmpty);
  if (empty) plan.delete.splice(plan.delete.indexOf(empty), 1);
  else plan.create.push({ ports: [], endpoints: [] });
}

function isEmpty({ endpoints = [], ports = [] }: EndpointSlice): boolean {
  return endpoints.length === 0 && ports.length === 0;
}
