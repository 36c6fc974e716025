import type { Pod } from '../../api/types.gen.ts';
import { findContainer } from '../pods/containers-of.ts';
import { currentContainer } from '../pods/pod-runtime.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { HttpError } from './http-error.ts';
import type { RouteContext } from './route.ts';

/** Throws HttpError 404. */
export function requirePod([namespace = '', name = '']: readonly string[], { pods }: RouteContext): Pod {
  const pod = pods.find(namespace, name);
  if (!pod) throw new HttpError(404, `pod "${name}" not found`);
  return pod;
}

/** `namespace/pod/container`, or with the pod's uid in between, as upstream's older paths. */
export function containerName(parts: readonly string[]): string {
  return parts[3] ?? parts[2] ?? '';
}

/** The container that streams are opened to. Throws HttpError in upstream's words. */
export async function requireRunning(parts: readonly string[], context: RouteContext): Promise<ContainerStatus> {
  const pod = requirePod(parts, context);
  const name = containerName(parts);
  if (!findContainer(pod, name))
    throw new HttpError(404, `container ${name} not found in pod ${pod.metadata.name}_${pod.metadata.namespace}`);
  const status = currentContainer(await context.cache.pod(pod.metadata.uid!), name);
  if (status?.state !== 'RUNNING') throw new HttpError(500, `container not found ("${name}")`);
  return status;
}
