/** The Node object of a simulated node. Pure. */
import { timestamp } from '../../api/time.ts';
import type { Node, NodeCondition } from '../../api/types.gen.ts';
import { KUBELET_VERSION } from '../node/status.ts';

export interface FleetNodeOptions {
  /** Names are `<prefix>0001` and so on. */
  nodePrefix: string;
  /** What each node offers; 8 CPUs, 32 GiB and 110 pods unless given. */
  capacity?: Readonly<Record<string, string>>;
  /** Of the runtime, in the node's info. */
  version: string;
}

/** Marks the nodes of a fleet; its selector finds them. */
export const FLEET_LABEL = 'rockpool.dev/fleet';

const CAPACITY = { cpu: '8', memory: '32Gi', 'ephemeral-storage': '100Gi', pods: '110' };
const ZONES = ['a', 'b', 'c'];
const REGION = 'sim';
const DIGITS = 4;

export function fleetNodeName(prefix: string, index: number): string {
  return `${prefix}${String(index + 1).padStart(DIGITS, '0')}`;
}

/** Whether a name is one that a fleet of this prefix gives: such nodes have no kubelet to dial. */
export function isFleetNode(prefix: string, name: string): boolean {
  return name.startsWith(prefix) && /^\d{4,}$/.test(name.slice(prefix.length));
}

export function fleetNode(index: number, { nodePrefix, capacity = CAPACITY, version }: FleetNodeOptions, now: number): Node {
  const name = fleetNodeName(nodePrefix, index);
  const zone = `${REGION}-${ZONES[index % ZONES.length]}`;
  const platform = { os: 'linux', arch: 'amd64' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': platform.arch,
        'beta.kubernetes.io/os': platform.os,
        'kubernetes.io/arch': platform.arch,
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': platform.os,
        'node.kubernetes.io/instance-type': 'sim',
        'rockpool.dev/runtime': 'sim',
        'topology.kubernetes.io/region': REGION,
        'topology.kubernetes.io/zone': zone,
        [FLEET_LABEL]: 'true',
      },
    },
    spec: { podCIDR: `${podNetwork(index)}.0/24`, podCIDRs: [`${podNetwork(index)}.0/24`], providerID: `sim://${zone}/${name}` },
    status: {
      addresses: [
        { type: 'InternalIP', address: nodeAddress(index) },
        { type: 'Hostname', address: name },
      ],
      capacity,
      allocatable: capacity,
      conditions: conditions(now),
      nodeInfo: {
        architecture: platform.arch,
        bootID: '',
        containerRuntimeVersion: `sim://${version}`,
        kernelVersion: 'sim',
        kubeProxyVersion: '',
        kubeletVersion: KUBELET_VERSION,
        machineID: name,
        operatingSystem: platform.os,
        osImage: 'Rockpool simulated node',
        systemUUID: name,
      },
    },
  };
}

/** Addresses of this node's pods: `10.128.0.x` for the first. They lead nowhere. */
export function podNetwork(index: number): string {
  return `10.${128 + (Math.floor(index / 256) % 128)}.${index % 256}`;
}

export function nodeAddress(index: number): string {
  return `10.${64 + (Math.floor(index / 65_024) % 64)}.${Math.floor(index / 254) % 256}.${(index % 254) + 1}`;
}

function conditions(now: number): NodeCondition[] {
  const at = timestamp(now);
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: at,
    lastTransitionTime: at,
  });
  return [
    condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    condition('Ready', 'True', 'KubeletReady', 'the node is simulated'),
  ];
}
