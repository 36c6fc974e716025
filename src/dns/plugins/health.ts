import { httpListener } from '../http-listener.ts';
import { durationArg, fail, type PluginFactory } from '../plugin.ts';

/** `/health` answers OK while the process does. `lameduck` is read: a stop here closes the sockets at once, with no balancer to wait for. */
export const health: PluginFactory = ({ directive, context }) => {
  const unknown = directive.block.find(({ name }) => name !== 'lameduck');
  if (unknown) fail(unknown, 'unknown property of health');
  for (const lameduck of directive.block) durationArg(lameduck);
  return httpListener({
    address: directive.args[0] ?? ':8080',
    host: context.host,
    answer: (path) => (path === '/health' ? { status: 200, text: 'OK' } : undefined),
  });
};
