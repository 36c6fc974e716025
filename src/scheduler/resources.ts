import { bytesOf, cpuMillis, quantityToNumber } from '../api/codec/quantity.ts';
import type { Container, ContainerStatus, Pod } from '../api/types.gen.ts';

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
  let scalars: Record<string, number> | undefined;
  for (const [name, quantity] of Object.entries(quantities)) {
    if (name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage' && name !== 'pods')
      (scalars ??= {})[name] = quantityToNumber(quantity);
  }
  return {
    cpu: quantities['cpu'] ? cpuMillis(quantities['cpu']) : 0,
    memory: quantities['memory'] ? bytesOf(quantities['memory']) : 0,
    storage: quantities['ephemeral-storage'] ? bytesOf(quantities['ephemeral-storage']) : 0,
    scalars: scalars ?? NONE.scalars,
  };
}

/** One amount by its resource's name. */
export function amountOf(amounts: Amounts, name: string): number {
  if (name === 'cpu') return amounts.cpu;
  if (name === 'memory') return amounts.memory;
  return name === 'ephemeral-storage' ? amounts.storage : (amounts.scalars[name] ?? 0);
}

function combine(a: Amounts, b: Amounts, of: (x: number, y: number) => number): Amounts {
  const scalars = a.scalars === NONE.scalars && b.scalars === NONE.scalars ? NONE.scalars : combineScalars(a.scalars, b.scalars, of);
  return { cpu: of(a.cpu, b.cpu), memory: of(a.memory, b.memory), storage: of(a.storage, b.storage), scalars };
}

function combineScalars(a: Amounts['scalars'], b: Amounts['scalars'], of: (x: number, y: number) => number): Amounts['scalars'] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return names.size === 0 ? NONE.scalars : Object.fromEntries([...names].map((name) => [name, of(a[name] ?? 0, b[name] ?? 0)]));
}

export const plus = (a: Amounts, b: Amounts): Amounts => combine(a, b, (x, y) => x + y);
export const minus = (a: Amounts, b: Amounts): Amounts => combine(a, b, (x, y) => x - y);
const most = (a: Amounts, b: Amounts): Amounts => combine(a, b, Math.max);

/**
 * What a pod asks for: the sum of its containers and sidecars, or of what its init containers need at the worst moment if that is more, with
 * the overhead; pod-level requests replace the containers' (KEP-753 for sidecars, KEP-2837 for pod-level resources).
 */
export function podRequests(pod: Pod, requestOf: (container: Container) => Amounts = heldBy(pod)): Amounts {
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

/**
 * While a pod is resized its node must have room for what it has, what it was promised and what it wants; what it can never get does not
 * count (KEP-1287).
 */
function heldBy({ status }: Pod): (container: Container) => Amounts {
  const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = status ?? {};
  if (containerStatuses.length === 0) return stated;
  const infeasible = conditions.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible');
  return (container) => {
    const known = ({ name }: ContainerStatus): boolean => name === container.name;
    const of = containerStatuses.find(known) ?? initContainerStatuses.find(known);
    const requests = container.resources?.requests;
    const held = [of?.resources?.requests, of?.allocatedResources].filter((amounts) => amounts !== undefined);
    if (held.every((amounts) => amounts['cpu'] === requests?.['cpu'] && amounts['memory'] === requests?.['memory']))
      return stated(container);
    return held.map(amountsOf).reduce(most, infeasible ? { ...stated(container), cpu: 0, memory: 0 } : stated(container));
  };
}

/** As podRequests, which are `asked`, with the values above for what is not stated: for scoring only. */
export function podRequestsForScore(pod: Pod, asked: Amounts): Amounts {
  if (!pod.status?.containerStatuses?.length && statesAll(pod)) return asked;
  return podRequests(pod, (container) => {
    const requests = container.resources?.requests;
    const own = amountsOf(requests);
    return { ...own, cpu: requests?.['cpu'] ? own.cpu : UNSTATED_CPU, memory: requests?.['memory'] ? own.memory : UNSTATED_MEMORY };
  });
}

/** Then there is nothing to add. */
function statesAll({ spec }: Pod): boolean {
  const states = ({ resources }: Container): boolean => Boolean(resources?.requests?.['cpu'] && resources.requests['memory']);
  return spec!.containers.every(states) && (spec!.initContainers ?? []).every(states);
}
