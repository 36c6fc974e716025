/**
 * The kubelet's own look at a pod that was bound to its node: the scheduler may have been passed by (spec.nodeName), or the node may have
 * changed meanwhile. A pod that does not fit is not waited for but fails, and its controller makes another.
 */
import { addQuantities, bytesOf, compareQuantities, cpuMillis } from '../../api/codec/quantity.ts';
import { hostPortsClash, hostPortsOf } from '../../api/host-ports.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Pod } from '../../api/types.gen.ts';
import { usageOf } from '../../api/quota/usage.ts';

export interface Rejection {
  reason: string;
  message: string;
}

/** In this order upstream looks at them. */
const RESOURCES = ['pods', 'cpu', 'memory', 'ephemeral-storage'] as const;

/** Why the pod cannot be beside `others`, or undefined. Pods that have ended take no room. */
export function rejectionOf(pod: Pod, others: readonly Pod[], allocatable: Readonly<Record<string, string>>): Rejection | undefined {
  const active = others.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
  return overbooked(pod, active, allocatable) ?? portTaken(pod, active);
}

function overbooked(pod: Pod, active: readonly Pod[], allocatable: Readonly<Record<string, string>>): Rejection | undefined {
  const requested = amountsOf(pod);
  for (const resource of RESOURCES) {
    const [wanted, capacity] = [requested[resource] ?? '0', allocatable[resource]];
    if (capacity === undefined || compareQuantities(wanted, '0') === 0) continue;
    const used = addQuantities('0', ...active.map((other) => amountsOf(other)[resource] ?? '0'));
    if (compareQuantities(addQuantities(used, wanted), capacity) <= 0) continue;
    const [a, b, c] = [wanted, used, capacity].map((amount) => wholeNumber(resource, amount));
    const message = `Node didn't have enough resource: ${resource}, requested: ${a}, used: ${b}, capacity: ${c}`;
    return { reason: `OutOf${resource}`, message: `Pod was rejected: ${message}` };
  }
  return undefined;
}

const amountsOf = (pod: Pod): Record<string, string> => usageOf({ group: '', resource: 'pods' }, pod as KubeObject);

/** Messages count millicores and bytes. */
const wholeNumber = (resource: string, amount: string): number => (resource === 'cpu' ? cpuMillis(amount) : bytesOf(amount));

function portTaken(pod: Pod, active: readonly Pod[]): Rejection | undefined {
  const wanted = hostPortsOf(pod);
  if (
    wanted.length === 0 ||
    !active.some((other) => hostPortsOf(other).some((taken) => wanted.some((port) => hostPortsClash(port, taken))))
  )
    return undefined;
  const message = "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
  return { reason: 'NodePorts', message };
}
