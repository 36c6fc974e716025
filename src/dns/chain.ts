/** The order in which plugins see a question, CoreDNS's own (its plugin.cfg). The order in a Corefile says nothing. */
import { CorefileError, type ServerBlock } from './corefile.ts';
import { RCODES, respond } from './message.ts';
import type { DnsContext, Handler, Plugin, PluginFactory } from './plugin.ts';
import { cache } from './plugins/cache.ts';
import { errors } from './plugins/errors.ts';
import { forward } from './plugins/forward.ts';
import { health } from './plugins/health.ts';
import { hosts } from './plugins/hosts.ts';
import { kubernetes } from './plugins/kubernetes.ts';
import { loadbalance } from './plugins/loadbalance.ts';
import { log } from './plugins/log.ts';
import { loop } from './plugins/loop.ts';
import { prometheus } from './plugins/prometheus.ts';
import { ready } from './plugins/ready.ts';
import { reload } from './plugins/reload.ts';
import { rewrite } from './plugins/rewrite.ts';

const PLUGINS: readonly (readonly [name: string, factory: PluginFactory])[] = [
  // Not in the way of a question: when the Corefile is read again, and how others see that we live.
  ['reload', reload],
  ['ready', ready],
  ['health', health],
  // Counts and logs see the answer as it leaves, errors before they turn into SERVFAIL.
  ['prometheus', prometheus],
  ['errors', errors],
  ['log', log],
  // Shuffles also what comes from the cache.
  ['loadbalance', loadbalance],
  ['cache', cache],
  // After the cache, so that an answer is kept under the name that was asked for.
  ['rewrite', rewrite],
  // Those that know answers; names of the user's own win over the cluster's.
  ['hosts', hosts],
  ['kubernetes', kubernetes],
  // Its probe must not reach the outside again when it came from there.
  ['loop', loop],
  ['forward', forward],
];

export interface Chain {
  zones: readonly string[];
  port: number;
  handle: Handler;
  plugins: readonly Plugin[];
  /** Whether the Corefile asks to be read again when it changes. */
  reloads: boolean;
}

/** Makes the plugins of a server block; throws `CorefileError`. Nothing runs yet. */
export function compile(block: ServerBlock, context: DnsContext): Chain {
  const unknown = block.directives.find(({ name }) => !PLUGINS.some(([known]) => known === name));
  if (unknown)
    throw new CorefileError(unknown.line, `Unknown directive '${unknown.name}'; known are ${PLUGINS.map(([name]) => name).join(', ')}`);
  const plugins = PLUGINS.flatMap(([name, factory]) =>
    block.directives.filter((directive) => directive.name === name).map((directive) => factory({ directive, zones: block.zones, context })),
  );
  const end: Handler = () => respond(RCODES.REFUSED);
  const handle = plugins.reduceRight<Handler>((next, plugin) => plugin.handler?.(next) ?? next, end);
  return { zones: block.zones, port: block.port, handle, plugins, reloads: block.directives.some(({ name }) => name === 'reload') };
}
