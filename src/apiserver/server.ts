import type { Component } from '../lib/component.ts';
import { decodeProtobuf, isProtobuf } from '../api/codec/protobuf.ts';
import { decodeObject } from '../api/decode.ts';
import type { KubeObject } from '../api/meta.ts';
import type { FieldError } from '../api/status.ts';
import { builtinResources, schemaOf } from '../api/scheme.ts';
import type { LoopbackFactory } from '../api/transport.ts';
import type { LocalApis } from './aggregation/contract.ts';
import { EventExpiry } from './event-expiry.ts';
import { isOurFault } from './errors.ts';
import { measuredStorage } from './health/measured-storage.ts';
import { HttpExchange } from './http-exchange.ts';
import { listen, type Listener } from './http-server.ts';
import { createLoopback } from './loopback.ts';
import type { ApiServerOptions } from './options.ts';
import { Resources } from './resources.ts';
import { clientAuthorities, peerReader } from './tls-peer.ts';
import { Watches } from './watch/open.ts';
import { WatchCache } from './watch/watch-cache.ts';
import { wire, type Wiring } from './wiring.ts';
import { AddressRanges } from './allocators/address-ranges.ts';
import { serviceClaims } from './allocators/service-claims.ts';
import { firstServiceIp } from './allocators/service-ip.ts';
import type { ResourceClaims } from './registry/registry.ts';

export type { ApiServerOptions } from './options.ts';

/**
 * The API server.
 *
 *     created --listen()*--> listening, answers wait --start()--> loaded, bootstrapped, ready --stop()--> stopped
 *
 * Loopback transports may be made at once; their requests wait for `start` like those over TLS.
 */
export interface ApiServer extends Component {
  /** Transports for components of this process. */
  readonly loopback: LoopbackFactory;
  readonly resources: Resources;
  /** Where parts of this process announce group versions that they answer themselves. */
  readonly localApis: LocalApis;
  /** Opens a TLS port; 0 picks one. May be called more than once, before or after `start`. */
  listen(at: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** Whether /readyz answers 200. */
  readonly readyz: boolean;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  return new Server(options);
}

class Server implements ApiServer {
  readonly name = 'kube-apiserver';
  readonly resources: Resources;
  readonly localApis: LocalApis;
  readonly loopback: LoopbackFactory;
  readyz = false;
  readonly #options: ApiServerOptions;
  readonly #cache: WatchCache;
  readonly #watches: Watches;
  readonly #wiring: Wiring;
  readonly #exchange: HttpExchange;
  readonly #listeners: Listener[] = [];
  readonly #claims = new Map<string, ResourceClaims>();
  #eventExpiry: EventExpiry | undefined;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();

