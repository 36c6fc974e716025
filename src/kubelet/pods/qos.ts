import { cpuMillis, bytesOf, parseQuantity } from '../../api/codec/quantity.ts';
import type { Container, Pod } from '../../api/types.gen.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** The pod's quality of service class, from cpu and memory of all its containers (upstream's ComputePodQOS). */
export function qosClass(pod: Pod): QosClass {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const isSet = (amount: string | undefined): boolean => amount !== undefined && parseQuantity(amount).nanos > 0n;
  let any = false;
  let guaranteed = true;
  for (const { resources: { limits = {}, requests = {} } = {} } of containers) {
    for (const name of ['cpu', 'memory']) {
      if (isSet(limits[name]) || isSet(requests[name])) any = true;
      const request = requests[name] ?? limits[name];
      if (!isSet(limits[name]) || parseQuantity(request!).nanos !== parseQuantity(limits[name]!).nanos) guaranteed = false;
    }
  }
  return any ? (guaranteed ? 'Guaranteed' : 'Burstable') : 'BestEffort';
}

const GUARANTEED_ADJUST = -997;
const CRITICAL_PRIORITY = 2_000_000_000;

/** How willingly the kernel kills the container, -997 to 1000 (upstream's GetContainerOOMScoreAdjust). */
export function oomScoreAdjust(pod: Pod, container: Container, memoryCapacity: number): number {
  if ((pod.spec?.priority ?? 0) >= CRITICAL_PRIORITY) return GUARANTEED_ADJUST;
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return GUARANTEED_ADJUST;
  if (qos === 'BestEffort') return 1000;
  const { requests = {}, limits = {} } = container.resources ?? {};
  const request = bytesOf(requests.memory ?? limits.memory ?? '0');
  const adjust = Math.floor(1000 - (1000 * request) / memoryCapacity);
  // never as protected as a guaranteed pod, never as exposed as one of best effort
  return Math.min(Math.max(adjust, 1000 + GUARANTEED_ADJUST), 999);
}

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const MIN_QUOTA = 1000;
/** Microseconds: upstream's default CFS period. */
export const CPU_PERIOD = 100_000;

export function cpuShares(milli: number): number {
  return milli === 0 ? MIN_SHARES : Math.min(Math.max(Math.floor((milli * 1024) / 1000), MIN_SHARES), MAX_SHARES);
}

export function cpuQuota(milli: number): number {
  return Math.max(Math.floor((milli * CPU_PERIOD) / 1000), MIN_QUOTA);
}

export interface CgroupLimits {
  cpuShares: number;
  /** Undefined is unlimited. */
  cpuQuota?: number;
  memoryLimitBytes?: number;
}

export function containerLimits({ resources: { limits = {}, requests = {} } = {} }: Container): CgroupLimits {
  const cpuRequest = requests.cpu ?? limits.cpu;
  const memory = limits.memory === undefined ? 0 : bytesOf(limits.memory);
  const cpu = limits.cpu === undefined ? 0 : cpuMillis(limits.cpu);
  return {
    cpuShares: cpuShares(cpuRequest === undefined ? 0 : cpuMillis(cpuRequest)),
    ...(cpu > 0 ? { cpuQuota: cpuQuota(cpu) } : {}),
    ...(memory > 0 ? { memoryLimitBytes: memory } : {}),
  };
}

/** Of the pod's own cgroup: sums over its containers; a limit only when every container has one. */
export function podLimits(pod: Pod): CgroupLimits {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always')];
  const amounts = containers.map(({ resources: { limits = {}, requests = {} } = {} }) => ({
    cpu: cpuMillis(requests.cpu ?? limits.cpu ?? '0'),
    cpuLimit: cpuMillis(limits.cpu ?? '0'),
    memoryLimit: bytesOf(limits.memory ?? '0'),
  }));
  const sum = (of: (amount: (typeof amounts)[number]) => number): number => amounts.reduce((total, amount) => total + of(amount), 0);
  const all = (of: (amount: (typeof amounts)[number]) => number): boolean => amounts.every((amount) => of(amount) > 0);
  return {
    cpuShares: cpuShares(sum((amount) => amount.cpu)),
    ...(all((amount) => amount.cpuLimit) ? { cpuQuota: cpuQuota(sum((amount) => amount.cpuLimit)) } : {}),
    ...(all((amount) => amount.memoryLimit) ? { memoryLimitBytes: sum((amount) => amount.memoryLimit) } : {}),
  };
}
