/**
 * The node: everything that runs inside it, wired. The order of `startNode` is the order of need; what does not need each other starts
 * side by side. One process by default, each part with a client of its own identity over the loopback transport.
 */
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { UserInfo } from '../api/transport.ts';
import { createApiServer } from '../apiserver/server.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { NODES } from '../client/resources.ts';
import { createControllers } from '../controllers/registry.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { Rng } from '../lib/random.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import { readPem } from './config.ts';
import { IDENTITIES, nodeIdentity, serviceAccountIdentity } from './identities.ts';
import type { ContainerRuntime } from '../kubelet/runtime/runtime.ts';
import { nodePodCidr } from './runtime.ts';
import { openStore } from './store.ts';
import type { StartupTrace } from './trace.ts';

export interface NodeTools {
  clock: Clock;
  rng: Rng;
  log: Logger;
  trace: StartupTrace;
}

export interface RunningNode {
  apiserverPort: number;
  /** Stops every part in the reverse order of its start; each gets its chance whatever the others do. */
  stop(): Promise<void>;
}

/** Starts the node. Rejects when a part cannot start; what had started is stopped by then. */
export async function startNode(config: NodeConfig, tools: NodeTools, signal: AbortSignal): Promise<RunningNode> {
  const parts = new Parts(tools.log);
  try {
    return await start(config, tools, parts, signal);
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

async function start(config: NodeConfig, tools: NodeTools, parts: Parts, signal: AbortSignal): Promise<RunningNode> {
  const { clock, rng, log, trace } = tools;
  // The runtime needs nothing of the API: it boots while the store and the API server do.
  const runtimeBoot = bootRuntime(config, tools, parts, signal);
  runtimeBoot.catch((error: unknown) => log.error('the container runtime did not start', { error: errorMessage(error) }));
  const store = await trace.during('store', openStore(config, { clock, log, signal }));
  if (store.process) parts.started(store.process);
  parts.onStop('store', () => store.storage.close());

  const server = createApiServer(apiServerOptions(config, tools, store.storage));
  parts.started(server);
  const { port } = await server.listen({ host: config.apiserver.bindAddress, port: config.apiserver.port });
  await trace.during('apiserver', server.start(signal));

  const contextFor = (user: UserInfo, component: string): ComponentContext => {
    const client = parts.client(createClient({ transport: server.loopback(user), clock, log, rng }));
    return { client, clock, rng, log: log.with({ component }), events: createRecorder({ client, clock, log, component }) };
  };
  const controllers = createControllers(contextFor(IDENTITIES.controllers, 'controllers'), {
    caCert: readPem(config.pki, 'caCert'),
    transportOf: (name) => server.loopback(serviceAccountIdentity('kube-system', name)),
  });
  await Promise.all([
    trace.during('controllers', parts.start(controllers, signal)),
    trace.during('scheduler', parts.start([createScheduler(contextFor(IDENTITIES.scheduler, 'default-scheduler'))], signal)),
    runtimeBoot.then(async (runtime) => {
      const context = contextFor(nodeIdentity(config.nodeName), 'kubelet');
      await trace.during('kubelet', parts.start([await nodeKubelet(config, context, runtime)], signal));
      // NodeRestriction keeps kubelets from giving themselves a role; as with kubeadm an administrator does.
      await contextFor(IDENTITIES.admin, 'node').client.resource(NODES).patch(config.nodeName, 'merge', { metadata: { labels: CONTROL_PLANE_LABELS } });
    }),
  ]);
  return { apiserverPort: port, stop: () => parts.stop() };
}

async function bootRuntime(config: NodeConfig, tools: NodeTools, parts: Parts, signal: AbortSignal): Promise<ContainerRuntime> {
  const { bootContainerd } = await import('./runtime.ts');
  const { runtime, process } = await bootContainerd(config, tools, signal);
  parts.started(process);
  parts.onStop('runtime', () => runtime.close());
  return runtime;
}

async function nodeKubelet(config: NodeConfig, context: ComponentContext, runtime: ContainerRuntime): Promise<Component> {
  const { createKubelet } = await import('../kubelet/kubelet.ts');
  const { pki } = config;
  const { advertiseAddress, bindAddress } = config.apiserver;
  return createKubelet({
    ...context,
    runtime,
    nodeName: config.nodeName,
    nodeIp: advertiseAddress,
    rootDir: join(config.dataDir, 'kubelet'),
    dns: { ip: config.clusterDnsIp, domain: config.clusterDomain },
    serving: { cert: readPem(pki, 'kubeletServerCert'), key: readPem(pki, 'kubeletServerKey'), clientCa: readPem(pki, 'caCert'), host: bindAddress, port: KUBELET_PORT },
    labels: { 'rockpool.dev/runtime': config.runtime },
    podCidr: nodePodCidr(config.podCidr),
  });
}

const KUBELET_PORT = 10_250;
const CONTROL_PLANE_LABELS = { 'node-role.kubernetes.io/control-plane': '' };

function apiServerOptions(config: NodeConfig, { clock, rng, log }: NodeTools, storage: Parameters<typeof createApiServer>[0]['storage']): Parameters<typeof createApiServer>[0] {
  const { pki } = config;
  return {
    storage,
    clock,
    rng,
    log: log.with({ component: 'apiserver' }),
    tls: { cert: readPem(pki, 'apiserverCert'), key: readPem(pki, 'apiserverKey'), clientCa: readPem(pki, 'caCert'), frontProxyCa: readPem(pki, 'frontProxyCaCert') },
    serviceAccountKey: readPem(pki, 'serviceAccountKey'),
    issuer: `https://kubernetes.default.svc.${config.clusterDomain}`,
    serviceCidr: config.serviceCidr,
    nodePortRange: config.nodePortRange,
    advertiseAddress: config.apiserver.advertiseAddress,
    advertisePort: config.apiserver.port,
    externalUrl: config.apiserver.externalUrl,
    kubelet: {
      tls: { ca: readPem(pki, 'caCert'), cert: readPem(pki, 'apiserverKubeletClientCert'), key: readPem(pki, 'apiserverKubeletClientKey') },
      ...(config.runtime === 'sim' ? { allowLoopback: true } : {}),
    },
  };
}

/** What has started, in order, so that it can be stopped in reverse. */
class Parts {
  readonly #log: Logger;
  readonly #stops: { name: string; stop: () => Promise<void> }[] = [];
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  started(part: Component): void {
    this.onStop(part.name, () => part.stop());
  }

  onStop(name: string, stop: () => Promise<void>): void {
    this.#stops.unshift({ name, stop });
  }

  client(client: Client): Client {
    this.onStop('client', () => client.close());
    return client;
  }

  async start(components: readonly Component[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      components.map(async (component) => {
        this.started(component);
        try {
          await component.start(signal);
        } catch (error) {
          throw new Error(`${component.name} did not start: ${errorMessage(error)}`, { cause: error });
        }
      }),
    );
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const { name, stop } of this.#stops) {
      try {
        await stop();
      } catch (error) {
        this.#log.error('a part did not stop as it should', { part: name, error: errorMessage(error) });
      }
    }
  }
}

/** Whether the address is one of this machine's own loopback network. */
export const isLoopback = (address: string): boolean => isIP(address) === 4 && address.startsWith('127.');
