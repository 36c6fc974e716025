/** The node's status as the API shows it. Pure. */
import type { Node, NodeCondition, NodeStatus } from '../../api/types.gen.ts';
import { timestamp } from '../../api/time.ts';
import type { ImageInfo } from '../runtime/runtime.ts';
import type { Machine } from './machine.ts';

export interface NodeFactsForStatus {
  machine: Machine;
  hostName: string;
  addresses: readonly string[];
  port: number;
  capacity: Readonly<Record<string, string>>;
  runtimeVersion: string;
  runtime: { runtimeReady: boolean; networkReady: boolean; message: string };
  images: readonly ImageInfo[];
  /** Unique names of attachable volumes, in order. */
  volumesInUse: readonly string[];
  now: number;
}

export const KUBELET_VERSION = 'v1.36.0';
/** As upstream's nodeStatusMaxImages. */
const MAX_IMAGES = 50;

export function nodeCapacity({ cpus, memoryBytes, storageBytes }: Machine, maxPods: number): Record<string, string> {
  return {
    cpu: String(cpus),
    'ephemeral-storage': `${Math.floor(storageBytes / 1024)}Ki`,
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    pods: String(maxPods),
  };
}

export function nodeStatus(previous: Node | undefined, facts: NodeFactsForStatus): NodeStatus {
  const { machine, capacity } = facts;
  return {
    addresses: [...facts.addresses.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: facts.hostName }],
    capacity,
    allocatable: capacity,
    conditions: conditions(previous?.status?.conditions ?? [], facts),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.port } },
    images: facts.images
      .filter((image) => image.tags.length + image.digests.length > 0)
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, MAX_IMAGES)
      .map(({ digests, tags, sizeBytes }) => ({ names: [...digests, ...tags].slice(0, 5), sizeBytes })),
    nodeInfo: {
      architecture: machine.architecture,
      bootID: machine.bootId,
      containerRuntimeVersion: facts.runtimeVersion,
      kernelVersion: machine.kernelVersion,
      kubeProxyVersion: '',
      kubeletVersion: KUBELET_VERSION,
      machineID: machine.machineId,
      operatingSystem: 'linux',
      osImage: machine.osImage,
      systemUUID: machine.systemUuid || machine.machineId,
    },
    ...(facts.volumesInUse.length > 0 ? { volumesInUse: [...facts.volumesInUse] } : {}),
  };
}

function conditions(previous: readonly NodeCondition[], { runtime, now }: NodeFactsForStatus): NodeCondition[] {
  const ready = runtime.runtimeReady && runtime.networkReady;
  const problem = [
    runtime.runtimeReady ? '' : 'container runtime is down',
    runtime.networkReady ? '' : 'container runtime network not ready',
    runtime.message,
  ];
  return [
    pressure('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    pressure('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pressure('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    ready
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: problem.filter(Boolean).join(': ') },
  ].map((condition) => {
    const before = previous.find((other) => other.type === condition.type);
    const kept = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: timestamp(now), lastTransitionTime: kept ?? timestamp(now) };
  });
}

const pressure = (type: string, reason: string, message: string): NodeCondition => ({ type, status: 'False', reason, message });
