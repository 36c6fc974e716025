/** Gives running containers their new resources: the pod's cgroup grows first and shrinks last, so that its containers always fit in. */
import { bytesOf } from '../../api/codec/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '../../api/types.gen.ts';
import { errorMessage } from '../../lib/errors.ts';
import { containerResources } from '../containers/config.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import type { PlannedResize } from './plan.ts';
import type { PodServices } from './services.ts';

export interface ResizeRun {
  resize: readonly PlannedResize[];
  /** The runtime has taken new resources on. */
  updated(containerId: string, resources: ResourceRequirements): void;
}

/** `pod` is as allocated. Returns why it could not be done; what was done until then stays done. */
export async function resizeContainers(pod: Pod, { resize, updated }: ResizeRun, services: PodServices): Promise<string | undefined> {
  const { runtime, cgroups, node } = services;
  try {
    await checkUse(resize, services);
    await cgroups.create(pod, { before: withInForce(pod, resize) });
    for (const { container, spec } of resize) {
      await runtime.updateContainerResources(container.id, containerResources(pod, spec, node.memoryCapacity));
      updated(container.id, spec.resources ?? {});
    }
    await cgroups.create(pod);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Less memory than a container uses would kill it. The look is best effort: use may grow before the limit comes. */
async function checkUse(resize: readonly PlannedResize[], { runtime }: PodServices): Promise<void> {
  const lowered = resize.filter(({ spec, inForce }) => isLowered(spec, inForce));
  if (lowered.length === 0) return;
  const stats = await runtime.stats();
  for (const { container, spec } of lowered) {
    const limit = bytesOf(spec.resources!.limits!['memory']!);
    const use = useOf(container, stats);
    if (use > limit) throw new Error(`attempting to set container "${spec.name}" memory limit (${limit}) below current usage (${use})`);
  }
}

function isLowered({ resources }: Container, inForce: ResourceRequirements): boolean {
  const [now, before] = [resources?.limits?.['memory'], inForce.limits?.['memory']];
  return now !== undefined && (before === undefined || bytesOf(now) < bytesOf(before));
}

function useOf({ id }: ContainerStatus, stats: readonly { containerId: string; memoryWorkingSetBytes: number }[]): number {
  return stats.find(({ containerId }) => containerId === id)?.memoryWorkingSetBytes ?? 0;
}

function withInForce(pod: Pod, resize: readonly PlannedResize[]): Pod {
  const before = (container: Container): Container => {
    const inForce = resize.find(({ spec }) => spec.name === container.name)?.inForce;
    return inForce ? { ...container, resources: inForce } : container;
  };
  const { containers = [], initContainers } = pod.spec ?? {};
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(before),
      ...(initContainers ? { initContainers: initContainers.map(before) } : {}),
    },
  };
}
