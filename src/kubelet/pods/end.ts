/** The end of a pod: its containers, its sandbox, and when it is gone in the API too, everything that it had on the node. */
import { rm } from 'node:fs/promises';
import type { Pod } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import { PODS } from '../../client/resources.ts';
import { stopContainer } from '../containers/stop.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { initContainers, isSidecar } from './containers-of.ts';
import { type PodRuntime, readySandbox } from './pod-runtime.ts';
import { podLogDirectory } from './sandbox-config.ts';
import type { PodServices } from './services.ts';

/** Seconds that the containers get to end by themselves; one for a pod that is gone from the API already (deleted by force), as upstream. */
export function graceOf({ metadata, spec }: Pod, gone: boolean): number {
  return gone ? 1 : (metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30);
}

export interface EndRequest {
  graceSeconds: number;
  signal: AbortSignal;
  report(runtime: PodRuntime): Promise<void>;
}

/** Stops everything of the pod; returns what the runtime then holds (records of ended containers). Safe to repeat. */
export async function endPod(pod: Pod, { graceSeconds, signal, report }: EndRequest, services: PodServices): Promise<PodRuntime> {
  const { cache, runtime } = services;
  const uid = pod.metadata.uid!;
  let now = await cache.pod(uid);
  const podIp = readySandbox(now)?.ips[0] ?? '';
  const running = now.containers.filter((container) => container.state === 'RUNNING' || container.state === 'UNKNOWN');
  if (running.length > 0) await report(now);
  for (const group of stopOrder(pod, running)) {
    await Promise.all(group.map((container) => stopContainer(pod, container, { graceSeconds, podIp, signal }, services)));
  }
  services.probes.forget(uid);
  for (const sandbox of now.sandboxes)
    if (sandbox.state === 'READY' || running.length > 0) await runtime.stopPodSandbox(sandbox.id, signal);
  if (pod.spec?.resourceClaims?.length) await services.devices.unprepare(uid);
  now = await cache.pod(uid);
  return now;
}

/** The app first, side by side; then the sidecars, the last one first (KEP-753). */
function stopOrder(pod: Pod, running: readonly ContainerStatus[]): ContainerStatus[][] {
  const sidecars = initContainers(pod)
    .filter(isSidecar)
    .map((container) => container.name);
  const apps = running.filter((container) => !sidecars.includes(container.name));
  const last = sidecars.toReversed().map((name) => running.filter((container) => container.name === name));
  return [apps, ...last].filter((group) => group.length > 0);
}

/** Removes the pod's records, logs, volumes and cgroups, and last its API object, unless that is gone already. */
export async function removePod(pod: Pod, { gone, signal }: { gone: boolean; signal: AbortSignal }, services: PodServices): Promise<void> {
  const uid = pod.metadata.uid!;
  await removeFromNode(pod, services, signal);
  services.images.forget(uid);
  services.restarts.forget(`${uid}_`);
  services.probes.forget(uid);
  if (!gone) await deleteObject(pod, services);
  services.status.forget(uid);
}

/** Also for pods that only the runtime knows (orphans of a time when the kubelet was away). */
export async function removeFromNode(
  pod: Pod,
  { cache, runtime, volumes, devices, cgroups, node }: PodServices,
  signal: AbortSignal,
): Promise<void> {
  const uid = pod.metadata.uid!;
  for (const sandbox of (await cache.pod(uid)).sandboxes) {
    await runtime.stopPodSandbox(sandbox.id, signal);
    await runtime.removePodSandbox(sandbox.id, signal);
  }
  await devices.unprepare(uid);
  await volumes.tearDown(uid);
  await rm(podLogDirectory(pod, node.podLogsDir), { recursive: true, force: true });
  await cgroups.remove(uid);
}

/** The kubelet's word that nothing of the pod runs any more: only then may its name be used again. */
async function deleteObject(pod: Pod, { client }: PodServices): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  try {
    await client.resource(PODS, namespace).delete(name!, { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (error) {
    if (!StatusError.is(error, 'NotFound') && !StatusError.is(error, 'Conflict')) throw error;
  }
}
