/**
 * Frontends as iptables chains, by kube-proxy's names where it has them. Pure.
 *
 *     PREROUTING, OUTPUT → KUBE-SERVICES → (mark) → KUBE-SVC-… one per set of endpoints → KUBE-SEP-… one per endpoint: DNAT
 */
import { createHash } from 'node:crypto';
import type { Family, Frontend, Target } from '../frontends.ts';

export interface ChainOptions {
  family: Family;
  podCidr?: string;
}

/** Rules by chain, by table. */
export interface Chains {
  nat: Map<string, string[]>;
  filter: Map<string, string[]>;
}

/** How the kernel's own chains lead to ours. */
export const JUMPS: Readonly<Record<keyof Chains, readonly string[]>> = {
  nat: ['PREROUTING -j KUBE-SERVICES', 'OUTPUT -j KUBE-SERVICES', 'POSTROUTING -j KUBE-POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'].map((chain) => `${chain} -m conntrack --ctstate NEW -j KUBE-FIREWALL`),
};

const MARK = '0x4000/0x4000';

/** All chains of one family, complete: what is not in them is not to be in the kernel. */
export function chainsFor(frontends: readonly Frontend[], options: ChainOptions): Chains {
  const chains: Chains = { nat: new Map(), filter: new Map() };
  const { family, podCidr } = options;
  const services: string[] = [];
  const nodePorts: string[] = [];
  const firewall = family === 'ip' ? ['! -i lo -d 127.0.0.0/8 -j DROP'] : [];
  for (const frontend of frontends) {
    const rules = frontend.ip === undefined ? nodePorts : services;
    if (frontend.targets.length > 0 || frontend.inCluster?.length) rules.push(...connectRules(frontend, options, chains));
    if (frontend.targets.length === 0) firewall.push(`${localMatch(frontend)}${matchOf(frontend)} ${refusal(frontend)}`);
    if (frontend.sourceRanges) firewall.unshift(...sourceRules(frontend, chains));
  }
  const clusterIps = new Set(frontends.filter(({ clusterIp }) => clusterIp).map(({ ip }) => ip!));
  chains.filter.set('KUBE-FIREWALL', [...firewall, ...[...clusterIps].map((ip) => `-d ${ip} -j REJECT`)]);
  chains.nat.set('KUBE-SERVICES', [...services, '-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS']);
  chains.nat.set('KUBE-NODEPORTS', nodePorts);
  chains.nat.set('KUBE-MARK-MASQ', [`-j MARK --or-mark 0x4000`]);
  chains.nat.set('KUBE-POSTROUTING', [
    `-m mark --mark ${MARK} -j KUBE-MASQUERADE`,
    ...(podCidr ? [`-s ${podCidr} ! -d ${podCidr} -m addrtype ! --dst-type MULTICAST -j MASQUERADE --random-fully`] : []),
  ]);
  chains.nat.set('KUBE-MASQUERADE', [`-j MARK --xor-mark 0x4000`, '-j MASQUERADE --random-fully']);
  return chains;
}

/** From a frontend's address to the chain of its targets. */
function connectRules(frontend: Frontend, options: ChainOptions, chains: Chains): string[] {
  const { targets, inCluster, masquerade } = frontend;
  const match = matchOf(frontend);
  const marks = masquerade === 'always' ? [''] : masquerade === 'off-cluster' && options.podCidr ? [`! -s ${options.podCidr} `] : [];
  const rules = marks.map((from) => `${from}${match} -j KUBE-MARK-MASQ`);
  if (inCluster?.length) {
    const all = serviceChain(frontend, inCluster, chains);
    const fromNode = '-m addrtype --src-type LOCAL';
    if (options.podCidr) rules.push(`-s ${options.podCidr} ${match} -j ${all}`);
    rules.push(`${match} ${fromNode} -j KUBE-MARK-MASQ`, `${match} ${fromNode} -j ${all}`);
  }
  return targets.length > 0 ? [...rules, `${match} -j ${serviceChain(frontend, targets, chains)}`] : rules;
}

/** The chain that picks one of the targets: each with an even chance, or the client's own where it has one. */
function serviceChain(frontend: Frontend, targets: readonly Target[], chains: Chains): string {
  const { servicePort, affinitySeconds, protocol } = frontend;
  const name = `KUBE-SVC-${hash(servicePort, protocol, ...targets.map(({ ip, port }) => `${ip} ${port}`))}`;
  if (chains.nat.has(name)) return name;
  const endpoints = targets.map((target) => endpointChain(frontend, target, chains));
  const affine =
    affinitySeconds === undefined
      ? []
      : endpoints.map((chain) => `-m recent --name ${chain} --rcheck --seconds ${affinitySeconds} --reap -j ${chain}`);
  const spread = endpoints.map((chain, index) => {
    const left = endpoints.length - index;
    return left === 1 ? `-j ${chain}` : `-m statistic --mode random --probability ${(1 / left).toFixed(10)} -j ${chain}`;
  });
  chains.nat.set(name, [...affine, ...spread]);
  return name;
}

function endpointChain({ servicePort, protocol, family, affinitySeconds }: Frontend, { ip, port }: Target, chains: Chains): string {
  const name = `KUBE-SEP-${hash(servicePort, protocol, ip, `${port}`)}`;
  const affinity = affinitySeconds === undefined ? '' : `-m recent --name ${name} --set `;
  chains.nat.set(name, [
    `-s ${ip} -j KUBE-MARK-MASQ`,
    `-p ${protocol} ${affinity}-j DNAT --to-destination ${family === 'ip' ? ip : `[${ip}]`}:${port}`,
  ]);
  return name;
}

/** The filter sees the endpoint's address already; what the client asked for stands in the connection's record. */
function sourceRules({ ip, port, protocol, servicePort, sourceRanges }: Frontend, chains: Chains): string[] {
  const name = `KUBE-FW-${hash(servicePort, protocol, ip!)}`;
  chains.filter.set(name, [...sourceRanges!.map((range) => `-s ${range} -j RETURN`), '-j DROP']);
  return [`-p ${protocol} -m conntrack --ctorigdst ${ip} --ctorigdstport ${port} -j ${name}`];
}

const matchOf = ({ ip, protocol, port }: Frontend): string => `${ip === undefined ? '' : `-d ${ip} `}-p ${protocol} --dport ${port}`;
const localMatch = ({ ip }: Frontend): string => (ip === undefined ? '-m conntrack ! --ctstate DNAT -m addrtype --dst-type LOCAL ' : '');

function refusal({ refusal: kind, protocol }: Frontend): string {
  if (kind === 'drop') return '-j DROP';
  return protocol === 'tcp' ? '-j REJECT --reject-with tcp-reset' : '-j REJECT';
}

/** iptables takes 28 characters for a chain. */
const hash = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16).toUpperCase();
