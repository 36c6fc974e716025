/**
 * A plugin: it answers a question, or passes it on to the next and may change the question on the way there and the answer on the way
 * back. The order of plugins is `chain.ts`'s, not the Corefile's.
 */
import type { Client } from '../client/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import { CorefileError, type Directive, normalizeZone } from './corefile.ts';
import type { Query, Response } from './message.ts';
import type { Metrics } from './metrics.ts';

/** Answers at once where it can: a promise a question is what thousands of them a second would notice. */
export type Handler = (query: Query) => Response | Promise<Response>;

export interface Plugin {
  /** Wraps what comes after it in the chain. */
  handler?(next: Handler): Handler;
  /** Resolves when it can answer; the sockets open after that. */
  start?(signal: AbortSignal): Promise<void>;
  stop?(): Promise<void>;
}

/** `change` of an answer, at once where it is there already. */
export function whenAnswered(answer: Response | Promise<Response>, change: (response: Response) => Response): Response | Promise<Response> {
  return answer instanceof Promise ? answer.then(change) : change(answer);
}

export interface DnsContext {
  client: Client;
  clock: Clock;
  rng: Rng;
  log: Logger;
  metrics: Metrics;
  /** Where `forward . /etc/resolv.conf` and its like are read; a path. */
  resolvConf: string;
  /** Addresses that plugins with ports of their own (health, ready, prometheus) listen on. */
  host: string;
  /** Whether every plugin of every block has started: the answer of `ready`. */
  isReady(): boolean;
  /** Asks the whole chain again, from the top: a CNAME that leads somewhere else. */
  resolve: Handler;
}

export interface PluginSetup {
  directive: Directive;
  /** The zones of the server block that it stands in. */
  zones: readonly string[];
  context: DnsContext;
}

/** Reads its directive, throwing `CorefileError`, and does nothing else yet. */
export type PluginFactory = (setup: PluginSetup) => Plugin;

export function fail(directive: Directive, message: string): never {
  throw new CorefileError(directive.line, `${directive.name}: ${message}`);
}

/** An argument that must be a whole number from `min` on. */
export function numberArg(directive: Directive, index = 0, min = 0): number {
  const text = directive.args[index];
  if (text === undefined || !/^\d+$/.test(text) || Number(text) < min)
    fail(directive, `"${text ?? ''}" is not a number${min > 0 ? ` of at least ${min}` : ''}`);
  return Number(text);
}

/** A duration as Go writes them (`5s`, `1m30s`, `500ms`) or a bare number of seconds, in ms. */
export function durationArg(directive: Directive, index = 0): number {
  const text = directive.args[index] ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) fail(directive, `"${text}" is not a duration`);
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, value, unit]) => sum + Number(value) * UNIT_MS[unit as keyof typeof UNIT_MS],
    0,
  );
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The zones in its arguments, or those of its server block. */
export function zonesArg({ directive, zones }: PluginSetup, args: readonly string[] = directive.args): readonly string[] {
  return args.length > 0 ? args.map((arg) => normalizeZone(arg, directive.line)) : zones;
}

/** What `fallthrough [zones…]` allows to be passed on: nothing without it, everything where it names no zones. */
export function fallthroughOf(directive: Directive | undefined): (name: string) => boolean {
  if (!directive) return () => false;
  const zones = directive.args.map((arg) => normalizeZone(arg, directive.line));
  return (name) => zones.length === 0 || zones.some((zone) => zone === '' || name === zone || name.endsWith(`.${zone}`));
}
