/** The kubelet with its runtime: containerd in a node container, the simulated one elsewhere. */
import { join } from 'node:path';
import type { ComponentContext } from '../client/reconcile.ts';
import type { SimNetwork } from '../kubelet/runtime/sim/network.ts';
import { createKubelet, type Kubelet } from '../kubelet/kubelet.ts';
import type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';
import type { Component } from '../lib/component.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import { readPem } from './config.ts';
import type { NodeTools } from './run.ts';

export interface BootedRuntime {
  runtime: ContainerRuntime;
  /** What serves it, started already. */
  parts: Component[];
}

const KUBELET_PORT = 10_250;

/** Boots the runtime that the configuration names; only that one is loaded. `network` is where simulated pods listen. */
export async function bootRuntime(config: NodeConfig, tools: NodeTools, signal: AbortSignal, network?: SimNetwork): Promise<BootedRuntime> {
  if (config.runtime === 'sim') {
    const { simRuntime } = await import('./sim.ts');
    return { runtime: await simRuntime(config, tools, network), parts: [] };
  }
  const { bootContainerd } = await import('./boot-containerd.ts');
  const { runtime, process } = await bootContainerd(config, tools, signal);
  return { runtime, parts: [process] };
}

export function nodeKubelet(config: NodeConfig, context: ComponentContext, runtime: ContainerRuntime): Kubelet {
  const { pki } = config;
  const rootDir = join(config.dataDir, 'kubelet');
  const isSim = config.runtime === 'sim';
  return createKubelet({
    ...context,
    runtime,
    nodeName: config.nodeName,
    nodeIp: config.apiserver.advertiseAddress,
    rootDir,
    dns: { ip: config.clusterDnsIp, domain: config.clusterDomain },
    serving: {
      cert: readPem(pki, 'kubeletServerCert'),
      key: readPem(pki, 'kubeletServerKey'),
      clientCa: readPem(pki, 'caCert'),
      host: isSim ? config.apiserver.advertiseAddress : config.apiserver.bindAddress,
      // Simulated clusters share the laptop: each takes a port of its own, and the node's status tells which.
      port: isSim ? 0 : KUBELET_PORT,
    },
    labels: { 'rockpool.dev/runtime': config.runtime },
    podCidr: nodePodCidr(config.podCidr),
    ...(isSim ? { cgroups: false, mounts: false, podLogsDir: join(config.dataDir, 'pods') } : {}),
  });
}

/** The first /24 of the cluster's pod range: this node's share (kube-controller-manager's node-cidr-mask-size). */
export function nodePodCidr(clusterCidr: string): string {
  const [address, bits] = clusterCidr.split('/') as [string, string];
  return Number(bits) >= 24 ? clusterCidr : `${address}/24`;
}
