/** Services. Whether addresses and node ports are free is for the allocators. */
import type { Service, ServicePort, ServiceSpec } from '../types.gen.ts';
import { checkPort } from './container.ts';
import { checkLabels } from './metadata.ts';
import {
  cidrProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from './names.ts';
import type { Problems } from './problems.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const AFFINITY_TIMEOUT_MAX = 86_400;

export function checkService(problems: Problems, { spec }: Service): void {
  if (!spec) return problems.required('spec');
  const headless = spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None';
  if (!spec.ports?.length && !headless && spec.type !== 'ExternalName') problems.required('spec.ports');
  if (spec.type === 'ExternalName') checkExternalName(problems, spec);
  checkPorts(problems, spec);
  checkLabels(problems, 'spec.selector', spec.selector);
  checkAffinity(problems, spec);
  problems.oneOf('spec.type', spec.type, TYPES);
  checkAddresses(problems, spec, headless);
  checkFamilies(problems, spec);
  checkBalancer(problems, spec);
  checkTrafficPolicies(problems, spec);
}

/** A cluster IP is for life, unless the Service becomes an ExternalName. */
export function checkServiceUpdate(problems: Problems, { spec }: Service, old: Service): void {
  const before = old.spec?.clusterIPs ?? (old.spec?.clusterIP ? [old.spec.clusterIP] : []);
  const now = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  const stays = old.spec?.type !== 'ExternalName' && spec?.type !== 'ExternalName';
  if (stays && before[0] && now[0] !== before[0]) problems.invalid('spec.clusterIPs[0]', now, 'may not change once set');
  const familyBefore = old.spec?.ipFamilies?.[0];
  const familyNow = spec?.ipFamilies?.[0];
  if (stays && familyBefore && familyNow && familyNow !== familyBefore)
    problems.invalid('spec.ipFamilies[0]', spec?.ipFamilies, 'may not change once set');
}

function checkExternalName(problems: Problems, spec: ServiceSpec): void {
  if (spec.clusterIP) problems.forbidden('spec.clusterIPs', 'may not be set for ExternalName services');
  const name = spec.externalName?.replace(/\.$/, '') ?? '';
  if (name) problems.invalidEach('spec.externalName', name, dns1123SubdomainProblems(name));
  else problems.required('spec.externalName');
}

function checkPorts(problems: Problems, spec: ServiceSpec): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    checkServicePort(problems, path, port, { names, needsName: ports.length > 1 });
    if (spec.type === 'ClusterIP' && port.nodePort) problems.forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'");
    const number = `${port.protocol}/${port.port}`;
    if (numbers.has(number))
      problems.duplicate(path, { Name: '', Protocol: port.protocol, AppProtocol: null, Port: port.port, TargetPort: 0, NodePort: 0 });
    numbers.add(number);
    if (!port.nodePort) continue;
    const nodePort = `${port.protocol}/${port.nodePort}`;
    if (nodePorts.has(nodePort)) problems.duplicate(`${path}.nodePort`, port.nodePort);
    nodePorts.add(nodePort);
  }
}

function checkServicePort(
  problems: Problems,
  path: string,
  { name, port, protocol, targetPort, appProtocol }: ServicePort,
  { names, needsName }: { names: Set<string>; needsName: boolean },
): void {
  if (name) {
    problems.invalidEach(`${path}.name`, name, dns1123LabelProblems(name));
    if (names.has(name)) problems.duplicate(`${path}.name`, name);
    names.add(name);
  } else if (needsName) {
    problems.required(`${path}.name`);
  }
  problems.invalidEach(`${path}.port`, port ?? 0, portNumberProblems(port));
  problems.oneOf(`${path}.protocol`, protocol, PROTOCOLS);
  if (targetPort !== undefined) checkPort(problems, `${path}.targetPort`, targetPort);
  if (appProtocol) problems.invalidEach(`${path}.appProtocol`, appProtocol, qualifiedNameProblems(appProtocol));
}

