import type { DiscoveryV1EndpointPort, Endpoint, EndpointAddress, Endpoints } from '../../api/types.gen.ts';
import { endpointId, portsKey, type PortGroup } from '../endpointslice/endpoints-of.ts';

/** More addresses of one subset are not mirrored: kube-controller-manager's --mirroring-max-endpoints-per-subset. */
export const MAX_ADDRESSES = 1000;

/** The endpoints of one address family, grouped by their ports. */
export function mirroredGroups({ subsets = [] }: Endpoints, family: 'IPv4' | 'IPv6'): Map<string, PortGroup> {
  const groups = new Map<string, PortGroup>();
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    const mirrored = ports.map(({ name = '', port, protocol = 'TCP', appProtocol }): DiscoveryV1EndpointPort => ({
      name,
      port,
      protocol,
      ...(appProtocol ? { appProtocol } : {}),
    }));
    const all = [
      ...addresses.map((address) => toEndpoint(address, true)),
      ...notReadyAddresses.map((address) => toEndpoint(address, false)),
    ].slice(0, MAX_ADDRESSES);
    const ofFamily = all.filter(({ addresses }) => addresses[0]!.includes(':') === (family === 'IPv6'));
    if (ofFamily.length === 0) continue;
    const key = portsKey(mirrored);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports: mirrored, endpoints: new Map() }));
    for (const endpoint of ofFamily) if (!group.endpoints.has(endpointId(endpoint))) group.endpoints.set(endpointId(endpoint), endpoint);
  }
  return groups;
}

/** How many addresses are more than can be mirrored. */
export function skippedAddresses({ subsets = [] }: Endpoints): number {
  let skipped = 0;
  for (const { addresses = [], notReadyAddresses = [] } of subsets)
    skipped += Math.max(0, addresses.length + notReadyAddresses.length - MAX_ADDRESSES);
  return skipped;
}

function toEndpoint({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}
