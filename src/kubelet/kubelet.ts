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
import { errorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import { Backoff } from './containers/backoff.ts';
import { nodeFacts } from './containers/start.ts';
import { createImagePuller } from './images/puller.ts';
import { createLogKeeper, type LogKeeper } from './logs/keeper.ts';
import { readMachine } from './node/machine.ts';
import { createNodeAgent, type NodeAgent } from './node/node-agent.ts';
import { createCgroups, noCgroups } from './pods/cgroups.ts';
import { type DnsConfig, parseResolvConf } from './pods/dns.ts';
import { createPodManager, type PodManager } from './pods/manager.ts';
import { createRuntimeCache } from './pods/runtime-cache.ts';
import type { NodeView, PodServices } from './pods/services.ts';
import { createStatusWriter } from './pods/status-writer.ts';
import { createProbeManager } from './probes/manager.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';
import { createKubeletServer, type KubeletServer, type ServingOptions } from './server/server.ts';
import { createVolumeManager } from './volumes/manager.ts';
import { kernelMounts, noMounts } from './volumes/mounts.ts';
import { createWatchedObjects } from './volumes/objects.ts';
import { createTokens } from './volumes/tokens.ts';

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
    await Promise.all([this.#parts.node.start(), pods.start(), services.start()]);
    await this.#parts.pods.start();
    this.#parts.logs.start();
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the kubelet stops'));
    await Promise.all([this.#parts?.pods.stop(), this.#parts?.node.stop(), this.#parts?.server?.close()]);
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
  const { client, clock, rng, log, events, runtime, nodeName, dns, serving } = options;
  const ips = [options.nodeIp].flat();
  const machine = readMachine({ rootDir: options.rootDir, ...options.capacity });
  const changed = (podUid: string): void => pods.wake(podUid);
  const cache = createRuntimeCache(runtime);
  const objects = createWatchedObjects({ client, clock, log, rng });
  const agent = createNodeAgent({
    client, clock, log, events, runtime, nodeName, machine,
    addresses: ips,
    labels: options.labels ?? {},
    taints: options.taints ?? [],
    podCidr: options.podCidr,
    maxPods: options.maxPods ?? DEFAULT_MAX_PODS,
    port: () => server?.port ?? serving?.port ?? 0,
  }); // prettier-ignore
  const node: NodeView = {
    name: nodeName,
    ips,
    runtimeName: () => agent.runtimeName(),
    networkProblem: () => agent.networkProblem(),
    allocatable: agent.capacity,
    memoryCapacity: machine.memoryBytes,
    podLogsDir: given.podLogsDir,
  };
  const probes = createProbeManager({ runtime, events, clock, changed });
  const volumes = createVolumeManager({
    rootDir: options.rootDir,
    mounts: options.mounts === false ? noMounts() : kernelMounts(),
    objects,
    tokens: createTokens(client, clock),
    clock,
    log,
    nodeFacts: (pod) =>
      nodeFacts(
        { node },
        (pod.status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
      ),
    changed,
  });
  const services: PodServices = {
    client, clock, log, rng, events, runtime, cache, volumes, objects, probes, node,
    images: createImagePuller({ runtime, objects, events, clock, pulled: () => agent.imagesChanged() }),
    cgroups: options.cgroups === false ? noCgroups : createCgroups(options.cgroups),
    restarts: new Backoff(clock),
    status: createStatusWriter({ client, clock, log, signal: given.signal }),
    dns: { ip: dns.ip, domain: dns.domain, host: given.host },
    services: (namespace) => [...given.services.listNamespace(namespace), ...kubernetesService(given.services, namespace)],
  }; // prettier-ignore
  const pods = createPodManager(given.pods, services);
  const routes = { pods, cache, runtime, clock, nodeName, memoryBytes: machine.memoryBytes };
  const server = serving && createKubeletServer(serving, routes, log);
  const logs = createLogKeeper({ pods, runtime, clock, log });
  return {
    pods,
    node: agent,
    logs,
    server,
    close() {
      logs.stop();
      probes.close();
      volumes.close();
      objects.close();
    },
  };
}

/** Every container is told where the API is, whatever its namespace. */
function kubernetesService(services: Informer<Service>, namespace: string): Service[] {
  const service = namespace === 'default' ? undefined : services.get('default/kubernetes');
  return service ? [service] : [];
}
