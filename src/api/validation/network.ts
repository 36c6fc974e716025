/** Ingresses, network policies, endpoints. */
import { semanticEqual } from '../patch/json.ts';
import type {
  EndpointAddress,
  Endpoints,
  EndpointSlice,
  Ingress,
  IngressBackend,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../types.gen.ts';
import { checkPort } from './container.ts';
import {
  cidrProblems,
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  isIPv4,
  isIPv6,
  portNameProblems,
  portNumberProblems,
  wildcardProblems,
} from './names.ts';
import type { Problems } from './problems.ts';
import { checkSelector } from './scheduling.ts';

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];

export function checkIngress(problems: Problems, { spec }: Ingress): void {
  if (!spec?.rules?.length && !spec?.defaultBackend)
    problems.invalid('spec', spec ?? {}, 'either `defaultBackend` or `rules` must be specified');
  if (spec?.defaultBackend) checkBackend(problems, 'spec.defaultBackend', spec.defaultBackend);
  if (spec?.ingressClassName !== undefined)
    problems.invalidEach('spec.ingressClassName', spec.ingressClassName, dns1123SubdomainProblems(spec.ingressClassName));
  for (const [index, { host, http }] of (spec?.rules ?? []).entries()) {
    const path = `spec.rules[${index}]`;
    if (host) checkHost(problems, `${path}.host`, host);
    if (!http) continue;
    if (!http.paths?.length) problems.required(`${path}.http.paths`);
    for (const [position, { path: url, pathType, backend }] of (http.paths ?? []).entries()) {
      const at = `${path}.http.paths[${position}]`;
      if (!pathType) problems.required(`${at}.pathType`, 'pathType must be specified');
      else if (!PATH_TYPES.includes(pathType)) problems.unsupported(`${at}.pathType`, pathType, PATH_TYPES);
      else checkUrlPath(problems, `${at}.path`, url ?? '', pathType);
      checkBackend(problems, `${at}.backend`, backend);
    }
  }
  for (const [index, { hosts }] of (spec?.tls ?? []).entries()) {
    for (const [position, host] of (hosts ?? []).entries())
      problems.invalidEach(
        `spec.tls[${index}].hosts[${position}]`,
        host,
        host.includes('*') ? wildcardProblems(host) : dns1123SubdomainProblems(host),
      );
  }
}

function checkHost(problems: Problems, path: string, host: string): void {
  if (isIPv4(host) || isIPv6(host)) problems.invalid(path, host, 'must be a DNS name, not an IP address');
  else problems.invalidEach(path, host, host.includes('*') ? wildcardProblems(host) : dns1123SubdomainProblems(host));
}

const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDINGS = ['/..', '/.'];

function checkUrlPath(problems: Problems, path: string, url: string, pathType: string): void {
  if (url === '' && pathType === 'ImplementationSpecific') return;
  if (!url.startsWith('/')) problems.invalid(path, url, 'must be an absolute path');
  if (pathType === 'ImplementationSpecific') return;
  for (const bad of BAD_SEQUENCES) if (url.includes(bad)) problems.invalid(path, url, `must not contain '${bad}'`);
  for (const bad of BAD_ENDINGS) if (url.endsWith(bad)) problems.invalid(path, url, `cannot end with '${bad}'`);
}

function checkBackend(problems: Problems, path: string, backend: IngressBackend | undefined): void {
  const { service, resource } = backend ?? {};
  if (service && resource) return problems.invalid(path, '', 'cannot set both resource and service backends');
  if (resource) {
    if (!resource.kind) problems.required(`${path}.resource.kind`);
    if (!resource.name) problems.required(`${path}.resource.name`);
    return;
  }
  if (!service) return problems.required(path, 'resource or service backend is required');
  if (!service.name) problems.required(`${path}.service.name`);
  else problems.invalidEach(`${path}.service.name`, service.name, dns1035LabelProblems(service.name));
  const { name, number } = service.port ?? {};
  if (name && number) problems.invalid(path, '', 'cannot set both port name & port number');
  else if (name) problems.invalidEach(`${path}.service.port.name`, name, portNameProblems(name));
  else if (number) problems.invalidEach(`${path}.service.port.number`, number, portNumberProblems(number));
  else problems.required(path, 'port name or number is required');
}

