/**
 * The node: everything that runs inside it, wired. The order of `start` is the order of need; what does not need each other starts side by
 * side. One process by default, each part with a client of its own identity over the loopback transport.
 */
import type { UserInfo } from '../api/transport.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../apiserver/server.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { NODES } from '../client/resources.ts';
import { serviceAccountUser } from '../client/transports/service-account.ts';
import { createControllers } from '../controllers/registry.ts';
import { fleetDialer } from '../kubelet/fleet/dialer.ts';
import { createSimNetwork, type SimNetwork } from '../kubelet/runtime/sim/network.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { Rng } from '../lib/random.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import type { Storage } from '../storage/storage.ts';
import { addonManager } from './addons.ts';
import { componentFactories } from './component-factories.ts';
import { componentSwitch } from './components.ts';
import { ComponentHealth } from './component-health.ts';
import { certificateAuthority, readPem, schedulerOptions } from './config.ts';
import { dataProtection } from './data-protection.ts';
import { IDENTITIES, nodeIdentity } from './identities.ts';
import { type BootedRuntime, bootRuntime, nodeKubelet } from './kubelet.ts';
import { Parts } from './parts.ts';
import { runsSeparately, SEPARATE, separateProcess } from './separate.ts';
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
  stop(): Promise<void>;
}

/** A client of this identity and what else a component needs; every call makes a client of its own. */
export type ContextFor = (user: UserInfo, component: string) => ComponentContext;

interface Node {
  config: NodeConfig;
  configPath: string;
  tools: NodeTools;
  parts: Parts;
  signal: AbortSignal;
  health: ComponentHealth;
}

/** How long a start waits for addons. */
const ADDONS_MS = 3_000;
const CONTROL_PLANE_LABELS = { 'node-role.kubernetes.io/control-plane': '' };

