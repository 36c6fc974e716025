/**
 * What a Service asks of a node's packet filter, independent of which filter it is: addresses and ports that clients connect to
 * (frontends), and where each leads. Pure.
 */
import { isIPv6 } from 'node:net';
import type { EndpointSlice, Service, ServicePort } from '../api/types.gen.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';
export type Family = 'ip' | 'ip6';

export interface Target {
  ip: string;
  port: number;
}

/** One address and port at which a Service is reached. */
export interface Frontend {
  family: Family;
  /** Absent for a node port, which is open on every local address. */
  ip?: string;
  port: number;
  protocol: Protocol;
  clusterIp: boolean;
  /** Whose source address becomes the node's, so that answers come back this way: clients that are no pods, everybody, nobody. */
  masquerade: 'off-cluster' | 'always' | 'never';
  targets: readonly Target[];
  /** For clients on the node and in pods where they get other targets: those of `externalTrafficPolicy: Local` see the whole Service. */
  inCluster?: readonly Target[];
  /** What clients get where there is no target. Endpoints on other nodes only: their packets are dropped, a load balancer tries elsewhere. */
  refusal: 'reject' | 'drop';
  /** `sessionAffinity: ClientIP`: how long a client stays with its target after its last connection. */
  affinitySeconds?: number;
  /** `loadBalancerSourceRanges` of this family: CIDRs that may connect. */
  sourceRanges?: readonly string[];
  /** `namespace/name:port`; affinity is shared by all frontends of one. */
  servicePort: string;
}

export interface FrontendOptions {
  nodeName: string;
}

/** The frontends of a Service; none for headless ones, ExternalName, and those that another proxy serves. */
export function frontendsOf(service: Service, slices: readonly EndpointSlice[], { nodeName }: FrontendOptions): Frontend[] {
  const spec = service.spec ?? {};
  const clusterIps = (spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None');
  if (clusterIps.length === 0 || spec.type === 'ExternalName') return [];
  if (service.metadata.labels?.['service.kubernetes.io/service-proxy-name'] !== undefined) return [];
  const frontends: Frontend[] = [];
  for (const port of spec.ports ?? []) {
    for (const clusterIp of clusterIps) {
      const family = familyOf(clusterIp);
      const endpoints = endpointsOf(slices, port, family, nodeName);
      frontends.push(...portFrontends(service, { port, clusterIp, family, endpoints }));
    }
  }
  return frontends;
}

export const familyOf = (address: string): Family => (isIPv6(address.split('/')[0]!) ? 'ip6' : 'ip');

interface Endpoint extends Target {
  local: boolean;
}

interface PortContext {
  port: ServicePort;
  clusterIp: string;
  family: Family;
  endpoints: readonly Endpoint[];
}

function portFrontends(service: Service, { port, clusterIp, family, endpoints }: PortContext): Frontend[] {
  const spec = service.spec!;
  const ofFamily = (ip: string): boolean => familyOf(ip) === family;
  const common = {
    family,
    protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
    servicePort: `${service.metadata.namespace}/${service.metadata.name}:${port.name ?? ''}`,
    ...affinityOf(service),
  };
  const internal: Frontend = {
    ...common,
    ip: clusterIp,
    port: port.port,
    clusterIp: true,
    masquerade: 'off-cluster',
    ...reach(endpoints, spec.internalTrafficPolicy === 'Local'),
  };
  const isLocal = spec.externalTrafficPolicy === 'Local';
  const external = {
    ...common,
    clusterIp: false,
    masquerade: isLocal ? ('never' as const) : ('always' as const),
    ...reach(endpoints, isLocal),
  };
  const seen = isLocal ? { inCluster: endpoints } : {};
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(ofFamily);
  return [
    internal,
    ...(spec.externalIPs ?? []).filter(ofFamily).map((ip) => ({ ...external, ...seen, ip, port: port.port })),
    ...loadBalancerIps(service)
      .filter(ofFamily)
      .map((ip) => ({ ...external, ...seen, ip, port: port.port, ...(ranges.length ? { sourceRanges: ranges } : {}) })),
    ...(port.nodePort ? [{ ...external, ...seen, port: port.nodePort }] : []),
  ];
}

function reach(endpoints: readonly Endpoint[], localOnly: boolean): Pick<Frontend, 'targets' | 'refusal'> {
  const targets = localOnly ? endpoints.filter(({ local }) => local) : endpoints;
  return { targets, refusal: endpoints.length > 0 ? 'drop' : 'reject' };
}

function affinityOf({ spec }: Service): { affinitySeconds?: number } {
  if (spec?.sessionAffinity !== 'ClientIP') return {};
  return { affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 };
}

/** Addresses that the balancer passes on unchanged; with `ipMode: Proxy` it connects to node ports itself (KEP-1860). */
function loadBalancerIps({ spec, status }: Service): string[] {
  if (spec?.type !== 'LoadBalancer') return [];
  return (status?.loadBalancer?.ingress ?? []).filter(({ ip, ipMode }) => ip && ipMode !== 'Proxy').map(({ ip }) => ip!);
}

/**
 * Ready endpoints, or, where none is, those that still serve while they terminate (KEP-1669): better than refusing during a rollout.
 * Sorted, each once, so that the same state always makes the same rules.
 */
function endpointsOf(slices: readonly EndpointSlice[], port: ServicePort, family: Family, nodeName: string): Endpoint[] {
  const ready = new Map<string, Endpoint>();
  const terminating = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType !== (family === 'ip' ? 'IPv4' : 'IPv6')) continue;
    const number = slice.ports?.find(
      (each) => (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port;
    if (!number) continue;
    for (const { addresses, conditions, nodeName: on } of slice.endpoints ?? []) {
      const ip = addresses[0];
      if (ip === undefined) continue;
      const kind = conditions?.ready !== false ? ready : conditions.serving && conditions.terminating ? terminating : undefined;
      kind?.set(`${ip} ${number}`, { ip, port: number, local: on === nodeName });
    }
  }
  const chosen = ready.size > 0 ? ready : terminating;
  return [...chosen.keys()].toSorted().map((key) => chosen.get(key)!);
}
