import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '../../api/types.gen.ts';
import { podDomain, podHostname } from './sandbox-config.ts';

const MANAGED = '# Kubernetes-managed hosts file.\n';
const MANAGED_HOST = '# Kubernetes-managed hosts file (host network).\n';
const LOCAL = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** Writes the /etc/hosts that the pod's containers share and returns its path. */
export async function writeHostsFile(
  pod: Pod,
  { file, podIps, clusterDomain }: { file: string; podIps: readonly string[]; clusterDomain: string },
): Promise<void> {
  const base = pod.spec?.hostNetwork
    ? MANAGED_HOST + (await readFile('/etc/hosts', 'utf8'))
    : MANAGED + podHosts(pod, podIps, clusterDomain);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, base + aliases(pod), { mode: 0o644 });
}

function podHosts(pod: Pod, podIps: readonly string[], clusterDomain: string): string {
  const domain = podDomain(pod, clusterDomain);
  const short = podHostname({ ...pod, spec: { ...pod.spec!, setHostnameAsFQDN: false } }, clusterDomain);
  const names = domain ? `${short}.${domain}\t${short}` : short;
  return `${[...LOCAL, ...podIps.map((ip) => `${ip}\t${names}`)].join('\n')}\n`;
}

function aliases(pod: Pod): string {
  const entries = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`);
  return entries.length > 0 ? `\n# Entries added by HostAliases.\n${entries.join('\n')}\n` : '';
}
