/** Carries out a plan: the effects, in their order. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Container, Pod, ResourceRequirements } from '../../api/types.gen.ts';
import { errorMessage } from '../../lib/errors.ts';
import { podReference } from '../containers/events.ts';
import { startContainer } from '../containers/start.ts';
import { StartError } from '../containers/start-error.ts';
import { stopContainer } from '../containers/stop.ts';
import type { PodSandboxConfig } from '../runtime/runtime.ts';
import type { MountedVolume } from '../volumes/manager.ts';
import { writeHostsFile } from './hosts-file.ts';
import type { PodPlan } from './plan.ts';
import { type PodRuntime, readySandbox } from './pod-runtime.ts';
import { resizeContainers } from './resize-containers.ts';
import { podLogDirectory, podSandboxConfig } from './sandbox-config.ts';
import type { PodServices } from './services.ts';
import { podText } from './pod-text.ts';
import { unsupported } from './unsupported.ts';

export interface PlanRun {
  plan: PodPlan;
  runtime: PodRuntime;
  signal: AbortSignal;
  /** Why a container waits; undefined when it waits no more. */
  note(container: string, why: { reason: string; message?: string } | undefined): void;
  resizing: {
    /** The runtime has taken new resources on. */
    updated(containerId: string, resources: ResourceRequirements): void;
    failed(pod: Pod, why: string): void;
  };
}

/** Of what waits without a time of its own: objects that are missing, a runtime that refused. */
const RETRY_MS = 2000;
/** Of a resize that the runtime refused, or that would take memory in use. */
const RESIZE_RETRY_MS = 10_000;

/** Returns when to look again (ms), or undefined for at once. Throws what hinders the pod as a whole. */
export async function runPlan(pod: Pod, run: PlanRun, services: PodServices): Promise<number | undefined> {
  const { plan, runtime, signal } = run;
  const podIp = readySandbox(runtime)?.ips[0] ?? '';
  const graceSeconds = pod.spec?.terminationGracePeriodSeconds ?? 30;
  await Promise.all(
    plan.stop.map(({ container, spec, message }) =>
      stopContainer(pod, container, { message, graceSeconds: probeGrace(spec) ?? graceSeconds, podIp, signal }, services),
    ),
  );
  if (plan.killSandbox) await endSandboxes(pod, run, services);
  const resizeAgain = await resizeRunning(pod, run, services);
  if (plan.start.length === 0 && plan.createSandbox === undefined) return resizeAgain;
  const volumes = await services.volumes.setUp(pod);
  await prepareDevices(pod, services);
  const sandbox = await ensureSandbox(pod, run, services);
  const startAgain = await startAll(pod, { ...run, ...sandbox, volumes }, services);
  return startAgain === undefined ? resizeAgain : Math.min(startAgain, resizeAgain ?? startAgain);
}

async function resizeRunning(pod: Pod, { plan, resizing }: PlanRun, services: PodServices): Promise<number | undefined> {
  if (plan.resize.length === 0) return undefined;
  const why = await resizeContainers(pod, { resize: plan.resize, updated: (id, resources) => resizing.updated(id, resources) }, services);
  if (why === undefined) return undefined;
  resizing.failed(pod, why);
  return RESIZE_RETRY_MS;
}

async function prepareDevices(pod: Pod, { devices, events }: PodServices): Promise<void> {
  try {
    await devices.prepare(pod);
  } catch (error) {
    const message = `Failed to prepare dynamic resources: ${errorMessage(error)}`;
    events.event(podReference(pod), 'Warning', 'FailedPrepareDynamicResources', message);
    throw new Error(message, { cause: error });
  }
}

/** A probe may shorten the grace period of the container that failed it. */
function probeGrace(container: Container | undefined): number | undefined {
  return container?.livenessProbe?.terminationGracePeriodSeconds ?? container?.startupProbe?.terminationGracePeriodSeconds;
}

async function endSandboxes(pod: Pod, { runtime, signal }: PlanRun, services: PodServices): Promise<void> {
  services.events.event(podReference(pod), 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
  const running = runtime.containers.filter((container) => container.state === 'RUNNING');
  await Promise.all(running.map((container) => services.runtime.stopContainer(container.id, 0, signal)));
  for (const sandbox of runtime.sandboxes) await services.runtime.stopPodSandbox(sandbox.id, signal);
}

interface ReadySandbox {
  sandboxId: string;
  sandbox: PodSandboxConfig;
  podIps: readonly string[];
}

async function ensureSandbox(pod: Pod, { plan, runtime, signal }: PlanRun, services: PodServices): Promise<ReadySandbox> {
  const { dns, node, cgroups, cache } = services;
  const cgroupParent = await cgroups.create(pod);
  const settings = { dns, podLogsDir: node.podLogsDir, seccompDir: node.seccompDir, cgroupParent };
  const present = readySandbox(runtime);
  if (present && plan.createSandbox === undefined) {
    const ips = pod.spec?.hostNetwork ? node.ips : present.ips;
    return { sandboxId: present.id, sandbox: podSandboxConfig(pod, present.attempt, settings), podIps: ips };
  }
  const problem = pod.spec?.hostNetwork ? undefined : node.networkProblem();
  if (problem !== undefined) {
    services.events.event(podReference(pod), 'Warning', 'NetworkNotReady', `network is not ready: ${problem}`);
    throw new Error(`network is not ready: ${problem}`);
  }
  const refused = await unsupported(pod, services);
  if (refused !== undefined) throw noSandbox(pod, services, new Error(refused));
  const sandbox = podSandboxConfig(pod, plan.createSandbox ?? 0, settings);
  await mkdir(podLogDirectory(pod, node.podLogsDir), { recursive: true });
  const sandboxId = await createSandbox(pod, sandbox, services);
  signal.throwIfAborted();
  if (pod.spec?.hostNetwork) return { sandboxId, sandbox, podIps: node.ips };
  const created = (await cache.pod(pod.metadata.uid!)).sandboxes.find((one) => one.id === sandboxId);
  return { sandboxId, sandbox, podIps: created?.ips ?? [] };
}

/** Not cut short by the pod's end: a sandbox made half way would have no owner. */
async function createSandbox(pod: Pod, sandbox: PodSandboxConfig, services: PodServices): Promise<string> {
  try {
    return await services.runtime.runPodSandbox(sandbox);
  } catch (error) {
    throw noSandbox(pod, services, error);
  }
}

function noSandbox(pod: Pod, { events }: PodServices, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  events.event(podReference(pod), 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
  return new Error(`failed to create a sandbox for pod ${podText(pod)}`, { cause });
}

/** One after the other, in the order of the spec; what fails waits and does not hold up the rest. */
async function startAll(
  pod: Pod,
  run: PlanRun & ReadySandbox & { volumes: ReadonlyMap<string, MountedVolume> },
  services: PodServices,
): Promise<number | undefined> {
  const hostsFile = path.join(services.volumes.podDir(pod.metadata.uid!), 'etc-hosts');
  await writeHostsFile(pod, { file: hostsFile, podIps: run.podIps, clusterDomain: services.dns.domain });
  let again: number | undefined;
  for (const container of run.plan.start) {
    try {
      await startContainer(pod, container, { ...run, hostsFile, newSandbox: run.plan.createSandbox !== undefined }, services);
      run.note(container.name, undefined);
    } catch (error) {
      if (run.signal.aborted || !(error instanceof StartError)) throw error;
      run.note(container.name, { reason: error.reason, message: error.message });
      again = Math.min(again ?? Number.POSITIVE_INFINITY, error.retryAfterMs ?? RETRY_MS);
    }
  }
  return again;
}
