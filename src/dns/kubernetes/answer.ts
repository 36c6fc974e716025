/** The cluster's names: the DNS specification of Kubernetes (kubernetes/dns, specification.md), as CoreDNS reads it. */
import { isIP, isIPv6 } from 'node:net';
import type { Answer } from 'dns-packet';
import type { Service } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Query, RCODES, respond, type Response } from '../message.ts';
import type { Handler } from '../plugin.ts';
import { type ClusterNames, clusterIpsOf } from './cluster-names.ts';
import { denial, soaRecord } from './soa.ts';

export type PodNames = 'disabled' | 'insecure' | 'verified';

export interface AnswerOptions {
  names: ClusterNames;
  zone: string;
  ttl: number;
  clock: Clock;
  pods: PodNames;
  /** Follows an ExternalName to where it leads. */
  resolve: Handler;
}

/** The specification's version that these names follow. */
const DNS_VERSION = '1.1.0';

/** A name with something behind it: what it leads to by address, and by port. */
interface Target {
  name: string;
  ips: readonly string[];
  ports: readonly { name: string; protocol: string; port: number }[];
}

/** The answer for a name in the zone: records, or none of this type (with the SOA); undefined where there is no such name. */
export function answerCluster(query: Query, options: AnswerOptions): Response | Promise<Response> | undefined {
  const { zone } = options;
  const labels = query.name === zone ? [] : query.name.slice(0, -(zone.length + 1)).split('.');
  const kind = labels.at(-1);
  if (labels.length === 0) return answerApex(query, options);
  if (query.name === `dns-version.${zone}`)
    return records(options, query.type === 'TXT' ? [{ ...base(query, options), type: 'TXT', data: DNS_VERSION }] : []);
  if (query.name === `ns.dns.${zone}` || query.name === `dns.${zone}`) return records(options, []);
  if (kind === 'svc') return answerService(query, labels.slice(0, -1), options);
  if (kind === 'pod' && options.pods !== 'disabled') return answerPod(query, labels.slice(0, -1), options);
  return undefined;
}

function answerApex(query: Query, options: AnswerOptions): Response {
  const { zone, ttl, clock } = options;
  if (query.type === 'SOA') return records(options, [soaRecord(zone, ttl, clock)]);
  return records(options, query.type === 'NS' ? [{ ...base(query, options), type: 'NS', data: `ns.dns.${zone}` }] : []);
}

/** `[_port._protocol.][endpoint.]service.namespace`, read from the right; namespace and `svc` alone exist and hold nothing. */
function answerService(query: Query, labels: readonly string[], options: AnswerOptions): Response | Promise<Response> | undefined {
  const { names } = options;
  if (labels.length === 0) return records(options, []);
  const [namespace, name, ...below] = labels.toReversed() as [string, ...string[]];
  if (name === undefined) return names.hasNamespace(namespace) ? records(options, []) : undefined;
  const service = names.service(namespace, name);
  if (!service) return undefined;
  if (service.spec?.type === 'ExternalName') return below.length === 0 ? answerExternalName(query, service, options) : undefined;
  const targets = targetsOf(service, options);
  const first = below[0];
  if (first === undefined) return targets.length > 0 ? answerTargets(query, targets, options) : undefined;
  if (first.startsWith('_')) return answerPorts(query, { protocol: first, port: below[1], rest: below.slice(2) }, targets, options);
  const found = below.length === 1 ? endpointTargets(service, options).filter((target) => target.name.startsWith(`${first}.`)) : [];
  return found.length > 0 ? answerTargets(query, found, options) : undefined;
}

/** `_http._tcp` of a Service: SRV records where it has such a port. */
function answerPorts(
  query: Query,
  asked: { protocol: string; port: string | undefined; rest: readonly string[] },
  targets: readonly Target[],
  options: AnswerOptions,
): Response | undefined {
  if (asked.rest.length > 0) return undefined;
  const matching = targets
    .map((target) => ({
      ...target,
      ports: target.ports.filter(
        ({ name, protocol }) => `_${protocol.toLowerCase()}` === asked.protocol && (asked.port === undefined || `_${name}` === asked.port),
      ),
    }))
    .filter(({ ports }) => ports.length > 0);
  if (matching.length === 0) return undefined;
  // `_tcp.web…` is only a step on the way to names below it (RFC 8020).
  return asked.port === undefined || query.type !== 'SRV' ? records(options, []) : answerTargets(query, matching, options);
}

