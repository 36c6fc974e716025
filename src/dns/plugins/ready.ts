import { httpListener } from '../http-listener.ts';
import type { PluginFactory } from '../plugin.ts';

/** `/ready` answers OK once every plugin can answer. */
export const ready: PluginFactory = ({ directive, context }) =>
  httpListener({
    address: directive.args[0] ?? ':8181',
    host: context.host,
    answer: (path) => {
      if (path !== '/ready') return undefined;
      return context.isReady() ? { status: 200, text: 'OK' } : { status: 503, text: 'not ready\n' };
    },
  });
