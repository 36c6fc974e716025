import { existsSync } from 'node:fs';
import type { Component } from '../lib/component.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';
import { containerdProcess, containerdSocket } from './containerd.ts';
import { nodePodCidr } from './kubelet.ts';
import { preloadImages } from './preload.ts';
import { prepareNode } from './prepare.ts';
import type { NodeTools } from './run.ts';

/** Starts a pod in two thirds of runc's time; runc serves where it is missing. */
const CRUN = '/usr/bin/crun';

export interface BootedRuntime {
  runtime: ContainerRuntime;
  process: Component;
}

/** containerd, ready to run pods: the container prepared, the process up, what it preloads imported. */
export async function bootContainerd(config: NodeConfig, { clock, log, trace }: NodeTools, signal: AbortSignal): Promise<BootedRuntime> {
  const socket = containerdSocket(config.runDir);
  const podCidr = nodePodCidr(config.podCidr);
  const process = containerdProcess({
    dataDir: config.dataDir,
    runDir: config.runDir,
    podCidr,
    clock,
    log,
    ...(existsSync(CRUN) ? { ociRuntime: CRUN } : {}),
  });
  const [{ createCriRuntime }] = await Promise.all([
    import('../kubelet/runtime/cri/runtime.ts'),
    prepareNode(log).then(() => process.start(signal)),
  ]);
  trace.mark('containerd');
  if (config.imagesDir) await trace.during('images', preloadImages(config.imagesDir, { socket, dataDir: config.dataDir, log }));
  return { runtime: createCriRuntime({ socketPath: socket, clock, log }), process };
}