function targetsOf(service: Service, options: AnswerOptions): Target[] {
  const ips = clusterIpsOf(service);
  if (ips.length === 0) return endpointTargets(service, options);
  const ports = (service.spec?.ports ?? []).map(({ name = '', protocol = 'TCP', port }) => ({ name, protocol, port }));
  return [{ name: serviceName(service, options), ips, ports }];
}

function endpointTargets(service: Service, options: AnswerOptions): Target[] {
  const { namespace, name } = service.metadata;
  const parent = serviceName(service, options);
  return options.names.endpoints(namespace!, name!).map(({ ip, hostname, ports }) => ({ name: `${hostname}.${parent}`, ips: [ip], ports }));
}

const serviceName = ({ metadata }: Service, { zone }: AnswerOptions): string => `${metadata.name}.${metadata.namespace}.svc.${zone}`;

function answerTargets(query: Query, targets: readonly Target[], options: AnswerOptions): Response {
  if (query.type !== 'SRV') {
    const ips = [...new Set(targets.flatMap((target) => target.ips))];
    return records(options, addressRecords(query.name, ips, query.type, options));
  }
  const ends = targets.flatMap((target) => target.ports.map(({ port }) => ({ target: target.name, port })));
  const unique = [...new Map(ends.map((end) => [`${end.target} ${end.port}`, end])).values()];
  const weight = unique.length > 0 ? Math.max(1, Math.floor(100 / unique.length)) : 0;
  const answers = unique.map(({ target, port }): Answer => ({
    ...base(query, options),
    type: 'SRV',
    data: { target, port, priority: 0, weight },
  }));
  const additionals = targets.flatMap((target) =>
    (['A', 'AAAA'] as const).flatMap((type) => addressRecords(target.name, target.ips, type, options)),
  );
  return { ...records(options, answers), additionals };
}

/** A CNAME, and what it leads to where addresses are asked for: most clients do not go on by themselves. */
function answerExternalName(query: Query, service: Service, options: AnswerOptions): Response | Promise<Response> {
  const target = (service.spec?.externalName ?? '').toLowerCase().replace(/\.$/, '');
  if (isIP(target)) return records(options, addressRecords(query.name, [target], query.type, options));
  const cname: Answer = { ...base(query, options), type: 'CNAME', data: target };
  if (query.type !== 'A' && query.type !== 'AAAA') return records(options, [cname]);
  const further = options.resolve({ ...query, name: target });
  const join = (found: Response): Response => ({
    ...records(options, [cname, ...found.answers]),
    rcode: found.rcode === RCODES.NXDOMAIN ? RCODES.NXDOMAIN : RCODES.NOERROR,
  });
  return further instanceof Promise ? further.then(join) : join(further);
}

/** `10-244-0-5.namespace`: the address itself; `verified` asks that a pod there has it. */
function answerPod(query: Query, labels: readonly string[], options: AnswerOptions): Response | undefined {
  const { names, pods } = options;
  const [namespace, dashed, ...more] = labels.toReversed();
  if (namespace === undefined) return records(options, []);
  if (!names.hasNamespace(namespace) || more.length > 0) return undefined;
  if (dashed === undefined) return records(options, []);
  const ip = [dashed.replaceAll('-', '.'), dashed.replaceAll('-', ':')].find((each) => isIP(each) !== 0);
  if (ip === undefined || (pods === 'verified' && !names.hasPod(namespace, ip))) return undefined;
  return records(options, addressRecords(query.name, [ip], query.type, options));
}

function addressRecords(name: string, ips: readonly string[], type: string, { ttl }: AnswerOptions): Answer[] {
  if (type !== 'A' && type !== 'AAAA') return [];
  return ips.filter((ip) => isIPv6(ip) === (type === 'AAAA')).map((data): Answer => ({ name, type, class: 'IN', ttl, data }));
}

const base = ({ name }: Query, { ttl }: AnswerOptions): { name: string; class: 'IN'; ttl: number } => ({ name, class: 'IN', ttl });

/** The records, or where there are none the SOA that says so. */
function records({ zone, ttl, clock }: AnswerOptions, answers: readonly Answer[]): Response {
  if (answers.length === 0) return respond(RCODES.NOERROR, denial(soaRecord(zone, ttl, clock)));
  return respond(RCODES.NOERROR, { authoritative: true, live: true, answers });
}
