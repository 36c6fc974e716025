import { fail, type PluginFactory, whenAnswered } from '../plugin.ts';

/** Gives A and AAAA records in another order each time: clients that take the first one spread over all. */
export const loadbalance: PluginFactory = ({ directive }) => {
  if (directive.args.length > 1 || (directive.args[0] ?? 'round_robin') !== 'round_robin')
    fail(directive, `unknown policy "${directive.args.join(' ')}"; round_robin is known`);
  let turn = 0;
  return {
    handler: (next) => (query) =>
      whenAnswered(next(query), (response) => {
        const addresses = response.answers.filter(({ type }) => type === 'A' || type === 'AAAA');
        if (addresses.length < 2) return response;
        const others = response.answers.filter(({ type }) => type !== 'A' && type !== 'AAAA');
        const by = turn++ % addresses.length;
        return { ...response, answers: [...others, ...addresses.slice(by), ...addresses.slice(0, by)] };
      }),
  };
};