/** Starts the node that the file at `configPath` describes. Rejects when a part cannot start; what had started is stopped by then. */
export async function startNode(config: NodeConfig, configPath: string, tools: NodeTools, signal: AbortSignal): Promise<RunningNode> {
  const parts = new Parts(tools.log);
  try {
    const health = new ComponentHealth(['controller-manager', 'scheduler']);
    return await start({ config, configPath, tools, parts, signal, health });
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

async function start(node: Node): Promise<RunningNode> {
  const { config, tools, parts, signal } = node;
  const { clock, rng, log, trace } = tools;
  // The runtime needs nothing of the API: it boots while the store and the API server do. In processes apart it is the kubelet's own.
  const network = config.runtime === 'sim' ? createSimNetwork() : undefined;
  const runtime = config.splitProcesses ? undefined : bootRuntime(config, tools, signal, network);
  runtime?.catch((error: unknown) => log.error('the container runtime did not start', { error: errorMessage(error) }));

  const store = await trace.during('store', openStore(config, { clock, log, signal }));
  if (store.process) parts.started(store.process);
  parts.onStop('store', () => store.storage.close());

  const server = createApiServer(apiServerOptions(node, store.storage, network));
  parts.started(server);
  const { port } = await server.listen({ host: config.apiserver.bindAddress, port: config.apiserver.port });
  await trace.during('apiserver', server.start(signal));

  const contextFor: ContextFor = (user, component) => {
    const client = parts.client(createClient({ transport: server.loopback(user), clock, log, rng }));
    return { client, clock, rng, log: log.with({ component }), events: createRecorder({ client, clock, log, component }) };
  };
  await Promise.all([
    runtime ? startAgents(node, server, runtime, contextFor) : startApart(node, contextFor),
    startProxy(node, contextFor, network),
    startAddons(node, server, contextFor, network),
    startFleet(node, contextFor),
  ]);
  return { apiserverPort: port, stop: () => parts.stop() };
}

/** Controllers, scheduler and kubelet in this process. */
async function startAgents(
  { config, tools: { trace }, parts, signal, health }: Node,
  server: ApiServer,
  booting: Promise<BootedRuntime>,
  contextFor: ContextFor,
): Promise<void> {
  const controllers = createControllers(contextFor(IDENTITIES.controllers, 'controllers'), {
    ...certificateAuthority(config),
    transportOf: (name) => server.loopback(serviceAccountUser(name)),
  });
  const scheduler = createScheduler(contextFor(IDENTITIES.scheduler, 'default-scheduler'), await schedulerOptions(config));
  const kubelet = async (): Promise<void> => {
    const booted = await booting;
    for (const part of booted.parts) parts.started(part);
    parts.onStop('runtime', () => booted.runtime.close());
    await trace.during(
      'kubelet',
      parts.start([nodeKubelet(config, contextFor(nodeIdentity(config.nodeName), 'kubelet'), booted.runtime)], signal),
    );
    await markControlPlane(config, contextFor);
  };
  await Promise.all([
    trace.during('controllers', parts.start(controllers, signal)).then(() => health.started('controller-manager')),
    trace.during('scheduler', parts.start([scheduler], signal)).then(() => health.started('scheduler')),
    kubelet(),
  ]);
}

/** Services: in the kernel's packet filter where pods are real, on sockets of this process where they are simulated. */
async function startProxy(node: Node, contextFor: ContextFor, network?: SimNetwork): Promise<void> {
  const { config, tools, parts, signal } = node;
  const context = contextFor(IDENTITIES.proxy, 'kube-proxy');
  const address = config.apiserver.advertiseAddress;
  await tools.trace.during('proxy', parts.start([await proxyFor()], signal));

  async function proxyFor(): Promise<Component> {
    if (network) {
      const { createUserspaceProxy } = await import('../proxy/userspace/userspace-proxy.ts');
      return createUserspaceProxy({ ...context, network, nodeName: config.nodeName, nodePortAddresses: [address] });
    }
    const { createProxy } = await import('../proxy/proxy.ts');
    return createProxy({ ...context, nodeName: config.nodeName, nodeIps: [address], podCidr: config.podCidr });
  }
}

/** `--sim-nodes`: nodes without a kubelet each. Those that an earlier start had more of go away. */
async function startFleet({ config, tools: { trace }, parts, signal }: Node, contextFor: ContextFor): Promise<void> {
  if (config.runtime !== 'sim') return;
  const [{ createFleet }, { FLEET_LABEL }] = await Promise.all([
    import('../kubelet/fleet/fleet.ts'),
    import('../kubelet/fleet/fleet-node.ts'),
  ]);
  const context = contextFor(IDENTITIES.admin, 'fleet');
  const count = config.simNodes ?? 0;
  if (count === 0 && (await context.client.resource(NODES).list({ labelSelector: FLEET_LABEL })).items.length === 0) return;
  const fleet = createFleet({
    ...context,
    count,
    nodePrefix: fleetPrefix(config.nodeName),
    version: globalThis.ROCKPOOL_VERSION ?? 'source',
  });
  await trace.during('fleet', parts.start([fleet], signal));
}

/** The same as processes of their own, over https. */
async function startApart({ config, configPath, tools, parts, signal, health }: Node, contextFor: ContextFor): Promise<void> {
  await parts.start(
    SEPARATE.map((name) => separateProcess(name, configPath, config, tools)),
    signal,
  );
  health.started('controller-manager', () => runsSeparately(config, 'controllers'));
  health.started('scheduler', () => runsSeparately(config, 'scheduler'));
  await markControlPlane(config, contextFor);
}

/** NodeRestriction keeps kubelets from giving themselves a role; as with kubeadm an administrator does. */
async function markControlPlane({ nodeName }: NodeConfig, contextFor: ContextFor): Promise<void> {
  await contextFor(IDENTITIES.admin, 'node')
    .client.resource(NODES)
    .patch(nodeName, 'merge', { metadata: { labels: CONTROL_PLANE_LABELS } });
}

/** Addons' manifests, and the parts of the node that are addons. */
async function startAddons(
  { config, tools, parts, signal }: Node,
  { localApis, resources }: ApiServer,
  contextFor: ContextFor,
  network?: SimNetwork,
): Promise<void> {
  const { client, log } = contextFor(IDENTITIES.admin, 'addons');
  const address = config.apiserver.advertiseAddress;
  const components = componentSwitch({
    factories: componentFactories({ config, tools, contextFor, localApis, resources, ...(network ? { network } : {}) }),
    client,
    nodeName: config.nodeName,
    log,
  });
  parts.onStop('components', () => components.stop());
  const manager = addonManager({
    addonsDir: config.addonsDir,
    client,
    clock: tools.clock,
    log,
    variables: { CLUSTER_DNS_IP: config.clusterDnsIp, CLUSTER_DOMAIN: config.clusterDomain, NODE_IP: address, NODE_NAME: config.nodeName },
    onComponents: (names) => components.set(names, signal),
  });
  // An addon that does not come up must not keep the cluster from its users: it is tried again, and `addons enable` waits for it.
  const started = parts.start([manager], signal).then(() => true);
  const inTime = await tools.trace.during('addons', Promise.race([started, tools.clock.sleep(ADDONS_MS, signal).then(() => false)]));
  if (!inTime) log.warn('the addons are not all up yet', { waitedMs: ADDONS_MS });
}

function apiServerOptions(
  { config, tools: { clock, rng, log }, health }: Node,
  storage: Storage,
  network: SimNetwork | undefined,
): ApiServerOptions {
  const { pki } = config;
  return {
    storage,
    clock,
    rng,
    log: log.with({ component: 'apiserver' }),
    tls: {
      cert: readPem(pki, 'apiserverCert'),
      key: readPem(pki, 'apiserverKey'),
      clientCa: readPem(pki, 'caCert'),
      frontProxyCa: readPem(pki, 'frontProxyCaCert'),
    },
    frontProxyClient: { cert: readPem(pki, 'frontProxyClientCert'), key: readPem(pki, 'frontProxyClientKey') },
    serviceAccountKey: readPem(pki, 'serviceAccountKey'),
    ...dataProtection(config, { clock, log }),
    components: health.checks,
    issuer: `https://kubernetes.default.svc.${config.clusterDomain}`,
    serviceCidr: config.serviceCidr,
    nodePortRange: config.nodePortRange,
    advertiseAddress: config.apiserver.advertiseAddress,
    advertisePort: config.apiserver.port,
    externalUrl: config.apiserver.externalUrl,
    kubelet: {
      tls: { ca: readPem(pki, 'caCert'), cert: readPem(pki, 'apiserverKubeletClientCert'), key: readPem(pki, 'apiserverKubeletClientKey') },
      ...(network ? simulatedPods(config, network) : {}),
    },
  };
}

/** How the API server reaches simulated pods: where they really listen; and that those of a fleet are not there to be reached. */
function simulatedPods(
  { nodeName }: NodeConfig,
  network: SimNetwork,
): Pick<NonNullable<ApiServerOptions['kubelet']>, 'allowLoopback' | 'resolve' | 'dial'> {
  return { allowLoopback: true, resolve: (ip, port) => network.resolve(ip, port), dial: fleetDialer(fleetPrefix(nodeName)) };
}

const fleetPrefix = (nodeName: string): string => `${nodeName}-`;
