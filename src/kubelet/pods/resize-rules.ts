/** The rules of resizing (KEP-1287): whether a node has room, and what a running container needs for its new resources. Pure. */
import { bytesOf, compareQuantities, cpuMillis } from '../../api/codec/quantity.ts';
import type { KubeObject } from '../../api/meta.ts';
import { usageOf } from '../../api/quota/usage.ts';
import type { Container, Pod, ResourceRequirements } from '../../api/types.gen.ts';
import { rejectionOf } from './admission.ts';
import { sameAmount } from './allocation.ts';

export interface ResizeRefusal {
  /** `Infeasible`: never on this node; `Deferred`: not now. */
  reason: 'Infeasible' | 'Deferred';
  message: string;
}

/** Why the node cannot give `pod` what it wants beside `others`, or undefined. */
export function resizeRefusal(pod: Pod, others: readonly Pod[], allocatable: Readonly<Record<string, string>>): ResizeRefusal | undefined {
  return infeasible(pod, allocatable) ?? deferred(pod, others, allocatable);
}

function infeasible(pod: Pod, allocatable: Readonly<Record<string, string>>): ResizeRefusal | undefined {
  const wanted = usageOf({ group: '', resource: 'pods' }, pod as KubeObject);
  for (const [resource, count] of [
    ['memory', bytesOf],
    ['cpu', cpuMillis],
  ] as const) {
    const [requested, capacity] = [wanted[resource], allocatable[resource]];
    if (requested === undefined || capacity === undefined || compareQuantities(requested, capacity) <= 0) continue;
    const message = `Node didn't have enough capacity: ${resource}, requested: ${count(requested)}, capacity: ${count(capacity)}`;
    return { reason: 'Infeasible', message };
  }
  return undefined;
}

function deferred(pod: Pod, others: readonly Pod[], allocatable: Readonly<Record<string, string>>): ResizeRefusal | undefined {
  const rejection = rejectionOf(pod, others, allocatable);
  return rejection && { reason: 'Deferred', message: rejection.message.replace('Pod was rejected: ', '') };
}

/** What a running container that has `inForce` needs to get what its spec says. */
export function resizeNeeds(container: Container, inForce: ResourceRequirements): 'nothing' | 'update' | 'restart' {
  const { resources = {}, resizePolicy = [] } = container;
  const changed = ['cpu', 'memory'].filter(
    (name) => !sameAmount(resources.requests, inForce.requests, name) || !sameAmount(resources.limits, inForce.limits, name),
  );
  if (changed.length === 0) return 'nothing';
  const restarts = resizePolicy.some(
    ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && changed.includes(resourceName),
  );
  return restarts ? 'restart' : 'update';
}

/** What follows `Pod resize started: ` and the like in events: the resources by container, the generation, what went wrong. */
export function resizeSummary({ spec }: Pod, generation: number, error?: string): string {
  const summary = (containers: readonly Container[] | undefined): object[] | undefined =>
    containers?.map(({ name, resources: { limits, requests } = {} }) => ({ name, resources: { limits, requests } }));
  return JSON.stringify({
    initContainers: summary(spec?.initContainers),
    containers: summary(spec?.containers),
    generation,
    error,
  });
}
