import { bytesOf, cpuMillis, quantityToNumber } from '../api/codec/quantity.ts';
import type { Container, Pod } from '../api/types.gen.ts';

/** Amounts as plain numbers: milli-CPU, bytes, and scalars by name. Missing means none. */
export interface Amounts {
  cpu: number;
  memory: number;
  storage: number;
  scalars: Readonly<Record<string, number>>;
}

export const NONE: Amounts = { cpu: 0, memory: 0, storage: 0, scalars: {} };

/** What a container that asks for nothing is counted as when nodes are scored, so that such pods spread too (upstream's values). */
const UNSTATED_CPU = 100;
const UNSTATED_MEMORY = 200 * 1024 * 1024;

type Quantities = Readonly<Record<string, string>> | undefined;

export function amountsOf(quantities: Quantities): Amounts {
  if (!quantities) return NONE;
  const scalars: Record<string, number> = {};
  for (const [name, quantity] of Object.entries(quantities)) {
    if (name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage' && name !== 'pods') scalars[name] = quantityToNumber(quantity);
  }
  return {
    cpu: quantities['cpu'] ? cpuMillis(quantities['cpu']) : 0,
    memory: quantities['memory'] ? bytesOf(quantities['memory']) : 0,
    storage: quantities['ephemeral-storage'] ? bytesOf(quantities['ephemeral-storage']) : 0,
    scalars,
  };
}

/** One amount by its resource's name. */
export function amountOf(amounts: Amounts, name: string): number {
  if (name === 'cpu') return amounts.cpu;
  if (name === 'memory') return amounts.memory;
  return name === 'ephemeral-storage' ? amounts.storage : (amounts.scalars[name] ?? 0);
}

function combine(a: Amounts, b: Amounts, of: (x: number, y: number) => number): Amounts {
  const names = new Set([...Object.keys(a.scalars), ...Object.keys(b.scalars)]);
  const scalars =
    names.size === 0 ? NONE.scalars : Object.fromEntries([...names].map((name) => [name, of(a.scalars[name] ?? 0, b.scalars[name] ?? 0)]));
  return { cpu: of(a.cpu, b.cpu), memory: of(a.memory, b.memory), storage: of(a.storage, b.storage), scalars };
}

export const plus = (a: Amounts, b: Amounts): Amounts => combine(a, b, (x, y) => x + y);
export const minus = (a: Amounts, b: Amounts): Amounts => combine(a, b, (x, y) => x - y);
const most = (a: Amounts, b: Amounts): Amounts => combine(a, b, Math.max);

/**
 * What a pod asks for: the sum of its containers and sidecars, or of what its init containers need at the worst moment if that is more, with
 * the overhead; pod-level requests replace the containers' (KEP-753 for sidecars, KEP-2837 for pod-level resources).
 */
export function podRequests(pod: Pod, requestOf: (container: Container) => Amounts = stated): Amounts {
  const spec = pod.spec!;
  let sidecars = NONE;
  let worstInit = NONE;
  for (const init of spec.initContainers ?? []) {
    const own = requestOf(init);
    if (init.restartPolicy === 'Always') sidecars = plus(sidecars, own);
    worstInit = most(worstInit, init.restartPolicy === 'Always' ? sidecars : plus(sidecars, own));
  }
  const running = spec.containers.reduce((sum, container) => plus(sum, requestOf(container)), sidecars);
  const needed = withPodLevel(most(running, worstInit), spec.resources?.requests);
  return spec.overhead ? plus(needed, amountsOf(spec.overhead)) : needed;
}

function withPodLevel(containers: Amounts, podLevel: Quantities): Amounts {
  if (!podLevel) return containers;
  const own = amountsOf(podLevel);
  return { ...containers, cpu: podLevel['cpu'] ? own.cpu : containers.cpu, memory: podLevel['memory'] ? own.memory : containers.memory };
}

const stated = (container: Container): Amounts => amountsOf(container.resources?.requests);

/** As podRequests, with the values above for what is not stated: for scoring only. */
export function podRequestsForScore(pod: Pod): Amounts {
  return podRequests(pod, (container) => {
    const requests = container.resources?.requests;
    const own = amountsOf(requests);
    return { ...own, cpu: requests?.['cpu'] ? own.cpu : UNSTATED_CPU, memory: requests?.['memory'] ? own.memory : UNSTATED_MEMORY };
  });
}
