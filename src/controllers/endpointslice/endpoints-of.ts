/** The endpoints that a Service should have, grouped by the ports that they serve it on. */
import type { DiscoveryV1EndpointPort, Endpoint, Pod, Service } from '../../api/types.gen.ts';
import { isReady, isTerminal } from '../pods/pod-state.ts';
import { addressIn, hostnameWithin, targetPortIn } from '../servicepods/service-pods.ts';
import { distributionHints, isTopologyAware } from './hints.ts';

export interface PortGroup {
  ports: DiscoveryV1EndpointPort[];
  /** By `endpointId`. */
  endpoints: Map<string, Endpoint>;
}

export interface Wanted {
  service: Service;
  pods: readonly Pod[];
  family: 'IPv4' | 'IPv6';
  zoneOf: (nodeName: string) => string | undefined;
}

/** By `portsKey`. Pods of one Service may number a named port differently; those need slices of their own. */
export function portGroups({ service, pods, family, zoneOf }: Wanted): Map<string, PortGroup> {
  const groups = new Map<string, PortGroup>();
  for (const pod of pods) {
    const address = addressIn(pod, family);
    if (!address || isTerminal(pod)) continue;
    const ports = portsIn(pod, service);
    const key = portsKey(ports);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, endpoints: new Map() }));
    const endpoint = endpointOf(pod, service, address, zoneOf);
    group.endpoints.set(endpointId(endpoint), endpoint);
  }
  return groups;
}

/** The same for two lists of ports with the same content. */
export function portsKey(ports: readonly DiscoveryV1EndpointPort[]): string {
  const texts = ports.map(({ name = '', protocol = 'TCP', port = '', appProtocol = '' }) => `${name}/${protocol}/${port}/${appProtocol}`);
  return texts.toSorted().join(' ');
}

/** What an endpoint keeps for its life: the pod and its address. */
export function endpointId({ addresses, targetRef }: Endpoint): string {
  return `${targetRef?.uid ?? ''}/${addresses[0]}`;
}

function portsIn(pod: Pod, { spec }: Service): DiscoveryV1EndpointPort[] {
  const ports: DiscoveryV1EndpointPort[] = [];
  for (const servicePort of spec?.ports ?? []) {
    const port = targetPortIn(pod, servicePort);
    if (port === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = servicePort;
    ports.push({ name, port, protocol, ...(appProtocol ? { appProtocol } : {}) });
  }
  return ports;
}

/** Conditions as KEP-1672 has them: a pod that is going away is never ready, but may still serve. */
function endpointOf(pod: Pod, service: Service, address: string, zoneOf: Wanted['zoneOf']): Endpoint {
  const { namespace, name, uid, deletionTimestamp } = pod.metadata;
  const nodeName = pod.spec?.nodeName;
  const serving = isReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const hostname = hostnameWithin(pod, service);
  const zone = nodeName ? zoneOf(nodeName) : undefined;
  const endpoint: Endpoint = {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
  };
  const hints = ready && !isTopologyAware(service) ? distributionHints(service, endpoint) : undefined;
  return hints ? { ...endpoint, hints } : endpoint;
}
