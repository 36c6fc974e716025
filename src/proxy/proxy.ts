/** kube-proxy's work: whatever a Service promises, this node's packet filter does. */
import type { EndpointSlice, Service } from '../api/types.gen.ts';
import { keyOf } from '../api/meta.ts';
import type { Client } from '../client/client.ts';
import { ENDPOINT_SLICES, SERVICES } from '../client/resources.ts';
import { abortable } from '../lib/abortable.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';
import type { RuleBackend } from './backend.ts';
import { deleteFlows, staleFlows } from './conntrack.ts';
import { familyOf, type Family, type Frontend, frontendsOf } from './frontends.ts';
import { iptablesBackend } from './iptables/backend.ts';
import { nftablesBackend } from './nftables/backend.ts';
import { type NftRunner, packetFilter } from './packet-filter.ts';
import { Syncer } from './syncer.ts';

export interface ProxyOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  /** Endpoints on this node are local to it (traffic policies). */
  nodeName: string;
  /** The node's own addresses; an IPv6 one among them turns on rules for IPv6. */
  nodeIps: readonly string[];
  /** The whole cluster's pod range (`10.244.0.0/16`), comma-separated for two families: what leaves it is masqueraded. */
  podCidr: string;
  /** nftables unless given; both leave alone what is not theirs. */
  mode?: 'nftables' | 'iptables';
  /** This machine's packet filter unless given. */
  runner?: NftRunner;
}

export interface Proxy extends Component {
  /** Removes every rule of ours. `stop` does not: Services keep working while the node's processes restart. */
  cleanup(): Promise<void>;
}

/** `start` resolves once the rules for every Service known then are in the kernel, and rejects if they cannot be written. */
export function createProxy(options: ProxyOptions): Proxy {
  return new PacketFilterProxy(options);
}

const BY_SERVICE = 'service';
const FIRST_SYNC_MS = 30_000;

class PacketFilterProxy implements Proxy {
  readonly name = 'kube-proxy';
  readonly #options: ProxyOptions;
  readonly #runner: NftRunner;
  readonly #backend: RuleBackend;
  readonly #syncer: Syncer;
  readonly #frontends = new Map<string, readonly Frontend[]>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #families: readonly Family[];
  readonly #stopping = new AbortController();
  #flowsDeleted: Promise<void> = Promise.resolve();

  constructor(options: ProxyOptions) {
    const { clock, log, mode = 'nftables', runner = packetFilter() } = options;
    this.#options = options;
    this.#runner = runner;
    const ranges = options.podCidr.split(',').filter(Boolean);
    this.#families = (['ip', 'ip6'] as const).filter(
      (family) => family === 'ip' || [...options.nodeIps, ...ranges].some((address) => familyOf(address) === family),
    );
    const podCidrs = Object.fromEntries(ranges.map((range) => [familyOf(range), range]));
    const makeBackend = mode === 'nftables' ? nftablesBackend : iptablesBackend;
    this.#backend = makeBackend({ runner, families: this.#families, podCidrs });
    this.#syncer = new Syncer({ clock, log, sync: (keys, signal) => this.#sync(keys, signal) });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const services = client.informer(SERVICES);
    const slices = client.informer(ENDPOINT_SLICES);
    slices.addIndex(BY_SERVICE, (slice) => [serviceOf(slice)].filter((key) => key !== undefined));
    const ready = Promise.all([this.#runner.sysctl('net/ipv4/conf/all/route_localnet', '1'), services.start(), slices.start()]);
    const [localnet] = await abortable(ready, signal);
    if (!localnet) log.warn('node ports do not answer on 127.0.0.1: net.ipv4.conf.all.route_localnet cannot be set');
    const stale = await this.#write(new Set(services.list().map(keyOf)), AbortSignal.any([signal, AbortSignal.timeout(FIRST_SYNC_MS)]));
    // What the kernel remembers from before this process began; nobody need wait for that.
    this.#flowsDeleted = deleteFlows(this.#runner, stale, log, AbortSignal.any([signal, this.#stopping.signal]));
    const touchService = (service: Service): void => this.#syncer.touch(keyOf(service));
    const touchSlice = (slice: EndpointSlice): void => {
      const key = serviceOf(slice);
      if (key !== undefined) this.#syncer.touch(key);
    };
    this.#unsubscribe.push(
      services.subscribe({ added: touchService, updated: touchService, deleted: touchService }),
      slices.subscribe({ added: touchSlice, updated: touchSlice, deleted: touchSlice }),
    );
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#stopping.abort(new Error('the proxy was stopped'));
    await Promise.all([this.#syncer.stop(), this.#flowsDeleted]);
  }

  cleanup(): Promise<void> {
    return this.#backend.cleanup();
  }

  async #sync(keys: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    await deleteFlows(this.#runner, await this.#write(keys, signal), this.#options.log, signal);
  }

  /** Writes the rules of these Services; returns which flows they leave stale. */
  async #write(keys: ReadonlySet<string>, signal: AbortSignal): Promise<string[][]> {
    const { client, nodeName } = this.#options;
    const services = client.informer(SERVICES);
    const slices = client.informer(ENDPOINT_SLICES);
    const changed = [...keys].map((key) => {
      const service = services.get(key);
      const frontends = service ? frontendsOf(service, slices.byIndex(BY_SERVICE, key), { nodeName }) : [];
      this.#backend.set(key, frontends);
      return { key, frontends };
    });
    await this.#backend.apply(signal);
    return changed.flatMap(({ key, frontends }) => {
      const before = this.#frontends.get(key) ?? [];
      if (frontends.length > 0) this.#frontends.set(key, frontends);
      else this.#frontends.delete(key);
      return staleFlows(before, frontends);
    });
  }
}

/** The Service that a slice belongs to. Slices of headless Services are nobody's business here: those have no address to lead on. */
function serviceOf({ metadata: { namespace, labels } }: EndpointSlice): string | undefined {
  const name = labels?.['kubernetes.io/service-name'];
  return name === undefined || labels?.['service.kubernetes.io/headless'] !== undefined ? undefined : `${namespace}/${name}`;
}
