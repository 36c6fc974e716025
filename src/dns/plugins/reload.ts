import { durationArg, fail, type PluginFactory } from '../plugin.ts';

/**
 * Asks that a changed Corefile is taken over (`server.ts` does). CoreDNS looks every 30 s or so; here the change itself is the
 * signal, so the interval is read and not needed.
 */
export const reload: PluginFactory = ({ directive }) => {
  if (directive.args.length > 2) fail(directive, 'takes an interval and a jitter');
  directive.args.forEach((_, index) => durationArg(directive, index));
  return {};
};
