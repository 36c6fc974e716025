import type { Endpoint, EndpointSlice, Service } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES } from '../../client/resources.ts';
import { abortable } from '../../lib/abortable.ts';
import { canonicalIp } from '../message.ts';

/** An address of a Service's endpoints, under the name that it has below the Service's. */
export interface NamedEndpoint {
  ip: string;
  hostname: string;
  ports: readonly { name: string; protocol: string; port: number }[];
}

const CLUSTER_IP = 'dns-cluster-ip';
const SERVICE = 'service';
const ENDPOINT_IP = 'dns-endpoint-ip';
const POD_IP = 'dns-pod-ip';

/** What the cluster's names are made of: informer caches with indexes, so that a question costs a few look-ups in maps. */
export class ClusterNames {
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #client: Client;
  readonly #watchPods: boolean;

  constructor(client: Client, { watchPods }: { watchPods: boolean }) {
    this.#client = client;
    this.#watchPods = watchPods;
    this.#services = client.informer(SERVICES);
    this.#services.addIndex(CLUSTER_IP, (service) => clusterIpsOf(service).map(canonicalIp));
    this.#slices = client.informer(ENDPOINT_SLICES);
    this.#slices.addIndex(SERVICE, (slice) => [serviceOf(slice)].filter((key) => key !== undefined));
    this.#slices.addIndex(ENDPOINT_IP, (slice) => (slice.endpoints ?? []).flatMap(({ addresses }) => addresses.map(canonicalIp)));
    if (watchPods)
      client
        .informer(PODS)
        .addIndex(POD_IP, (pod) => (pod.status?.podIP ? [`${pod.metadata.namespace}/${canonicalIp(pod.status.podIP)}`] : []));
  }

  async start(signal: AbortSignal): Promise<void> {
    const informers = [
      this.#services,
      this.#slices,
      this.#client.informer(NAMESPACES),
      ...(this.#watchPods ? [this.#client.informer(PODS)] : []),
    ];
    await abortable(Promise.all(informers.map((informer) => informer.start())), signal);
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#services.get(`${namespace}/${name}`);
  }

  hasNamespace(name: string): boolean {
    return this.#client.informer(NAMESPACES).get(name) !== undefined;
  }

  hasPod(namespace: string, ip: string): boolean {
    return this.#client.informer(PODS).byIndex(POD_IP, `${namespace}/${canonicalIp(ip)}`).length > 0;
  }

  /** The ready endpoints (all of them where the Service publishes those that are not: its controller marks them so). */
  endpoints(namespace: string, name: string): NamedEndpoint[] {
    return this.#slices.byIndex(SERVICE, `${namespace}/${name}`).flatMap((slice) => {
      const ports = (slice.ports ?? []).map((port) => ({ name: port.name ?? '', protocol: port.protocol ?? 'TCP', port: port.port ?? 0 }));
      return (slice.endpoints ?? [])
        .filter(isReady)
        .flatMap((endpoint) => endpoint.addresses.map((ip) => ({ ip, hostname: hostnameOf(endpoint, ip), ports })));
    });
  }

  serviceByIp(ip: string): Service | undefined {
    return this.#services.byIndex(CLUSTER_IP, ip)[0];
  }

  /** The names, below a Service, of the endpoints with this address. */
  endpointsByIp(ip: string): { service: string; namespace: string; hostname: string }[] {
    return this.#slices.byIndex(ENDPOINT_IP, ip).flatMap((slice) => {
      const service = slice.metadata.labels?.['kubernetes.io/service-name'];
      if (service === undefined) return [];
      const own = (slice.endpoints ?? []).filter(
        (endpoint) => isReady(endpoint) && endpoint.addresses.some((address) => canonicalIp(address) === ip),
      );
      return own.map((endpoint) => ({ service, namespace: slice.metadata.namespace!, hostname: hostnameOf(endpoint, ip) }));
    });
  }
}

/** A Service's own addresses; none where it is headless. */
export function clusterIpsOf({ spec }: Service): string[] {
  const ips = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
  return ips.filter((ip) => ip !== '' && ip !== 'None');
}

const isReady = ({ conditions }: Endpoint): boolean => conditions?.ready !== false;

/** The pod's hostname where it has a subdomain, else its address with dashes. */
const hostnameOf = ({ hostname }: Endpoint, ip: string): string => (hostname || ip.replaceAll(/[.:]/g, '-')).toLowerCase();

function serviceOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  const name = labels?.['kubernetes.io/service-name'];
  return name === undefined ? undefined : `${namespace}/${name}`;
}
