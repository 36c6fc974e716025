import { errorMessage } from '../../lib/errors.ts';
import { RCODES, respond } from '../message.ts';
import { fail, type PluginFactory } from '../plugin.ts';

/** Logs what went wrong below and answers SERVFAIL. Without it the answer is the same, unexplained. */
export const errors: PluginFactory = ({ directive, context }) => {
  if (directive.args.length > 0) fail(directive, 'takes no arguments');
  return {
    handler: (next) => async (query) => {
      try {
        return await next(query);
      } catch (error) {
        context.log.warn('dns', { name: `${query.name}.`, type: query.type, client: query.client, error: errorMessage(error) });
        return respond(RCODES.SERVFAIL);
      }
    },
  };
};