  constructor(options: ApiServerOptions) {
    const { clock, rng, log, transformer } = options;
    const { storage, lines } = measuredStorage(options.storage, clock);
    this.#options = options;
    this.#cache = new WatchCache({ storage, clock, log, parse: parseStored, ...(transformer ? { transformer } : {}) });
    this.resources = new Resources(this.#cache, options.resources ?? builtinResources().filter((info) => !info.offByDefault));
    this.#watches = new Watches(this.#cache, clock);
    const registry = {
      storage,
      cache: this.#cache,
      resources: this.resources,
      clock,
      rng,
      log,
      claims: this.#claims,
      ...(options.components ? { components: options.components } : {}),
      ...(options.kubelet?.allowLoopback ? { tolerates: isLoopbackFinding } : {}),
    };
    const checkReady = (): void => {
      if (!this.readyz) throw new Error('not finished');
    };
    this.#wiring = wire(options, registry, {
      clock,
      rng,
      log,
      checkReady,
      kubernetesServiceIp: firstServiceIp(options.serviceCidr.split(',')[0]!),
    });
    const { pipeline, metrics, localApis } = this.#wiring;
    this.localApis = localApis;
    metrics.gauge('apiserver_registered_watchers', 'Watches that are open now.', () => this.#watches.size);
    metrics.gauge('apiserver_storage_objects', 'Number of stored objects at the time of last check split by kind.', () =>
      this.#objectCounts(),
    );
    metrics.gauge(
      'apiserver_current_inflight_requests',
      '[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      () => new Map(Object.entries(this.#exchange.inFlight).map(([kind, count]) => [`request_kind="${kind}"`, count])),
    );
    metrics.expose(lines);
    const ready = { ...pipeline, loaded: this.#loaded.promise };
    const onError = (error: unknown, request: { method: string; info: { path: string } }): void => {
      if (isOurFault(error))
        log.error('a request failed', {
          method: request.method,
          path: request.info.path,
          error,
          stack: error instanceof Error ? error.stack : undefined,
        });
    };
    this.loopback = createLoopback({ pipeline: ready, watches: this.#watches, clock, onError });
    const peerOf = peerReader(clientAuthorities(options.tls.clientCa, options.tls.frontProxyCa));
    this.#exchange = new HttpExchange({
      pipeline: ready,
      watches: this.#watches,
      clock,
      streaming: this.#wiring.streaming,
      observe: (request, code, seconds) => this.#wiring.metrics.observe(request, code, seconds),
      peerOf,
      onError,
      maxInFlight: { readOnly: options.maxInFlight ?? 1000, mutating: options.maxMutatingInFlight ?? 500 },
    });
    // Nobody may be waiting yet when loading fails; start() itself reports it.
    this.#loaded.promise.catch((error: unknown) => log.debug('the cache was not loaded', { error }));
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    try {
      await this.#cache.start(this.#stopping.signal);
      this.#claimServices();
      this.#expireEvents();
      await this.#wiring.load();
      this.#loaded.resolve();
    } catch (error) {
      this.#loaded.reject(error);
      throw error;
    }
    await this.#wiring.bootstrap.run();
    this.#wiring.keep();
    this.readyz = true;
    Promise.all([this.#wiring.bootstrap.runDeferred(), this.#wiring.keepApiServices()]).catch((error: unknown) =>
      this.#options.log.warn('some default objects could not be written', { error }),
    );
  }

  #claimServices(): void {
    const services = this.resources.find('', 'v1', 'services');
    if (!services) return;
    const { serviceCidr, nodePortRange, rng } = this.#options;
    const ranges = new AddressRanges(serviceCidr.split(','), rng);
    this.#claims.set(
      services.cache.prefix,
      serviceClaims({ ranges, ...(nodePortRange ? { nodePortRange } : {}), rng, cache: services.cache }),
    );
    this.#wiring.followAddresses(ranges);
  }

  #objectCounts(): Map<string, number> {
    const counts = this.resources.all().filter(({ info, stored }) => info === stored && info.storagePrefix !== '');
    return new Map(
      counts.map(({ info, cache }) => [`resource="${info.group ? `${info.resource}.${info.group}` : info.resource}"`, cache.size]),
    );
  }

  #expireEvents(): void {
    const { clock, log } = this.#options;
    const events = this.resources.find('', 'v1', 'events');
    if (events)
      this.#eventExpiry = new EventExpiry({
        cache: events.cache,
        clock,
        log,
        remove: (namespace, name) => this.#wiring.source.delete(events.info, namespace, name),
      });
  }

  async listen({ host, port }: { host: string; port: number }): Promise<{ host: string; port: number }> {
    const { tls, clock } = this.#options;
    const clientCas = tls.frontProxyCa ? [tls.clientCa, tls.frontProxyCa] : [tls.clientCa];
    const handlers = { request: this.#exchange.request.bind(this.#exchange), upgrade: this.#exchange.upgrade.bind(this.#exchange) };
    const listener = await listen({ host, port, tls: { cert: tls.cert, key: tls.key, clientCas }, handlers, clock });
    this.#listeners.push(listener);
    return { host, port: listener.address.port };
  }

  async stop(): Promise<void> {
    this.readyz = false;
    if (!this.#stopping.signal.aborted) this.#stopping.abort(new DOMException('the API server stops', 'AbortError'));
    this.#loaded.reject(this.#stopping.signal.reason as Error);
    this.#eventExpiry?.stop();
    this.#watches.close();
    await this.#exchange.idle(this.#options.clock);
    this.#wiring.stop();
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
    await this.#options.audit?.sink.close();
  }
}

/** Simulated pods are on loopback addresses, which upstream refuses in endpoints. */
function isLoopbackFinding({ message }: FieldError): boolean {
  return message.includes('may not be in the loopback range');
}

/** JSON as we and kube-apiserver write it, or the protobuf of a kube-apiserver's own store. */
function parseStored(stored: Uint8Array): KubeObject {
  if (isProtobuf(stored)) {
    const { object, schema } = decodeProtobuf(stored, schemaOf);
    return decodeObject(object, schema, { fieldValidation: 'Ignore' }).object;
  }
  return JSON.parse(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString()) as KubeObject;
}
