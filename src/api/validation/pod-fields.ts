/** The smaller fields of a pod's spec, each with its rule. */
import type { PodDNSConfig, PodSecurityContext, PodSpec, SecurityContext } from '../types.gen.ts';
import { dns1123SubdomainProblems, ipProblems, qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';

const MAX_ID = 2 ** 31 - 1;
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_TEXT = 2048;
const SYSCTL_MAX = 253;
const SYSCTL = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const SYSCTL_SEGMENT = /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export function checkPodFields(problems: Problems, path: string, spec: PodSpec): void {
  for (const [index, { ip, hostnames = [] }] of (spec.hostAliases ?? []).entries()) {
    problems.invalidEach(`${path}.hostAliases[${index}].ip`, ip, ipProblems(ip));
    for (const name of hostnames) problems.invalidEach(`${path}.hostAliases[${index}].hostnames`, name, dns1123SubdomainProblems(name));
  }
  if (spec.dnsConfig) checkDns(problems, `${path}.dnsConfig`, spec.dnsConfig);
  for (const [index, { conditionType }] of (spec.readinessGates ?? []).entries())
    problems.invalidEach(`${path}.readinessGates[${index}].conditionType`, conditionType, qualifiedNameProblems(conditionType));
  checkGates(problems, `${path}.schedulingGates`, spec.schedulingGates ?? []);
  checkPodSecurity(problems, `${path}.securityContext`, spec);
  if (spec.runtimeClassName !== undefined)
    problems.invalidEach(`${path}.runtimeClassName`, spec.runtimeClassName, dns1123SubdomainProblems(spec.runtimeClassName));
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) checkQuantity(problems, `${path}.overhead[${name}]`, quantity);
  if (spec.os) problems.oneOf(`${path}.os.name`, spec.os.name, ['linux', 'windows']);
}

function checkDns(problems: Problems, path: string, { nameservers = [], searches = [], options = [] }: PodDNSConfig): void {
  if (nameservers.length > MAX_NAMESERVERS)
    problems.invalid(`${path}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`);
  for (const [index, server] of nameservers.entries()) problems.invalidEach(`${path}.nameservers[${index}]`, server, ipProblems(server));
  if (searches.length > MAX_SEARCHES)
    problems.invalid(`${path}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`);
  if (searches.join(' ').length > MAX_SEARCH_TEXT)
    problems.invalid(
      `${path}.searches`,
      searches,
      `must not have more than ${MAX_SEARCH_TEXT} characters (including spaces) in the search list`,
    );
  for (const [index, search] of searches.entries()) {
    // Resolvers take underscores, which names of objects may not have, and a lone dot: no suffix.
    if (search !== '.')
      problems.invalidEach(`${path}.searches[${index}]`, search, dns1123SubdomainProblems(search.replace(/\.$/, '').replaceAll('_', 'a')));
  }
  for (const [index, { name }] of options.entries()) if (!name) problems.required(`${path}.options[${index}]`, 'must not be empty');
}

function checkGates(problems: Problems, path: string, gates: NonNullable<PodSpec['schedulingGates']>): void {
  const seen = new Set<string>();
  for (const [index, { name }] of gates.entries()) {
    problems.invalidEach(`${path}[${index}].name`, name, qualifiedNameProblems(name));
    if (seen.has(name)) problems.duplicate(`${path}[${index}]`, name);
    seen.add(name);
  }
}

function checkPodSecurity(problems: Problems, path: string, spec: PodSpec): void {
  if (spec.shareProcessNamespace && spec.hostPID)
    problems.invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  const security = spec.securityContext;
  if (!security) return;
  checkIds(problems, path, security);
  if (security.fsGroup !== undefined) checkId(problems, `${path}.fsGroup`, security.fsGroup);
  for (const [index, group] of (security.supplementalGroups ?? []).entries())
    checkId(problems, `${path}.supplementalGroups[${index}]`, group);
  checkSysctls(problems, `${path}.sysctls`, security.sysctls ?? [], spec);
  checkSeccomp(problems, `${path}.seccompProfile`, security.seccompProfile);
}

/** What containers and pods have in common. */
export function checkContainerSecurity(problems: Problems, path: string, security: SecurityContext): void {
  checkIds(problems, path, security);
  checkSeccomp(problems, `${path}.seccompProfile`, security.seccompProfile);
  if (security.allowPrivilegeEscalation !== false) return;
  if (security.privileged) problems.invalid(path, security, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true');
  if (security.capabilities?.add?.includes('CAP_SYS_ADMIN'))
    problems.invalid(path, security, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN');
}

function checkIds(problems: Problems, path: string, security: PodSecurityContext | SecurityContext): void {
  for (const field of ['runAsUser', 'runAsGroup'] as const)
    if (security[field] !== undefined) checkId(problems, `${path}.${field}`, security[field]);
}

function checkId(problems: Problems, path: string, id: number): void {
  if (id < 0 || id > MAX_ID) problems.invalid(path, id, `must be between 0 and ${MAX_ID}, inclusive`);
}

function checkSeccomp(problems: Problems, path: string, profile: SecurityContext['seccompProfile']): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (type === 'Localhost' && !localhostProfile)
    problems.required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost');
  if (type !== 'Localhost' && localhostProfile !== undefined)
    problems.invalid(`${path}.localhostProfile`, localhostProfile, 'can only be set when seccomp type is Localhost');
}

/** Which switch takes away the namespace that a setting belongs to. */
const SHARED: readonly [prefix: string, field: 'hostIPC' | 'hostNetwork'][] = [
  ['net.', 'hostNetwork'],
  ['kernel.shm', 'hostIPC'],
  ['kernel.msg', 'hostIPC'],
  ['kernel.sem', 'hostIPC'],
  ['fs.mqueue.', 'hostIPC'],
];

function checkSysctls(problems: Problems, path: string, sysctls: NonNullable<PodSecurityContext['sysctls']>, spec: PodSpec): void {
  const seen = new Set<string>();
  for (const [index, { name }] of sysctls.entries()) {
    const at = `${path}[${index}].name`;
    if (!name) problems.required(at);
    else if (name.length > SYSCTL_MAX || !name.split(/[./]/).every((segment) => SYSCTL_SEGMENT.test(segment)))
      problems.invalid(at, name, `must have at most ${SYSCTL_MAX} characters and match regex ^${SYSCTL}$`);
    else if (seen.has(name)) problems.duplicate(at, name);
    seen.add(name);
    const shared = SHARED.find(([prefix, field]) => name?.replaceAll('/', '.').startsWith(prefix) && spec[field]);
    if (shared) problems.invalid(at, name, `may not be specified when '${shared[1]}' is true`);
  }
}
