import { errorMessage } from '../../lib/errors.ts';
import { type Query, RCODES, respond, type Response } from '../message.ts';
import { fail, type PluginFactory } from '../plugin.ts';

/** Logs what went wrong below and answers SERVFAIL. Without it the answer is the same, unexplained. */
export const errors: PluginFactory = ({ directive, context }) => {
  if (directive.args.length > 0) fail(directive, 'takes no arguments');
  const explain = (query: Query, error: unknown): Response => {
    context.log.warn('dns', { name: `${query.name}.`, type: query.type, client: query.client, error: errorMessage(error) });
    return respond(RCODES.SERVFAIL);
  };
  return {
    handler: (next) => (query) => {
      try {
        const response = next(query);
        return response instanceof Promise ? response.catch((error: unknown) => explain(query, error)) : response;
      } catch (error) {
        return explain(query, error);
      }
    },
  };
};
