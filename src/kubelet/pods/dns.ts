import type { Pod } from '../../api/types.gen.ts';

export interface DnsConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

export interface DnsSettings {
  /** The cluster's DNS server and domain: `10.96.0.10`, `cluster.local`. */
  ip: string;
  domain: string;
  /** What the node itself uses (its resolv.conf). */
  host: DnsConfig;
}

const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;

/** The resolver settings of a pod by its dnsPolicy and dnsConfig. */
export function podDns(pod: Pod, { ip, domain, host }: DnsSettings): DnsConfig {
  const { dnsPolicy = 'ClusterFirst', hostNetwork = false, dnsConfig } = pod.spec!;
  const cluster: DnsConfig = {
    servers: [ip],
    searches: [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.searches],
    options: ['ndots:5'],
  };
  // upstream: a pod on the host's network is not in the cluster's DNS unless it asks by ClusterFirstWithHostNet
  const useHost = dnsPolicy === 'Default' || (dnsPolicy === 'ClusterFirst' && hostNetwork);
  const base = dnsPolicy === 'None' ? { servers: [], searches: [], options: [] } : useHost ? host : cluster;
  const options = new Map(base.options.map((option) => [option.split(':')[0]!, option]));
  for (const { name = '', value } of dnsConfig?.options ?? []) options.set(name, value === undefined ? name : `${name}:${value}`);
  return {
    servers: [...new Set([...base.servers, ...(dnsConfig?.nameservers ?? [])])].slice(0, MAX_SERVERS),
    searches: [...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])].slice(0, MAX_SEARCHES),
    options: [...options.values()],
  };
}

export function parseResolvConf(text: string): DnsConfig {
  const result: DnsConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0]) result.servers.push(values[0]);
    // the last one counts, as in resolv.conf(5)
    if (keyword === 'search') result.searches = values.filter((domain) => domain !== '.');
    if (keyword === 'options') result.options = values;
  }
  return result;
}
