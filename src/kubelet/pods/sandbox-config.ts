import path from 'node:path';
import type { Pod } from '../../api/types.gen.ts';
import { sandboxLabels } from '../containers/labels.ts';
import { seccompProfile, supplementalGroups } from '../containers/security.ts';
import type { PodSandboxConfig } from '../runtime/runtime.ts';
import { podDns, type DnsSettings } from './dns.ts';

export interface SandboxSettings {
  dns: DnsSettings;
  /** `/var/log/pods` */
  podLogsDir: string;
  cgroupParent: string;
  seccompDir: string;
}

const HOST_NAME_LIMIT = 63;

export function podSandboxConfig(
  pod: Pod,
  attempt: number,
  { dns, podLogsDir, cgroupParent, seccompDir }: SandboxSettings,
): PodSandboxConfig {
  const { name = '', namespace = '', uid = '', annotations = {} } = pod.metadata;
  const spec = pod.spec!;
  const security = spec.securityContext ?? {};
  const hostNetwork = spec.hostNetwork ?? false;
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return {
    name,
    namespace,
    uid,
    attempt,
    hostname: hostNetwork ? '' : podHostname(pod, dns.domain),
    labels: sandboxLabels(pod),
    annotations: { ...annotations, 'kubernetes.io/config.source': 'api' },
    logDirectory: podLogDirectory(pod, podLogsDir),
    dns: podDns(pod, dns),
    portMappings: hostNetwork ? [] : portMappings(pod),
    cgroupParent,
    sysctls: Object.fromEntries((security.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
    hostNetwork,
    hostPid: spec.hostPID ?? false,
    hostIpc: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    privileged: containers.some((container) => container.securityContext?.privileged === true),
    // upstream leaves the sandbox's user to the pause image unless the pod names one
    runAsUser: security.runAsUser,
    runAsGroup: security.runAsUser === undefined ? undefined : security.runAsGroup,
    supplementalGroups: supplementalGroups(pod),
    seccomp: security.seccompProfile ? seccompProfile(security.seccompProfile, seccompDir) : { type: 'RuntimeDefault' },
  };
}

/** `/var/log/pods/<namespace>_<name>_<uid>`: the layout that log collectors expect. */
export function podLogDirectory(pod: Pod, podLogsDir: string): string {
  const { name, namespace, uid } = pod.metadata;
  return path.join(podLogsDir, `${namespace}_${name}_${uid}`);
}

/** The pod's host name: spec.hostname or its name, cut to what Linux allows; with its domain when setHostnameAsFQDN asks. */
export function podHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, setHostnameAsFQDN, hostnameOverride } = pod.spec!;
  if (hostnameOverride) return hostnameOverride;
  const short = (hostname ?? pod.metadata.name ?? '').slice(0, HOST_NAME_LIMIT).replace(/[-.]+$/, '');
  const domain = podDomain(pod, clusterDomain);
  return setHostnameAsFQDN && domain ? `${short}.${domain}` : short;
}

/** `subdomain.namespace.svc.cluster.local`, or '' without a subdomain. */
export function podDomain(pod: Pod, clusterDomain: string): string {
  const { subdomain } = pod.spec!;
  return subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
}

function portMappings(pod: Pod): PodSandboxConfig['portMappings'] {
  const containers = [...pod.spec!.containers, ...(pod.spec!.initContainers ?? []).filter((one) => one.restartPolicy === 'Always')];
  return containers
    .flatMap((container) => container.ports ?? [])
    .filter((port) => port.hostPort)
    .map((port) => ({
      protocol: (port.protocol ?? 'TCP') as 'TCP' | 'UDP' | 'SCTP',
      containerPort: port.containerPort,
      hostPort: port.hostPort!,
      hostIp: port.hostIP ?? '',
    }));
}