function checkAffinity(problems: Problems, { sessionAffinity, sessionAffinityConfig }: ServiceSpec): void {
  problems.oneOf('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']);
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity === 'None' && sessionAffinityConfig)
    problems.forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None');
  if (sessionAffinity !== 'ClientIP') return;
  if (seconds === undefined) problems.required('spec.sessionAffinityConfig.clientIP.timeoutSeconds');
  else if (seconds <= 0 || seconds > AFFINITY_TIMEOUT_MAX)
    problems.invalid(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      seconds,
      `must be greater than 0 and less than ${AFFINITY_TIMEOUT_MAX}`,
    );
}

function checkAddresses(problems: Problems, spec: ServiceSpec, headless: boolean): void {
  if (headless && (spec.type === 'NodePort' || spec.type === 'LoadBalancer')) {
    problems.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`);
  }
  for (const [index, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip !== 'None' && spec.type !== 'ExternalName') problems.invalidEach(`spec.clusterIPs[${index}]`, ip, ipProblems(ip));
  }
  if (spec.clusterIPs?.length && spec.clusterIP && spec.clusterIPs[0] !== spec.clusterIP)
    problems.invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`');
  for (const [index, ip] of (spec.externalIPs ?? []).entries()) {
    const wrong = ipProblems(ip);
    problems.invalidEach(`spec.externalIPs[${index}]`, ip, wrong);
    if (wrong.length === 0 && (ip.startsWith('127.') || ip === '::1'))
      problems.invalid(`spec.externalIPs[${index}]`, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  }
}

function checkFamilies(problems: Problems, { type, ipFamilyPolicy, ipFamilies = [] }: ServiceSpec): void {
  if (type === 'ExternalName') {
    if (ipFamilies.length > 0) problems.forbidden('spec.ipFamilies', 'may not be set for ExternalName services');
    if (ipFamilyPolicy) problems.forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services');
    return;
  }
  if (ipFamilyPolicy !== undefined && !FAMILY_POLICIES.includes(ipFamilyPolicy))
    problems.unsupported('spec.ipFamilyPolicy', ipFamilyPolicy, FAMILY_POLICIES);
  for (const [index, family] of ipFamilies.entries()) {
    if (family !== 'IPv4' && family !== 'IPv6') problems.unsupported(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']);
    if (ipFamilies.indexOf(family) < index) problems.duplicate(`spec.ipFamilies[${index}]`, family);
  }
}

const FAMILY_POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
const FOR_BALANCERS = "may only be used when `type` is 'LoadBalancer'";

/** What only load balancers have. */
function checkBalancer(problems: Problems, spec: ServiceSpec): void {
  const { type, loadBalancerSourceRanges: ranges = [], loadBalancerClass, allocateLoadBalancerNodePorts, healthCheckNodePort } = spec;
  const isBalancer = type === 'LoadBalancer';
  if (ranges.length > 0 && !isBalancer) problems.forbidden('spec.LoadBalancerSourceRanges', FOR_BALANCERS);
  if (isBalancer)
    for (const [index, range] of ranges.entries())
      problems.invalidEach(`spec.LoadBalancerSourceRanges[${index}]`, range, cidrProblems(range.trim()));
  if (loadBalancerClass !== undefined) {
    if (isBalancer) problems.invalidEach('spec.loadBalancerClass', loadBalancerClass, qualifiedNameProblems(loadBalancerClass));
    else problems.forbidden('spec.loadBalancerClass', FOR_BALANCERS);
  }
  if (allocateLoadBalancerNodePorts !== undefined && !isBalancer) problems.forbidden('spec.allocateLoadBalancerNodePorts', FOR_BALANCERS);
  if (healthCheckNodePort && !(isBalancer && spec.externalTrafficPolicy === 'Local'))
    problems.invalid(
      'spec.healthCheckNodePort',
      healthCheckNodePort,
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    );
}

const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];

function checkTrafficPolicies(problems: Problems, spec: ServiceSpec): void {
  const external =
    spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  if (!external && spec.externalTrafficPolicy)
    problems.invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services');
  if (external) problems.oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']);
  if (spec.trafficDistribution !== undefined && !DISTRIBUTIONS.includes(spec.trafficDistribution))
    problems.unsupported('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS);
  if (spec.internalTrafficPolicy !== undefined)
    problems.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
}
