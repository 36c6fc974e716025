/** kube-proxy's work without a packet filter: a socket for each address of a Service, on this machine's loopback network. */
import { keyOf } from '../../api/meta.ts';
import type { EndpointSlice, Service } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { ENDPOINT_SLICES, SERVICES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { errorCode, errorMessage } from '../../lib/errors.ts';
import { type Frontend, frontendsOf } from '../frontends.ts';
import { type Balancer, createBalancer } from './balancer.ts';
import type { ProxyNetwork } from './network.ts';
import type { ServiceSocket, SocketPlace } from './service-socket.ts';
import { openTcp } from './tcp.ts';
import { openUdp } from './udp.ts';

export interface UserspaceProxyOptions extends ComponentContext {
  network: ProxyNetwork;
  nodeName: string;
  /** Where node ports are opened; `127.0.0.1` unless given. */
  nodePortAddresses?: readonly string[];
}

/** `start` resolves once the sockets of every Service known then are open, or their failure told. */
export function createUserspaceProxy(options: UserspaceProxyOptions): Component {
  return new UserspaceProxy(options);
}

const BY_SERVICE = 'service';
const CONCURRENCY = 8;

interface OpenSocket {
  socket: ServiceSocket;
  balancer: Balancer;
}

interface Wanted {
  frontend: Frontend;
  place: SocketPlace;
}

class UserspaceProxy implements Component {
  readonly name = 'kube-proxy';
  readonly #options: UserspaceProxyOptions;
  readonly #loop: Component;
  /** Open sockets of each Service, by `TCP 127.96.0.7:80`. */
  readonly #services = new Map<string, Map<string, OpenSocket>>();

  constructor(options: UserspaceProxyOptions) {
    this.#options = options;
    this.#loop = runReconciler(options, this.#reconciler());
  }

  async start(signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const services = client.informer(SERVICES);
    const slices = client.informer(ENDPOINT_SLICES);
    slices.addIndex(BY_SERVICE, (slice) => [serviceOf(slice)].filter((key) => key !== undefined));
    await Promise.all([services.start(), slices.start()]);
    // Before the loop begins, so that no Service is worked on twice at once; what fails here the loop tries again.
    const told = (service: Service) => (error: unknown) =>
      log.debug('a Service has to wait', { service: keyOf(service), error: errorMessage(error) });
    await Promise.all(services.list().map((service) => this.#sync(keyOf(service)).catch(told(service))));
    await this.#loop.start(signal);
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await Promise.all([...this.#services.keys()].map((key) => this.#close(key)));
  }

  #reconciler(): Reconciler {
    const { client } = this.#options;
    return {
      name: this.name,
      concurrency: CONCURRENCY,
      setup: ({ add }) => {
        const services = client.informer(SERVICES);
        const slices = client.informer(ENDPOINT_SLICES);
        const touch = (service: Service): void => add(keyOf(service));
        const touchSlice = (slice: EndpointSlice): void => {
          const key = serviceOf(slice);
          if (key !== undefined) add(key);
        };
        services.subscribe({ added: touch, updated: touch, deleted: touch });
        slices.subscribe({ added: touchSlice, updated: touchSlice, deleted: touchSlice });
      },
      reconcile: (key) => this.#sync(key),
    };
  }

  /** Brings the sockets of a Service to what it asks for. Throws when one cannot be opened; the others are seen to all the same. */
  async #sync(key: string): Promise<void> {
    const { client, nodeName } = this.#options;
    const service = client.informer(SERVICES).get(key);
    const frontends = service ? frontendsOf(service, client.informer(ENDPOINT_SLICES).byIndex(BY_SERVICE, key), { nodeName }) : [];
    const wanted = new Map<string, Wanted>();
    for (const frontend of frontends)
      for (const place of this.#placesOf(frontend)) wanted.set(`${frontend.protocol} ${place.host}:${place.port}`, { frontend, place });
    const open = this.#services.get(key) ?? new Map<string, OpenSocket>();
    for (const [id, { socket }] of open) {
      if (wanted.has(id)) continue;
      open.delete(id);
      await socket.close();
    }
    const failures: unknown[] = [];
    for (const [id, want] of wanted) await this.#ensure(id, open, want).catch((error: unknown) => failures.push(error));
    if (open.size > 0) this.#services.set(key, open);
    else this.#services.delete(key);
    if (failures.length > 0) this.#fail(service!, failures[0]);
  }

  /** Only IPv4: the loopback network of IPv6 has one address. Without a target nobody listens, and clients are refused. */
  #placesOf({ family, protocol, ip, port, targets, inCluster }: Frontend): SocketPlace[] {
    if (family !== 'ip' || protocol === 'sctp' || (inCluster ?? targets).length === 0) return [];
    if (ip !== undefined) return [{ host: ip, port, exact: false }];
    return (this.#options.nodePortAddresses ?? ['127.0.0.1']).map((host) => ({ host, port, exact: true }));
  }

  async #ensure(id: string, open: Map<string, OpenSocket>, { frontend, place }: Wanted): Promise<void> {
    const { clock, network } = this.#options;
    const targets = frontend.inCluster ?? frontend.targets;
    const known = open.get(id);
    const balancer = known?.balancer ?? createBalancer(clock);
    balancer.set(targets, frontend.affinitySeconds);
    if (known) return known.socket.cut(targets);
    const socket = await (frontend.protocol === 'udp' ? openUdp(place, balancer, { network, clock }) : openTcp(place, balancer, network));
    open.set(id, { socket, balancer });
  }

  async #close(key: string): Promise<void> {
    const open = this.#services.get(key);
    this.#services.delete(key);
    await Promise.all([...(open?.values() ?? [])].map(({ socket }) => socket.close()));
  }

  /** Told on the Service; the loop tries again, less and less often. */
  #fail(service: Service, error: unknown): never {
    const taken = errorCode(error) === 'EADDRINUSE' ? 'another program has this address' : errorMessage(error);
    this.#options.events.event(
      service,
      'Warning',
      'FailedToListen',
      `cannot open a port of the Service: ${taken} (${errorMessage(error)})`,
    );
    throw error;
  }
}

function serviceOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  const name = labels?.['kubernetes.io/service-name'];
  return name === undefined ? undefined : `${namespace}/${name}`;
}
