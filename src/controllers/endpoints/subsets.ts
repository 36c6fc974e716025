/** The subsets of an Endpoints object: addresses that serve the same ports, ready and not. */
import type { EndpointAddress, EndpointPort, EndpointSubset, Pod, Service } from '../../api/types.gen.ts';
import { isReady, isTerminal } from '../pods/pod-state.ts';
import { addressIn, familiesOf, hostnameWithin, isHeadless, targetPortIn } from '../servicepods/service-pods.ts';

/** Readers of Endpoints get everything in one object; what is beyond this is left out (KEP-752). */
export const MAX_ADDRESSES = 1000;

interface Group {
  ports: EndpointPort[];
  ready: EndpointAddress[];
  notReady: EndpointAddress[];
}

/** In a fixed order, so that equal content is equal. */
export function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const groups = new Map<string, Group>();
  const [family] = familiesOf(service);
  const toleratesNotReady = service.spec?.publishNotReadyAddresses === true;
  for (const pod of pods) {
    const ip = addressIn(pod, family!);
    if (!ip || isTerminal(pod) || (pod.metadata.deletionTimestamp && !toleratesNotReady)) continue;
    const ports = portsIn(pod, service);
    if (ports.length === 0 && !isPortless(service)) continue;
    const key = ports.map(({ name = '', port, protocol = '', appProtocol = '' }) => `${name}/${port}/${protocol}/${appProtocol}`).join(' ');
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, ready: [], notReady: [] }));
    (toleratesNotReady || isReady(pod) ? group.ready : group.notReady).push(addressOf(pod, service, ip));
  }
  const sorted = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, group]) => toSubset(group));
}

/** Leaves out what is beyond the limit: ready addresses stay before others, each subset keeps its share. */
export function truncate(subsets: readonly EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const ready = count(subsets, 'addresses');
  const notReady = count(subsets, 'notReadyAddresses');
  if (ready + notReady <= MAX_ADDRESSES) return { subsets: [...subsets], truncated: false };
  const keepReady = Math.min(ready, MAX_ADDRESSES);
  const shares = { addresses: shareOut(keepReady, ready), notReadyAddresses: shareOut(MAX_ADDRESSES - keepReady, notReady) };
  const kept = subsets.map(({ addresses = [], notReadyAddresses = [], ports }) =>
    toSubset({ ports: ports ?? [], ready: shares.addresses(addresses), notReady: shares.notReadyAddresses(notReadyAddresses) }),
  );
  return { subsets: kept.filter(({ addresses, notReadyAddresses }) => addresses || notReadyAddresses), truncated: true };
}

function shareOut(keep: number, of: number): (addresses: EndpointAddress[]) => EndpointAddress[] {
  let seen = 0;
  return (addresses) => {
    const before = of === 0 ? 0 : Math.floor((seen * keep) / of);
    seen += addresses.length;
    return addresses.slice(0, of === 0 ? 0 : Math.floor((seen * keep) / of) - before);
  };
}

function count(subsets: readonly EndpointSubset[], field: 'addresses' | 'notReadyAddresses'): number {
  let total = 0;
  for (const subset of subsets) total += subset[field]?.length ?? 0;
  return total;
}

function isPortless(service: Service): boolean {
  return isHeadless(service) && (service.spec?.ports ?? []).length === 0;
}

function portsIn(pod: Pod, { spec }: Service): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const servicePort of spec?.ports ?? []) {
    const port = targetPortIn(pod, servicePort);
    if (port === undefined) continue;
    const { name, protocol = 'TCP', appProtocol } = servicePort;
    ports.push({ ...(name ? { name } : {}), port, protocol, ...(appProtocol ? { appProtocol } : {}) });
  }
  return ports;
}

function addressOf(pod: Pod, service: Service, ip: string): EndpointAddress {
  const { namespace, name, uid } = pod.metadata;
  const nodeName = pod.spec?.nodeName;
  const hostname = hostnameWithin(pod, service);
  return {
    ip,
    ...(nodeName ? { nodeName } : {}),
    ...(hostname ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
  };
}

function toSubset({ ports, ready, notReady }: Group): EndpointSubset {
  return {
    ...(ready.length > 0 ? { addresses: ready.toSorted(byIp) } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady.toSorted(byIp) } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  };
}

function byIp(a: EndpointAddress, b: EndpointAddress): number {
  if (a.ip !== b.ip) return a.ip < b.ip ? -1 : 1;
  return (a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1;
}
