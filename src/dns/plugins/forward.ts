import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import { errorMessage } from '../../lib/errors.ts';
import type { Rng } from '../../lib/random.ts';
import { isInZone, type Query, RCODES, respond, type Response } from '../message.ts';
import { durationArg, fail, numberArg, type PluginFactory } from '../plugin.ts';
import type { Directive } from '../corefile.ts';
import { normalizeZone } from '../corefile.ts';
import { readResolvConf } from '../resolv-conf.ts';
import { Upstream, type UpstreamOptions } from '../upstream.ts';

/** A client of ours has usually given up by then (resolv.conf's `timeout:5`). */
const DEADLINE_MS = 5_000;
/** How often the file with the upstreams is looked at, at most, and only while questions come: a laptop changes its network. */
const RECHECK_MS = 5_000;

/** `forward ZONE TO… { except ZONES…; force_tcp; prefer_udp; policy P; max_fails N; max_concurrent N; … }`: asks other servers; TO is an address or a resolv.conf. */
export const forward: PluginFactory = ({ directive, context }) => {
  const { clock, rng, resolvConf } = context;
  const [from, ...to] = directive.args;
  if (from === undefined || to.length === 0) fail(directive, 'needs a zone and at least one address or file');
  const zone = normalizeZone(from, directive.line);
  const options = readProperties(directive);
  const sources = to.map((text) => sourceOf(text, directive, resolvConf));
  const upstreams = new UpstreamList(sources, { clock, forceTcp: options.forceTcp, maxFails: options.maxFails });
  let inFlight = 0;
  let turn = 0;

  const ask = async (query: Query): Promise<Response> => {
    const list = upstreams.current(clock.monotonic());
    const deadline = clock.monotonic() + DEADLINE_MS;
    let failure: unknown = new Error('there is no upstream');
    for (const upstream of inOrder(list, options.policy, turn++, rng)) {
      if (clock.monotonic() >= deadline) break;
      try {
        return await upstream.ask(query);
      } catch (error) {
        failure = error;
      }
    }
    throw new Error(`no upstream answered: ${errorMessage(failure)}`, { cause: failure });
  };
  return {
    stop: () => Promise.resolve(upstreams.close()),
    handler: (next) => async (query) => {
      if (!isInZone(query.name, zone) || options.except.some((each) => isInZone(query.name, each))) return next(query);
      if (inFlight >= options.maxConcurrent) return respond(RCODES.REFUSED);
      inFlight++;
      try {
        return await ask(query);
      } finally {
        inFlight--;
      }
    },
  };
};

/** Healthy ones first, in the policy's order; where none is, all of them: an answer late is better than none. */
function inOrder(upstreams: readonly Upstream[], policy: string, turn: number, rng: Rng): readonly Upstream[] {
  const offset = policy === 'sequential' ? 0 : policy === 'round_robin' ? turn : Math.floor(rng.next() * upstreams.length);
  const rotated = upstreams.map((_, index) => upstreams[(index + offset) % upstreams.length]!);
  return [...rotated.filter((upstream) => upstream.healthy), ...rotated.filter((upstream) => !upstream.healthy)];
}

type Source = { file: string } | { host: string; port: number };

function sourceOf(text: string, directive: Directive, resolvConf: string): Source {
  if (text.startsWith('/')) return { file: text === '/etc/resolv.conf' ? resolvConf : text };
  if (/^(tls|https|grpc):\/\//.test(text)) fail(directive, `"${text}": only plain DNS upstreams are supported`);
  const address = text.replace(/^dns:\/\//, '');
  const [, v6, v4 = '', port = '53'] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(address) ?? [];
  const host = isIP(address) === 0 ? (v6 ?? v4) : address;
  if (isIP(host) === 0) fail(directive, `not an IP address or file: "${text}"`);
  return { host, port: Number(port) };
}

/** The upstreams of all sources; those from files are read again when the file has changed. */
class UpstreamList {
  readonly #sources: readonly Source[];
  readonly #options: UpstreamOptions;
  readonly #known = new Map<string, Upstream>();
  #stamp: string | undefined;
  #checkedAt = -Infinity;
  #list: readonly Upstream[] = [];

  constructor(sources: readonly Source[], options: UpstreamOptions) {
    this.#sources = sources;
    this.#options = options;
  }

  current(now: number): readonly Upstream[] {
    if (now - this.#checkedAt < RECHECK_MS) return this.#list;
    this.#checkedAt = now;
    const stamp = this.#sources
      .map((source) => ('file' in source ? `${statSync(source.file, { throwIfNoEntry: false })?.mtimeMs}` : ''))
      .join();
    if (stamp === this.#stamp) return this.#list;
    this.#stamp = stamp;
    const addresses = this.#sources.flatMap((source) =>
      'file' in source ? readResolvConf(source.file).map((host) => ({ host, port: 53 })) : [source],
    );
    this.#list = addresses.map(({ host, port }) => {
      const key = `${host} ${port}`;
      const upstream = this.#known.get(key) ?? new Upstream({ host, port }, this.#options);
      this.#known.set(key, upstream);
      return upstream;
    });
    return this.#list;
  }

  close(): void {
    for (const upstream of this.#known.values()) upstream.close();
  }
}

interface Properties {
  except: readonly string[];
  forceTcp: boolean;
  policy: string;
  maxFails: number;
  maxConcurrent: number;
}

function readProperties(directive: Directive): Properties {
  const properties: Properties = { except: [], forceTcp: false, policy: 'random', maxFails: 2, maxConcurrent: Infinity };
  for (const property of directive.block) {
    const { name, args } = property;
    if (name === 'except') properties.except = args.map((arg) => normalizeZone(arg, property.line));
    else if (name === 'force_tcp') properties.forceTcp = true;
    else if (name === 'max_fails') properties.maxFails = numberArg(property);
    else if (name === 'max_concurrent') properties.maxConcurrent = numberArg(property) || Infinity;
    else if (name === 'policy') {
      if (!['random', 'round_robin', 'sequential'].includes(args[0] ?? '')) fail(property, `unknown policy "${args[0] ?? ''}"`);
      properties.policy = args[0]!;
      // Sockets are made for each question and health is learnt from the questions themselves: neither has an interval to set.
    } else if (name === 'expire' || name === 'health_check') durationArg(property);
    else if (name !== 'prefer_udp') fail(property, 'unknown or unsupported property of forward');
  }
  return properties;
}
