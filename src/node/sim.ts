/** The simulated side of a node: modelled containers on loopback addresses. */
import type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';
import { createSimNetwork, type SimNetwork } from '../kubelet/runtime/sim/network.ts';
import { createSimRuntime } from '../kubelet/runtime/sim/runtime.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import { nodePodCidr } from './kubelet.ts';
import type { NodeTools } from './run.ts';

declare global {
  var ROCKPOOL_VERSION: string | undefined;
}

/** Pods and Services share one network. */
export async function simRuntime(
  config: NodeConfig,
  { clock, log }: NodeTools,
  network: SimNetwork = createSimNetwork(),
): Promise<ContainerRuntime> {
  return createSimRuntime({
    ...(config.catalogueDir ? { catalogueDir: config.catalogueDir } : {}),
    podCidr: nodePodCidr(config.podCidr),
    hostIp: config.apiserver.advertiseAddress,
    network,
    version: globalThis.ROCKPOOL_VERSION ?? 'source',
    clock,
    log,
  });
}
