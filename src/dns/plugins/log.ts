import { rcodeName } from '../message.ts';
import { type PluginFactory, zonesArg } from '../plugin.ts';
import { isInZone } from '../message.ts';

/** A line for each question, at the level of information. */
export const log: PluginFactory = (setup) => {
  const zones = zonesArg(setup);
  const { clock, log: logger } = setup.context;
  return {
    handler: (next) => async (query) => {
      if (!zones.some((zone) => isInZone(query.name, zone))) return next(query);
      const began = clock.monotonic();
      const response = await next(query);
      const ms = Math.round((clock.monotonic() - began) * 1000) / 1000;
      logger.info('query', {
        client: query.client,
        type: query.type,
        name: `${query.name}.`,
        protocol: query.protocol,
        rcode: rcodeName(response.rcode),
        answers: response.answers.length,
        ms,
      });
      return response;
    },
  };
};
