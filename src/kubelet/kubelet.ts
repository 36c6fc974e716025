/** The kubelet: brings the pods of its node to what the API says, tells the API how they are, and answers for their logs and streams. */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pod, Service, Taint } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { Informer } from '../client/informer.ts';
import { PODS, SERVICES } from '../client/resources.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import { Backoff } from './containers/backoff.ts';
import { nodeFacts } from './containers/start.ts';
import { createDeviceDrivers } from './devices/drivers.ts';
import { createPodDevices } from './devices/manager.ts';
import { createImagePuller } from './images/puller.ts';
import { createLogKeeper, type LogKeeper } from './logs/keeper.ts';
import { type Machine, readMachine } from './node/machine.ts';
import { createNodeAgent, type NodeAgent } from './node/node-agent.ts';
import { createCgroups, noCgroups } from './pods/cgroups.ts';
import { type DnsConfig, parseResolvConf } from './pods/dns.ts';
import { createPodManager, type PodManager } from './pods/manager.ts';
import { createRuntimeCache } from './pods/runtime-cache.ts';
import type { NodeView, PodServices } from './pods/services.ts';
import { createStatusWriter } from './pods/status-writer.ts';
import { createPluginRegistry, type PluginHandlers, type PluginRegistry } from './plugins/registry.ts';
import { createProbeManager } from './probes/manager.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';
import { createKubeletServer, type KubeletServer, type ServingOptions } from './server/server.ts';
import { createCsiVolumes, type CsiVolumes } from './volumes/csi/volumes.ts';
import { createVolumeManager, type VolumeManager } from './volumes/manager.ts';
import { kernelMounts, noMounts } from './volumes/mounts.ts';
import { createWatchedObjects, type WatchedObjects } from './volumes/objects.ts';
import { createTokens, type Tokens } from './volumes/tokens.ts';

export interface KubeletOptions {
  client: Client;
  clock: Clock;
  rng: Rng;
  log: Logger;
  events: EventRecorder;
  runtime: ContainerRuntime;
  nodeName: string;
  /** The node's addresses, the primary one first. */
  nodeIp: string | readonly string[];
  /** `/var/lib/kubelet`: volumes and termination logs. */
  rootDir: string;
  /** `/var/log/pods` unless given. */
  podLogsDir?: string;
  dns: { ip: string; domain: string; /** `/etc/resolv.conf` unless given. */ resolvConf?: string };
  /** Without it there is no server (simulated nodes share one). */
  serving?: ServingOptions;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  podCidr?: string;
  /** 110 unless given. */
  maxPods?: number;
  /** What the node claims instead of what the machine has. */
  capacity?: { cpus?: number; memoryBytes?: number };
  /** Real containers have cgroups and mounts; a modelled runtime has neither. `parent` is `kubepods` unless given. */
  cgroups?: false | { root?: string; parent?: string };
  mounts?: boolean;
}

export interface Kubelet extends Component {
  /** Of its server, once started. */
  readonly port: number;
}

const DEFAULT_MAX_PODS = 110;

/** Nothing is touched before `start`. After `stop` the containers go on, and the next kubelet takes them over. */
export function createKubelet(options: KubeletOptions): Kubelet {
  return new KubeletComponent(options);
}

class KubeletComponent implements Kubelet {
  readonly name = 'kubelet';
  readonly #options: KubeletOptions;
  readonly #stopped = new AbortController();
  #parts: Parts | undefined;

  constructor(options: KubeletOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#parts?.server?.port ?? this.#options.serving?.port ?? 0;
  }

