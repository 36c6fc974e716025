/** The cluster's DNS server. */
import type { RecordType } from 'dns-packet';
import type { Client } from '../client/client.ts';
import { abortable } from '../lib/abortable.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type Rng, systemRng } from '../lib/random.ts';
import { type Chain, compile } from './chain.ts';
import { parseCorefile } from './corefile.ts';
import type { CorefileSource } from './corefile-source.ts';
import { Listener } from './listener.ts';
import { canonicalName, isInZone, RCODES, respond, type Response } from './message.ts';
import { Metrics } from './metrics.ts';
import type { DnsContext, Handler } from './plugin.ts';

export interface DnsServerOptions {
  /** The Corefile, or where it comes from; with `reload` in it a change is taken over at once, and one that is wrong is logged and left. */
  corefile: string | CorefileSource;
  client: Client;
  clock: Clock;
  rng?: Rng;
  log: Logger;
  listen: {
    host: string;
    /** Instead of the Corefile's port, where all server blocks have one: 0 takes a free one. `'none'` opens no socket; `resolve` alone answers. */
    port?: number | 'none';
  };
  /** What `forward . /etc/resolv.conf` reads. */
  resolvConf?: string;
}

export interface DnsServer extends Component {
  /** Asks without a socket. Any case, with or without the closing dot; never throws, a failure is SERVFAIL. */
  resolve(name: string, type: RecordType): Promise<Response>;
  /** The ports that it listens on. */
  readonly ports: readonly number[];
}

/** `start` rejects where the first Corefile is wrong or a port is taken. */
export function createDnsServer(options: DnsServerOptions): DnsServer {
  return new CorefileServer(options);
}

class CorefileServer implements DnsServer {
  readonly name = 'dns';
  readonly #options: DnsServerOptions;
  readonly #context: DnsContext;
  #chains: readonly Chain[] = [];
  #listeners = new Map<number, Listener>();
  #ready = false;
  #stopped = false;
  #text = '';
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: DnsServerOptions) {
    this.#options = options;
    const { client, clock, log, rng = systemRng(), resolvConf = '/etc/resolv.conf' } = options;
    this.#context = {
      client,
      clock,
      rng,
      log,
      metrics: new Metrics(),
      resolvConf,
      host: options.listen.host,
      isReady: () => this.#ready,
      resolve: (query) => this.#handle(query),
    };
  }

  get ports(): readonly number[] {
    return [...this.#listeners.values()].map(({ port }) => port);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { corefile } = this.#options;
    this.#text =
      typeof corefile === 'string'
        ? corefile
        : await abortable(
            corefile.start((text) => this.#changed(text)),
            signal,
          );
    const chains = this.#compile(this.#text);
    await startPlugins(chains, signal);
    this.#chains = chains;
    await this.#listen();
    this.#ready = true;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready = false;
    const { corefile } = this.#options;
    if (typeof corefile !== 'string') corefile.stop();
    await this.#reloading;
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    this.#listeners.clear();
    await stopPlugins(this.#chains);
  }

  async resolve(name: string, type: RecordType): Promise<Response> {
    try {
      return await this.#handle({ name: canonicalName(name), type, client: 'local', protocol: 'local', dnssecOk: false });
    } catch (error) {
      this.#options.log.debug('a question failed', { name, error: errorMessage(error) });
      return respond(RCODES.SERVFAIL);
    }
  }

  #compile(text: string): Chain[] {
    return parseCorefile(text, {}).map((block) => compile(block, this.#context));
  }

  /** Calls from within have no port: the first that serves the zone answers. */
  readonly #handle: Handler = (query) => this.#answer(query, this.#chains);

  #answer(query: Parameters<Handler>[0], chains: readonly Chain[]): ReturnType<Handler> {
    let best: Chain | undefined;
    let length = -1;
    for (const chain of chains) {
      for (const zone of chain.zones) {
        if (zone.length > length && isInZone(query.name, zone)) {
          best = chain;
          length = zone.length;
        }
      }
    }
    return best ? best.handle(query) : respond(RCODES.REFUSED);
  }

  /** Opens the ports that the chains ask for and closes the others. */
  async #listen(): Promise<void> {
    const { host, port: override } = this.#options.listen;
    if (override === 'none') return;
    const wanted = new Set(this.#chains.map(({ port }) => port));
    for (const [port, listener] of this.#listeners) {
      if (wanted.has(port)) continue;
      this.#listeners.delete(port);
      await listener.close();
    }
    for (const port of wanted) {
      if (this.#listeners.has(port)) continue;
      const listener = new Listener({
        host,
        port: wanted.size === 1 ? (override ?? port) : port,
        log: this.#options.log,
        handle: (query) =>
          this.#answer(
            query,
            this.#chains.filter((chain) => chain.port === port),
          ),
      });
      this.#listeners.set(port, listener);
      await listener.open();
    }
  }

  #changed(text: string): void {
    if (text === this.#text || this.#stopped || !this.#chains.some(({ reloads }) => reloads)) return;
    this.#reloading = this.#reloading
      .then(() => this.#reload(text))
      .catch((error: unknown) =>
        this.#options.log.error('the DNS server could not go back to its old Corefile', { error: errorMessage(error) }),
      );
  }

  async #reload(text: string): Promise<void> {
    const { log } = this.#options;
    if (this.#stopped || text === this.#text) return;
    const previous = this.#chains;
    let chains: Chain[];
    try {
      chains = this.#compile(text);
    } catch (error) {
      log.error('Corefile changed but reload failed; the old one stays', { error: errorMessage(error) });
      return;
    }
    const signal = AbortSignal.timeout(RELOAD_MS);
    try {
      // The ports of health and metrics must be free before the new ones take them; questions go on being answered by the old handlers.
      await stopPlugins(previous);
      await startPlugins(chains, signal);
      this.#chains = chains;
      await this.#listen();
      this.#text = text;
      log.info('Reloading complete', { corefile: 'changed' });
    } catch (error) {
      log.error('Corefile changed but reload failed; the old one stays', { error: errorMessage(error) });
      await stopPlugins(chains);
      this.#chains = this.#compile(this.#text);
      await startPlugins(this.#chains, signal);
    }
  }
}

const RELOAD_MS = 30_000;

async function startPlugins(chains: readonly Chain[], signal: AbortSignal): Promise<void> {
  await Promise.all(chains.flatMap(({ plugins }) => plugins.map(async (plugin) => plugin.start?.(signal))));
}

async function stopPlugins(chains: readonly Chain[]): Promise<void> {
  await Promise.all(chains.flatMap(({ plugins }) => plugins.map(async (plugin) => plugin.stop?.())));
}
