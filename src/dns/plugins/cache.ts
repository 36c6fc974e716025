import type { Answer } from 'dns-packet';
import { isInZone, type Query, RCODES, type Response } from '../message.ts';
import { type Directive } from '../corefile.ts';
import { fail, numberArg, type PluginFactory, type PluginSetup, zonesArg } from '../plugin.ts';

interface Limits {
  capacity: number;
  /** Seconds. */
  maxTtl: number;
  minTtl: number;
}

interface Entry {
  response: Response;
  storedAt: number;
  expiresAt: number;
}

const SUCCESS: Limits = { capacity: 9984, maxTtl: 3600, minTtl: 5 };
const DENIAL: Limits = { capacity: 9984, maxTtl: 1800, minTtl: 5 };
/** So short that a hiccup of an upstream is not felt long, and long enough that it is not asked a thousand times (RFC 2308, 7.1). */
const SERVFAIL_SECONDS = 5;

/**
 * Keeps answers for as long as their records live, denials for as long as their SOA says (RFC 2308), each at most for the given time.
 * Answers that come from current memory are not kept: a Service that was just made is found although somebody asked for it before.
 */
export const cache: PluginFactory = (setup) => {
  const { zones, success, denial } = readDirective(setup);
  const { clock, metrics } = setup.context;
  const stores = { success: new Map<string, Entry>(), denial: new Map<string, Entry>() };
  const limits = { success, denial };

  const lookup = (key: string, now: number): Response | undefined => {
    for (const kind of ['success', 'denial'] as const) {
      const entry = stores[kind].get(key);
      if (!entry) continue;
      if (entry.expiresAt > now) {
        metrics.count('coredns_cache_hits_total', `type="${kind}"`);
        return aged(entry.response, Math.floor((now - entry.storedAt) / 1000));
      }
      stores[kind].delete(key);
    }
    metrics.count('coredns_cache_misses_total', '');
    return undefined;
  };
  const store = (key: string, response: Response, now: number): Response => {
    const kind = response.answers.length > 0 ? 'success' : 'denial';
    const seconds = lifetime(response, limits[kind]);
    if (seconds > 0) {
      const kept = stores[kind];
      if (kept.size >= limits[kind].capacity) kept.delete(kept.keys().next().value!);
      kept.set(key, { response: { ...response, authoritative: false }, storedAt: now, expiresAt: now + seconds * 1000 });
    }
    return response;
  };
  return {
    handler: (next) => (query) => {
      if (!zones.some((zone) => isInZone(query.name, zone))) return next(query);
      const key = keyOf(query);
      const now = clock.monotonic();
      const kept = lookup(key, now);
      if (kept) return kept;
      const response = next(query);
      if (response instanceof Promise) return response.then((later) => (later.live ? later : store(key, later, clock.monotonic())));
      return response.live ? response : store(key, response, now);
    },
  };
};

const keyOf = ({ name, type, dnssecOk }: Query): string => `${name} ${type} ${dnssecOk}`;

function lifetime({ rcode, answers, authorities }: Response, { maxTtl, minTtl }: Limits): number {
  if (rcode === RCODES.SERVFAIL) return Math.min(SERVFAIL_SECONDS, maxTtl);
  if (rcode !== RCODES.NOERROR && rcode !== RCODES.NXDOMAIN) return 0;
  const soa = authorities.find((record) => record.type === 'SOA');
  const ttls = answers.length > 0 ? answers.map(ttlOf) : soa ? [ttlOf(soa), soa.data.minimum ?? 0] : [];
  return ttls.length === 0 ? 0 : Math.max(Math.min(minTtl, maxTtl), Math.min(maxTtl, ...ttls));
}

const ttlOf = (record: Answer): number => ('ttl' in record ? (record.ttl ?? 0) : 0);

/** Its records with the time taken off that they have lain here. */
function aged(response: Response, seconds: number): Response {
  if (seconds === 0) return response;
  const age = (records: readonly Answer[]): Answer[] =>
    records.map((record) => ('ttl' in record ? { ...record, ttl: Math.max(0, (record.ttl ?? 0) - seconds) } : record));
  return { ...response, answers: age(response.answers), authorities: age(response.authorities), additionals: age(response.additionals) };
}

/** `cache [TTL] [ZONES…] { success CAPACITY [TTL] [MINTTL]; denial …; disable … }` */
function readDirective(setup: PluginSetup): { zones: readonly string[]; success: Limits; denial: Limits } {
  const { directive } = setup;
  const hasTtl = /^\d+$/.test(directive.args[0] ?? '');
  const maxTtl = hasTtl ? { maxTtl: numberArg(directive, 0, 1) } : {};
  const limits = { success: { ...SUCCESS, ...maxTtl }, denial: { ...DENIAL, ...maxTtl } };
  for (const property of directive.block) {
    if (property.name === 'success' || property.name === 'denial')
      limits[property.name] = { ...limits[property.name], ...limitsOf(property) };
    // Asking ahead for what is popular saves milliseconds once in thirty seconds, for questions that nobody may ask again.
    else if (property.name !== 'prefetch') fail(property, 'unknown property of cache');
  }
  return { zones: zonesArg(setup, directive.args.slice(hasTtl ? 1 : 0)), ...limits };
}

function limitsOf(property: Directive): Partial<Limits> {
  return {
    capacity: numberArg(property, 0, 1),
    ...(property.args.length > 1 ? { maxTtl: numberArg(property, 1) } : {}),
    ...(property.args.length > 2 ? { minTtl: numberArg(property, 2) } : {}),
  };
}
