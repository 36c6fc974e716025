/** What the engine is asked for: pure, so that a golden file can show it. */
import { createHash } from 'node:crypto';
import type { ContainerCreateOptions, PortMap } from 'dockerode';
import { failure } from '../../reasons.ts';
import type { Profile } from '../../profile.ts';

export const PROFILE_LABEL = 'rockpool.dev/profile';
export const SPEC_LABEL = 'rockpool.dev/spec';
export const API_PORT = 6443;
/** Everything that must outlive the container is in one volume on /var. */
export const STATE_DIR = '/var/lib/rockpool';
export const CONFIG_PATH = `${STATE_DIR}/node.json`;

/**
 * Every capability that pods may ask for but SYS_RESOURCE, which engines inside other sandboxes do not have to give. SYS_ADMIN mounts and
 * makes namespaces, NET_ADMIN the pod network and the packet filter, SYS_PTRACE exec into containers of other users; the rest is for pods.
 */
const CAPABILITIES = [
  'SYS_ADMIN',
  'NET_ADMIN',
  'SYS_PTRACE',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_PACCT',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'LEASE',
  'AUDIT_CONTROL',
  'AUDIT_READ',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'LINUX_IMMUTABLE',
  'IPC_LOCK',
  'IPC_OWNER',
  'DAC_READ_SEARCH',
  'NET_BROADCAST',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

export interface SpecOptions {
  /** `NAME=value`. */
  env?: readonly string[];
  /** Capabilities that this engine does not know. */
  dropped?: readonly string[];
}

/** The node container. */
export function containerSpec(profile: Profile, { env = [], dropped = [] }: SpecOptions = {}): ContainerCreateOptions & { name: string } {
  const ports = portBindings(profile);
  const spec: ContainerCreateOptions & { name: string } = {
    name: profile.name,
    Image: profile.nodeImage!,
    Hostname: profile.name,
    Cmd: [CONFIG_PATH],
    Env: [...env],
    StopSignal: 'SIGTERM',
    ExposedPorts: Object.fromEntries(Object.keys(ports).map((port) => [port, {}])),
    Labels: { [PROFILE_LABEL]: profile.name },
    HostConfig: {
      Init: true,
      CgroupnsMode: 'private',
      CapAdd: CAPABILITIES.filter((name) => !dropped.includes(name)),
      SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'],
      // The command line's `systempaths=unconfined`: pods' sandboxes need /proc and /sys whole.
      MaskedPaths: [],
      ReadonlyPaths: [],
      // Privileged pods may have any device; without it their start fails in the devices group.
      DeviceCgroupRules: ['a *:* rwm'],
      Tmpfs: { '/run': '', '/tmp': '' },
      Mounts: [{ Type: 'volume', Source: profile.name, Target: '/var' }],
      PortBindings: ports,
      NetworkMode: profile.name,
      // A cluster that ran comes back with the engine, one that was stopped does not.
      RestartPolicy: { Name: 'unless-stopped' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      ...(profile.cpus === undefined ? {} : { NanoCpus: Math.round(profile.cpus * 1e9) }),
      // Memory without swap on top: a node that swaps is slower than one that evicts.
      ...(profile.memoryMiB === undefined ? {} : { Memory: profile.memoryMiB * 2 ** 20, MemorySwap: profile.memoryMiB * 2 ** 20 }),
    } as ContainerCreateOptions['HostConfig'],
    NetworkingConfig: { EndpointsConfig: { [profile.name]: { IPAMConfig: { IPv4Address: profile.nodeIp! } } } },
  };
  // Of what was asked for, not of what this engine could give: an engine that learns a capability does not make a new container.
  const hash = createHash('sha256').update(JSON.stringify({ ...spec, HostConfig: { ...spec.HostConfig, CapAdd: CAPABILITIES } }));
  spec.Labels![SPEC_LABEL] = hash.digest('hex').slice(0, 16);
  return spec;
}

/** The API on its port, and what `--ports` names. */
function portBindings({ listenAddress, apiPort, ports }: Profile): PortMap {
  const bindings: PortMap = { [`${API_PORT}/tcp`]: [{ HostIp: listenAddress, HostPort: String(apiPort) }] };
  for (const { address, host, node, protocol } of ports.flatMap(parsePorts)) {
    const key = `${node}/${protocol}`;
    (bindings[key] ??= []).push({ HostIp: address ?? listenAddress, HostPort: String(host) });
  }
  return bindings;
}

export interface PublishedPort {
  address?: string;
  host: number;
  node: number;
  protocol: 'tcp' | 'udp';
}

/** `[ADDRESS:]HOST:NODE[/udp]` or `PORT`; ports may be ranges of equal length. Throws USAGE. */
export function parsePorts(text: string): PublishedPort[] {
  const match = /^(?:(\d+\.\d+\.\d+\.\d+):)?(\d+(?:-\d+)?)(?::(\d+(?:-\d+)?))?(?:\/(tcp|udp))?$/.exec(text);
  const wrong = (): Error =>
    failure('USAGE', `--ports ${text}: write [ADDRESS:]HOST:NODE[/udp], such as 8080:30080 or 30000-30010:30000-30010`);
  if (!match) throw wrong();
  const host = range(match[2]!);
  const node = range(match[3] ?? match[2]!);
  if (host.length === 0 || host.length !== node.length || [...host, ...node].some((port) => port < 1 || port > 65_535)) throw wrong();
  return host.map((port, i) => ({
    ...(match[1] ? { address: match[1] } : {}),
    host: port,
    node: node[i]!,
    protocol: match[4] === 'udp' ? 'udp' : 'tcp',
  }));
}

function range(text: string): number[] {
  const [from, to = from] = text.split('-').map(Number) as [number, number?];
  return to < from ? [] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
