/**
 * What the node has promised to a pod's containers (KEP-1287). The spec says what is wanted; a resize is granted when there is room for it.
 * The promise is in the pod's status, so that a restarted kubelet finds it there. Pure.
 */
import { compareQuantities } from '../../api/codec/quantity.ts';
import type { Container, ContainerStatus, Pod, ResourceRequirements } from '../../api/types.gen.ts';

/** By the container's name. */
export type Allocation = ReadonlyMap<string, ResourceRequirements>;
type Amounts = Readonly<Record<string, string>>;

const COMPUTE = ['cpu', 'memory'] as const;

/** What the spec wants. */
export function wantedBy(pod: Pod): Allocation {
  return new Map(resizable(pod).map((container) => [container.name, container.resources ?? {}]));
}

/** What the status says was promised; of containers that it does not speak of, what the spec wants. */
export function allocatedTo(pod: Pod): Allocation {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const statusOf = ({ name }: Container): ContainerStatus | undefined => statuses.find((status) => status.name === name);
  return new Map(resizable(pod).map((container) => [container.name, promised(container, statusOf(container))]));
}

/** The pod with its containers' resources as allocated; the same object when they are what the spec wants. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  if (!pod.spec || sameAllocation(wantedBy(pod), allocation)) return pod;
  const allocated = (container: Container): Container => ({
    ...container,
    resources: allocation.get(container.name) ?? container.resources ?? {},
  });
  const { containers, initContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(allocated),
      ...(initContainers ? { initContainers: initContainers.map(allocated) } : {}),
    },
  };
}

export function sameAllocation(a: Allocation, b: Allocation): boolean {
  return a.size === b.size && [...a].every(([name, resources]) => sameResources(resources, b.get(name) ?? {}));
}

/** Whether cpu and memory are the same amounts, however they are written. Nothing else can be resized. */
export function sameResources(a: ResourceRequirements, b: ResourceRequirements): boolean {
  return COMPUTE.every((name) => sameAmount(a.requests, b.requests, name) && sameAmount(a.limits, b.limits, name));
}

export function sameAmount(a: Amounts | undefined, b: Amounts | undefined, name: string): boolean {
  const [one, other] = [a?.[name], b?.[name]];
  return one === undefined || other === undefined ? one === other : compareQuantities(one, other) === 0;
}

function resizable({ spec }: Pod): readonly Container[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
}

/** Other kubelets may leave `allocatedResources` out. */
function promised({ resources = {} }: Container, status: ContainerStatus | undefined): ResourceRequirements {
  if (!status?.resources) return resources;
  const requests = withCompute(resources.requests, status.allocatedResources ?? status.resources.requests);
  const limits = withCompute(resources.limits, status.resources.limits);
  const { requests: _requests, limits: _limits, ...rest } = resources;
  return { ...rest, ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) };
}

function withCompute(all: Amounts | undefined, compute: Amounts | undefined): Record<string, string> | undefined {
  const others = Object.entries(all ?? {}).filter(([name]) => name !== 'cpu' && name !== 'memory');
  const own = COMPUTE.flatMap((name) => (compute?.[name] === undefined ? [] : [[name, compute[name]] as const]));
  const entries = [...own, ...others];
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
