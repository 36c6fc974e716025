import { canonicalName, RCODES, respond } from '../message.ts';
import { fail, type PluginFactory } from '../plugin.ts';

/**
 * Finds out whether what is forwarded comes back: a name that nobody else knows is asked once after the start. When its question arrives
 * again, forwarding would go round for ever; from then on it is refused and the log says what to look at. (CoreDNS ends its process.)
 */
export const loop: PluginFactory = ({ directive, zones, context }) => {
  if (directive.args.length > 0) fail(directive, 'takes no arguments');
  const { log, rng } = context;
  const probe = canonicalName([rng.suffix(10), rng.suffix(10), zones[0] ?? ''].filter(Boolean).join('.'));
  let looped = false;
  let asked = false;
  return {
    handler: (next) => (query) => {
      if (query.name === probe && query.protocol !== 'local') {
        if (!looped)
          log.error(
            `Loop (${query.client}) detected for zone "${zones[0] || '.'}", what is forwarded comes back: look at the upstreams, as in /etc/resolv.conf`,
          );
        looped = true;
      }
      if (looped) return respond(RCODES.SERVFAIL);
      if (asked) return next(query);
      // With the first question that goes outside: a server that nobody asks sends nothing.
      asked = true;
      // What becomes of it is nobody's business: the log of `errors` tells of upstreams that do not answer.
      Promise.resolve(next({ name: probe, type: 'HINFO', client: 'local', protocol: 'local', dnssecOk: false })).catch(() => undefined);
      return next(query);
    },
  };
};