  /** Resolves when the node is registered and its pods are being worked on. */
  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#stopped.abort(signal.reason), { once: true });
    const { rootDir, podLogsDir = '/var/log/pods', client, nodeName } = this.#options;
    await Promise.all([mkdir(path.join(rootDir, 'pods'), { recursive: true }), mkdir(podLogsDir, { recursive: true })]);
    const pods = client.informer(PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    const services = client.informer(SERVICES);
    this.#parts = buildParts(this.#options, { pods, services, podLogsDir, host: await this.#hostDns(), signal: this.#stopped.signal });
    await this.#parts.server?.listen();
    // the node's first status must say which volumes are in use, or they are detached
    await this.#parts.csi.start();
    await Promise.all([this.#parts.node.start(), pods.start(), services.start()]);
    await Promise.all([this.#parts.pods.start(), this.#parts.plugins.start()]);
    this.#parts.logs.start();
    this.#announceDrivers(this.#parts.csi);
  }

  /** Nothing of the start waits for it. */
  #announceDrivers({ drivers }: CsiVolumes): void {
    drivers.announce().catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#options.log.warn('CSINode could not be made', { error: errorMessage(error) });
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the kubelet stops'));
    const parts = this.#parts;
    await Promise.all([parts?.pods.stop(), parts?.node.stop(), parts?.plugins.stop(), parts?.server?.close()]);
    this.#parts?.close();
  }

  async #hostDns(): Promise<DnsConfig> {
    try {
      return parseResolvConf(await readFile(this.#options.dns.resolvConf ?? '/etc/resolv.conf', 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return { servers: [], searches: [], options: [] };
      throw error;
    }
  }
}

interface Parts {
  pods: PodManager;
  node: NodeAgent;
  logs: LogKeeper;
  csi: CsiVolumes;
  plugins: PluginRegistry;
  server?: KubeletServer;
  close(): void;
}

interface Given {
  pods: Informer<Pod>;
  services: Informer<Service>;
  podLogsDir: string;
  host: DnsConfig;
  signal: AbortSignal;
}

/** Puts the parts together. Those that report to the pod workers get a function, since workers come last. */
function buildParts(options: KubeletOptions, given: Given): Parts {
  const { client, clock, rng, log, events, runtime, nodeName, serving } = options;
  const machine = readMachine({ rootDir: options.rootDir, ...options.capacity });
  const changed = (podUid: string): void => pods.wake(podUid);
  const agent = nodeAgent(options, { machine, port: () => server?.port ?? serving?.port ?? 0, volumesInUse: () => csi.inUse() });
  const node = nodeView(options, { agent, machine, podLogsDir: given.podLogsDir });
  const cache = createRuntimeCache(runtime);
  const objects = createWatchedObjects({ client, clock, log, rng });
  const probes = createProbeManager({ runtime, events, clock, changed });
  const tokens = createTokens(client, clock);
  const csi = createCsiVolumes({ ...options, objects, tokens, reportInUse: () => agent.reportVolumesInUse(), changed });
  const volumes = podVolumes(options, { node, objects, tokens, csi, changed });
  const drivers = createDeviceDrivers(() => pods.wakeAll());
  const plugins = pluginRegistry(options, { CSIPlugin: csi.drivers, DRAPlugin: drivers });
  const services: PodServices = {
    client, clock, log, rng, events, runtime, cache, volumes, objects, probes, node,
    devices: createPodDevices({ client, drivers, rootDir: options.rootDir }),
    images: createImagePuller({ runtime, objects, events, clock, pulled: () => agent.imagesChanged() }),
    cgroups: options.cgroups === false ? noCgroups : createCgroups(options.cgroups),
    restarts: new Backoff(clock),
    status: createStatusWriter({ client, clock, log, signal: given.signal }),
    dns: { ip: options.dns.ip, domain: options.dns.domain, host: given.host },
    services: (namespace) => [...given.services.listNamespace(namespace), ...kubernetesService(given.services, namespace)],
  }; // prettier-ignore
  const pods = createPodManager(given.pods, services);
  const server = serving && createKubeletServer(serving, { pods, cache, runtime, clock, nodeName, memoryBytes: machine.memoryBytes }, log);
  const logs = createLogKeeper({ pods, runtime, clock, log });
  const close = (): void => {
    for (const part of [logs, probes, volumes, csi, drivers, objects]) part.close();
  };
  return { pods, node: agent, logs, csi, plugins, server, close };
}

function nodeAgent(options: KubeletOptions, facts: { machine: Machine; port: () => number; volumesInUse: () => string[] }): NodeAgent {
  const { nodeIp, labels = {}, taints = [], maxPods = DEFAULT_MAX_PODS } = options;
  return createNodeAgent({ ...options, addresses: [nodeIp].flat(), labels, taints, maxPods, ...facts });
}

function pluginRegistry({ rootDir, clock, rng, log }: KubeletOptions, handlers: PluginHandlers): PluginRegistry {
  return createPluginRegistry({ folder: path.join(rootDir, 'plugins_registry'), handlers, clock, rng, log });
}

function nodeView(
  options: KubeletOptions,
  { agent, machine, podLogsDir }: { agent: NodeAgent; machine: Machine; podLogsDir: string },
): NodeView {
  return {
    name: options.nodeName,
    ips: [options.nodeIp].flat(),
    runtimeName: () => agent.runtimeName(),
    networkProblem: () => agent.networkProblem(),
    allocatable: agent.capacity,
    memoryCapacity: machine.memoryBytes,
    podLogsDir,
    seccompDir: path.join(options.rootDir, 'seccomp'),
  };
}

function podVolumes(
  { clock, log, rootDir, mounts }: KubeletOptions,
  parts: { node: NodeView; objects: WatchedObjects; tokens: Tokens; csi: CsiVolumes; changed: (podUid: string) => void },
): VolumeManager {
  const { node } = parts;
  return createVolumeManager({
    ...parts,
    rootDir,
    mounts: mounts === false ? noMounts() : kernelMounts(),
    clock,
    log,
    nodeFacts: ({ status }) =>
      nodeFacts(
        { node },
        (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
      ),
  });
}

/** Every container is told where the API is, whatever its namespace. */
function kubernetesService(services: Informer<Service>, namespace: string): Service[] {
  const service = namespace === 'default' ? undefined : services.get('default/kubernetes');
  return service ? [service] : [];
}
