/** The checks of the baseline level, by their upstream ids in upstream's order. https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
import type { LifecycleHandler, Probe, SELinuxOptions } from '../../../api/types.gen.ts';
import { atLeast, type Versioned } from './versions.ts';
import type { Check, PodLike } from './violation.ts';
import { containersOf, distinct, named, namesWhere, plural, quoted, setters } from './violation.ts';

const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);
/** With the version that let them in. */
const SAFE_SYSCTLS: ReadonlyMap<string, number> = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
]);
const SELINUX_TYPES: ReadonlyMap<string, number> = new Map([
  ['', 0],
  ['container_t', 0],
  ['container_init_t', 0],
  ['container_kvm_t', 0],
  ['container_engine_t', 31],
]);
const NEVER = Infinity;
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

export const BASELINE: Readonly<Record<string, Versioned>> = {
  appArmorProfile(pod) {
    const unconfined = ({ appArmorProfile }: { appArmorProfile?: { type: string } }): boolean => appArmorProfile?.type === 'Unconfined';
    const byPod = unconfined(pod.spec.securityContext ?? {});
    const names = namesWhere(pod, unconfined);
    const annotations = Object.entries(pod.metadata?.annotations ?? {}).filter(
      ([key, value]) =>
        key.startsWith(APPARMOR_ANNOTATION) && value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'),
    );
    const details = [
      ...(byPod || names.length > 0 ? [`${setters(byPod, names)} must not set AppArmor profile type to "Unconfined"`] : []),
      ...(annotations.length > 0
        ? [
            `${plural('annotation', 'annotations', annotations.length)} ${annotations
              .map(([key, value]) => `"${key}"=${JSON.stringify(value)}`)
              .toSorted()
              .join(', ')}`,
          ]
        : []),
    ];
    const count = names.length + annotations.length + (byPod ? 1 : 0);
    return details.length > 0
      ? { reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', count), detail: details.join('; ') }
      : undefined;
  },

  capabilities_baseline(pod) {
    const added = (capabilities: { add?: string[] } | undefined): string[] =>
      (capabilities?.add ?? []).filter((name) => !DEFAULT_CAPABILITIES.has(name));
    const names = namesWhere(pod, ({ capabilities }) => added(capabilities).length > 0);
    if (names.length === 0) return undefined;
    const forbidden = distinct(containersOf(pod.spec).flatMap(({ securityContext }) => added(securityContext?.capabilities)));
    return {
      reason: 'non-default capabilities',
      detail: `${named(names)} must not include ${quoted(forbidden)} in securityContext.capabilities.add`,
    };
  },

  hostNamespaces({ spec }) {
    const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]).map((field) => `${field}=true`);
    return used.length > 0 ? { reason: 'host namespaces', detail: used.join(', ') } : undefined;
  },

  hostPathVolumes({ spec }) {
    const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
    return names.length > 0 ? { reason: 'hostPath volumes', detail: named(names, 'volume') } : undefined;
  },

  hostPorts(pod) {
    const portsOf = (ports: { hostPort?: number }[] | undefined): string[] =>
      (ports ?? []).filter(({ hostPort }) => hostPort).map(({ hostPort }) => String(hostPort));
    const names = namesWhere(pod, (_context, { ports }) => portsOf(ports).length > 0);
    if (names.length === 0) return undefined;
    const ports = distinct(containersOf(pod.spec).flatMap((container) => portsOf(container.ports)));
    return {
      reason: 'hostPort',
      detail: `${named(names)} ${plural('uses', 'use', names.length)} ${plural('hostPort', 'hostPorts', ports.length)} ${ports.join(', ')}`,
    };
  },

  hostProbesAndHostLifecycle: atLeast(34, (pod) => {
    const hosts = (handler: Probe | LifecycleHandler | undefined): string[] =>
      [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host): host is string => Boolean(host));
    const all = containersOf(pod.spec).map(({ name, livenessProbe, readinessProbe, startupProbe, lifecycle }) => ({
      name,
      hosts: [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(hosts),
    }));
    const bad = all.filter((container) => container.hosts.length > 0);
    if (bad.length === 0) return undefined;
    const forbidden = distinct(bad.flatMap((container) => container.hosts));
    const names = distinct(bad.map(({ name }) => name));
    const what = plural('probe or lifecycle host', 'probe or lifecycle hosts', forbidden.length);
    return {
      reason: 'probe or lifecycle host',
      detail: `${named(names)} ${plural('uses', 'use', names.length)} ${what} ${quoted(forbidden)}`,
    };
  }),

  privileged(pod) {
    const names = namesWhere(pod, ({ privileged }) => privileged === true);
    return names.length > 0 ? { reason: 'privileged', detail: `${named(names)} must not set securityContext.privileged=true` } : undefined;
  },

  procMount(pod) {
    // A pod with a user namespace of its own may see all of its /proc.
    if (pod.spec.hostUsers === false) return undefined;
    return procMount(pod);
  },

  seLinuxOptions(pod, version) {
    const problems = ({ type = '', user, role }: SELinuxOptions): string[] => [
      ...((SELINUX_TYPES.get(type) ?? NEVER) <= version ? [] : [`type ${JSON.stringify(type)}`]),
      ...(user ? ['user may not be set'] : []),
      ...(role ? ['role may not be set'] : []),
    ];
    const ofPod = problems(pod.spec.securityContext?.seLinuxOptions ?? {});
    const names = namesWhere(pod, ({ seLinuxOptions }) => problems(seLinuxOptions ?? {}).length > 0);
    if (ofPod.length === 0 && names.length === 0) return undefined;
    const all = new Set([
      ...ofPod,
      ...containersOf(pod.spec).flatMap(({ securityContext }) => problems(securityContext?.seLinuxOptions ?? {})),
    ]);
    return {
      reason: 'seLinuxOptions',
      detail: `${setters(ofPod.length > 0, names)} set forbidden securityContext.seLinuxOptions: ${[...all].join('; ')}`,
    };
  },

  // Before 1.19 it was an annotation, which no kubelet of today reads.
  seccompProfile_baseline: atLeast(19, (pod) => {
    const unconfined = ({ seccompProfile }: { seccompProfile?: { type: string } }): boolean => seccompProfile?.type === 'Unconfined';
    const byPod = unconfined(pod.spec.securityContext ?? {});
    const names = namesWhere(pod, unconfined);
    if (!byPod && names.length === 0) return undefined;
    return {
      reason: 'seccompProfile',
      detail: `${setters(byPod, names)} must not set securityContext.seccompProfile.type to "Unconfined"`,
    };
  }),

  sysctls({ spec }, version) {
    const names = (spec.securityContext?.sysctls ?? [])
      .map(({ name }) => name)
      .filter((name) => (SAFE_SYSCTLS.get(name) ?? NEVER) > version);
    return names.length > 0 ? { reason: 'forbidden sysctls', detail: names.join(', ') } : undefined;
  },

  windowsHostProcess(pod) {
    const asks = ({ windowsOptions }: { windowsOptions?: { hostProcess?: boolean } }): boolean => windowsOptions?.hostProcess === true;
    const byPod = asks(pod.spec.securityContext ?? {});
    const names = namesWhere(pod, asks);
    if (!byPod && names.length === 0) return undefined;
    return { reason: 'hostProcess', detail: `${setters(byPod, names)} must not set securityContext.windowsOptions.hostProcess=true` };
  },
};

/** The strict form, which the restricted level asks for in any case. */
export function procMount(pod: PodLike): ReturnType<Check> {
  const names = namesWhere(pod, (context) => context.procMount !== undefined && context.procMount !== 'Default');
  if (names.length === 0) return undefined;
  const mounts = distinct(
    containersOf(pod.spec)
      .map(({ securityContext }) => securityContext?.procMount ?? 'Default')
      .filter((mount) => mount !== 'Default'),
  );
  return { reason: 'procMount', detail: `${named(names)} must not set securityContext.procMount to ${quoted(mounts)}` };
}