export function checkNetworkPolicy(problems: Problems, { spec }: NetworkPolicy): void {
  if (!spec) return;
  checkSelector(problems, 'spec.podSelector', spec.podSelector);
  for (const [index, rule] of (spec.ingress ?? []).entries()) {
    checkPolicyPorts(problems, `spec.ingress[${index}].ports`, rule.ports ?? []);
    checkPeers(problems, `spec.ingress[${index}].from`, (rule as { from?: NetworkPolicyPeer[] }).from ?? []);
  }
  for (const [index, rule] of (spec.egress ?? []).entries()) {
    checkPolicyPorts(problems, `spec.egress[${index}].ports`, rule.ports ?? []);
    checkPeers(problems, `spec.egress[${index}].to`, rule.to ?? []);
  }
  for (const [index, type] of (spec.policyTypes ?? []).entries()) {
    if (type !== 'Ingress' && type !== 'Egress') problems.unsupported(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress']);
  }
}

function checkPolicyPorts(problems: Problems, path: string, ports: readonly NetworkPolicyPort[]): void {
  for (const [index, { protocol, port, endPort }] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (protocol && !['SCTP', 'TCP', 'UDP'].includes(protocol)) problems.unsupported(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']);
    if (port !== undefined) checkPort(problems, `${at}.port`, port);
    if (endPort === undefined) continue;
    if (typeof port === 'string') problems.invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is non-numeric');
    else if (port === undefined) problems.invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is not specified');
    else if (endPort < port) problems.invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`');
  }
}

function checkPeers(problems: Problems, path: string, peers: readonly NetworkPolicyPeer[]): void {
  for (const [index, { podSelector, namespaceSelector, ipBlock }] of peers.entries()) {
    const at = `${path}[${index}]`;
    if (!podSelector && !namespaceSelector && !ipBlock) problems.required(at, 'must specify a peer');
    if (ipBlock && (podSelector || namespaceSelector)) problems.forbidden(at, 'may not specify both ipBlock and another peer');
    checkSelector(problems, `${at}.podSelector`, podSelector);
    checkSelector(problems, `${at}.namespaceSelector`, namespaceSelector);
    if (!ipBlock) continue;
    if (!ipBlock.cidr) problems.required(`${at}.ipBlock.cidr`);
    else problems.invalidEach(`${at}.ipBlock.cidr`, ipBlock.cidr, cidrProblems(ipBlock.cidr));
    for (const [position, cidr] of (ipBlock.except ?? []).entries())
      problems.invalidEach(`${at}.ipBlock.except[${position}]`, cidr, cidrProblems(cidr));
  }
}

export function checkEndpoints(problems: Problems, { subsets }: Endpoints): void {
  for (const [index, { addresses = [], notReadyAddresses = [], ports = [] }] of (subsets ?? []).entries()) {
    const path = `subsets[${index}]`;
    if (addresses.length + notReadyAddresses.length === 0) problems.required(path, 'must specify `addresses` or `notReadyAddresses`');
    for (const [position, address] of addresses.entries()) checkAddress(problems, `${path}.addresses[${position}]`, address);
    for (const [position, address] of notReadyAddresses.entries())
      checkAddress(problems, `${path}.notReadyAddresses[${position}]`, address);
    for (const [position, { name, port, protocol }] of ports.entries()) {
      const at = `${path}.ports[${position}]`;
      if (name) problems.invalidEach(`${at}.name`, name, dns1123LabelProblems(name));
      else if (ports.length > 1) problems.required(`${at}.name`);
      problems.invalidEach(`${at}.port`, port ?? 0, portNumberProblems(port));
      problems.oneOf(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']);
    }
  }
}

function checkAddress(problems: Problems, path: string, { ip, hostname }: EndpointAddress): void {
  const wrong = ipProblems(ip);
  problems.invalidEach(`${path}.ip`, ip, wrong);
  if (hostname) problems.invalidEach(`${path}.hostname`, hostname, dns1123LabelProblems(hostname));
  if (wrong.length === 0) checkNonSpecial(problems, `${path}.ip`, ip);
}

/** Addresses that mean something else on every machine cannot be endpoints. */
function checkNonSpecial(problems: Problems, path: string, ip: string): void {
  if (ip === '0.0.0.0' || ip === '::') problems.invalid(path, ip, 'may not be unspecified (0.0.0.0 or ::)');
  if (ip.startsWith('127.') || ip === '::1') problems.invalid(path, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (ip.startsWith('169.254.') || /^fe[89ab]/i.test(ip))
    problems.invalid(path, ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  if (ip.startsWith('224.0.0.') || /^ff02:/i.test(ip))
    problems.invalid(path, ip, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
}

const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;

export function checkEndpointSlice(problems: Problems, { addressType, endpoints, ports }: EndpointSlice): void {
  problems.oneOf('addressType', addressType, ['FQDN', 'IPv4', 'IPv6']);
  const count = endpoints?.length ?? 0;
  if (count > ENDPOINTS_MAX) problems.tooMany('endpoints', count, ENDPOINTS_MAX);
  for (const [index, { addresses = [], hostname }] of (endpoints ?? []).entries()) {
    const path = `endpoints[${index}]`;
    if (addresses.length === 0) problems.required(`${path}.addresses`, 'must contain at least 1 address');
    if (addresses.length > ADDRESSES_MAX) problems.tooMany(`${path}.addresses`, addresses.length, ADDRESSES_MAX);
    for (const [position, address] of addresses.entries())
      checkTypedAddress(problems, `${path}.addresses[${position}]`, address, addressType);
    if (hostname !== undefined) problems.invalidEach(`${path}.hostname`, hostname, dns1123LabelProblems(hostname));
  }
  const names = new Set<string>();
  for (const [index, { name = '', port, protocol }] of (ports ?? []).entries()) {
    if (name) problems.invalidEach(`ports[${index}].name`, name, dns1123LabelProblems(name));
    if (names.has(name)) problems.duplicate(`ports[${index}].name`, name);
    names.add(name);
    problems.oneOf(`ports[${index}].protocol`, protocol, ['SCTP', 'TCP', 'UDP']);
    if (port !== undefined && (port < 0 || port > 65_535))
      problems.invalid(`ports[${index}].port`, port, 'must be between 1 and 65535, inclusive');
  }
}

function checkTypedAddress(problems: Problems, path: string, address: string, type: string): void {
  if (type === 'FQDN') return problems.invalidEach(path, address, dns1123SubdomainProblems(address));
  const right = type === 'IPv4' ? isIPv4(address) : isIPv6(address);
  if (!right) problems.invalid(path, address, `must be an ${type} address`);
  else checkNonSpecial(problems, path, address);
}

export function checkEndpointSliceUpdate(problems: Problems, { addressType }: EndpointSlice, old: EndpointSlice): void {
  problems.immutable('addressType', semanticEqual(addressType, old.addressType), addressType);
}
