import { httpListener } from '../http-listener.ts';
import { rcodeName, zoneOf } from '../message.ts';
import { type PluginFactory, whenAnswered } from '../plugin.ts';

/** Counts questions and answers, and serves the counts on `/metrics`. */
export const prometheus: PluginFactory = ({ directive, zones, context }) => {
  const { metrics } = context;
  const listener = httpListener({
    address: directive.args[0] ?? 'localhost:9153',
    host: context.host,
    answer: (path) => (path === '/metrics' ? { status: 200, text: metrics.render() } : undefined),
  });
  return {
    ...listener,
    handler: (next) => (query) => {
      const zone = `zone="${zoneOf(query.name, zones) || '.'}"`;
      metrics.count('coredns_dns_requests_total', `proto="${query.protocol}",type="${query.type}",${zone}`);
      return whenAnswered(next(query), (response) => {
        metrics.count('coredns_dns_responses_total', `rcode="${rcodeName(response.rcode)}",${zone}`);
        return response;
      });
    },
  };
};
