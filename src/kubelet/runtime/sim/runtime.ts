/** The simulated runtime: pods that are modelled, behind the same contract as containerd's. All of its state is in memory. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import { errorCode, errorMessage } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import {
  type AnnotationsOf, type ContainerConfig, type ContainerResources, type ContainerRuntime, type ContainerStats, type ContainerStatus, type PodSandbox, type PodSandboxConfig, RuntimeError, type StreamOptions, type StreamTarget,
} from '../runtime.ts'; // prettier-ignore
import { type Addresses, createAddresses } from './addresses.ts';
import { unknownImage } from './catalogue/unknown.ts';
import { notFound, SimContainer } from './container.ts';
import { createNameLookup } from './dns-client.ts';
import { createEventQueue, type EventQueue } from './events.ts';
import { openHostPorts } from './host-ports.ts';
import { createSimImages, type SimImages } from './images.ts';
import { Collector, EMPTY_INPUT } from './io.ts';
import { createLogFile } from './log-file.ts';
import type { CatalogueEntry } from './model.ts';
import type { SimNetwork } from './network.ts';
import { createPodNetwork, type NameLookup, type PodNetwork } from './pod-network.ts';
import { attachSession, execSession, portForwardSession } from './sessions.ts';
import { podStats } from './usage.ts';

export interface SimRuntimeOptions {
  /** Pods get their addresses from it: a loopback range, `127.244.0.0/24`. */
  podCidr: string;
  /** Of pods on the host's network. */
  hostIp: string;
  network: SimNetwork;
  /** How names resolve in pods; by asking their name servers unless given. */
  lookup?: NameLookup;
  /** A folder of the users' own models; see user-models.ts. */
  catalogueDir?: string;
  /** Images that are there without a pull: those of addons. */
  preloaded?: readonly string[];
  version: string;
  clock: Clock;
  log: Logger;
}

export function createSimRuntime(options: SimRuntimeOptions): ContainerRuntime {
  return new SimRuntime(options);
}

interface Sandbox {
  id: string;
  config: PodSandboxConfig;
  state: 'READY' | 'NOTREADY';
  createdAt: number;
  ip: string;
  network: PodNetwork;
  containers: Set<SimContainer>;
  closePorts(): void;
}

const MS_TO_NS = 1e6;
/** What the simulated node itself is said to use: plausible constants. */
const NODE_MEMORY_BYTES = 96 * 2 ** 20;
const NODE_CORES = 0.02;

class SimRuntime implements ContainerRuntime {
  readonly #options: SimRuntimeOptions;
  readonly #addresses: Addresses;
  readonly #images: SimImages;
  readonly #preloaded: Promise<unknown>;
  readonly #events: EventQueue = createEventQueue();
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, SimContainer>();
  readonly #bornAt: number;
  /** Of containers that have ended, so that the node's counter never goes back. */
  #endedCpuMs = 0;

  constructor(options: SimRuntimeOptions) {
    this.#options = options;
    this.#bornAt = options.clock.monotonic();
    this.#addresses = createAddresses(options.podCidr);
    this.#images = createSimImages({
      own: options.catalogueDir === undefined ? undefined : ownModels(options.catalogueDir, options.log),
      unknown: unknownImage,
    });
    this.#preloaded = Promise.all((options.preloaded ?? []).map((image) => this.#images.pull(image)));
    this.#preloaded.catch((error: unknown) => options.log.warn('an image could not be preloaded', { error: errorMessage(error) }));
  }

  version(): Promise<{ runtimeName: string; runtimeVersion: string }> {
    return Promise.resolve({ runtimeName: 'sim', runtimeVersion: this.#options.version });
  }

  status(): Promise<{ runtimeReady: boolean; networkReady: boolean; message: string }> {
    return Promise.resolve({ runtimeReady: true, networkReady: true, message: '' });
  }

  async runPodSandbox(config: PodSandboxConfig): Promise<string> {
    const ip = config.hostNetwork ? this.#options.hostIp : this.#addresses.take();
    const { network, clock, lookup = createNameLookup({ network, clock }) } = this.#options;
    const dns = { servers: config.dns.servers, searches: config.dns.searches, ndots: ndotsOf(config.dns.options) };
    const id = randomBytes(32).toString('hex');
    const hosts = (): Promise<ReadonlyMap<string, string>> => this.#hosts(id);
    try {
      const closePorts = config.portMappings.length > 0 ? await openHostPorts(config, ip, network) : () => undefined;
      this.#sandboxes.set(id, {
        id,
        config,
        state: 'READY',
        createdAt: clock.now(),
        ip,
        network: createPodNetwork({ network, ip, dns, lookup, hosts }),
        containers: new Set(),
        closePorts,
      });
    } catch (error) {
      if (!config.hostNetwork) this.#addresses.give(ip);
      throw error;
    }
    return id;
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox || sandbox.state === 'NOTREADY') return;
    await Promise.all([...sandbox.containers].map((container) => container.stop(0)));
    sandbox.state = 'NOTREADY';
    sandbox.closePorts();
    if (!sandbox.config.hostNetwork) this.#addresses.give(sandbox.ip);
    this.#events.push({ podUid: sandbox.config.uid });
  }

  async removePodSandbox(sandboxId: string): Promise<void> {
    await this.stopPodSandbox(sandboxId);
    for (const { id } of this.#sandboxes.get(sandboxId)?.containers ?? []) this.#containers.delete(id);
    this.#sandboxes.delete(sandboxId);
  }

  listPodSandboxes(): Promise<PodSandbox[]> {
    return Promise.resolve([...this.#sandboxes.values()].map((sandbox) => ({ ...shownSandbox(sandbox), ips: [] })));
  }

  podSandboxStatus(sandboxId: string): Promise<PodSandbox | undefined> {
    const sandbox = this.#sandboxes.get(sandboxId);
    return Promise.resolve(sandbox && shownSandbox(sandbox));
  }

  createContainer(sandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig): Promise<string> {
    const sandbox = this.#sandbox(sandboxId);
    const image = this.#images.find(config.image);
    if (!image) throw new RuntimeError('NotFound', `failed to create containerd container: image "${config.image}": not found`);
    const { clock, log } = this.#options;
    const file = path.join(sandboxConfig.logDirectory, config.logPath);
    const container = new SimContainer({
      sandboxId,
      config,
      sandbox: sandboxConfig,
      image,
      network: sandbox.network,
      log: createLogFile(file, {
        clock,
        failed: (error) => log.warn('a container log could not be written', { file, error: errorMessage(error) }),
      }),
      clock,
      changed: () => {
        if (container.finished) this.#endedCpuMs += container.cpu.total(undefined);
        this.#events.push({ podUid: sandbox.config.uid });
      },
    });
    this.#containers.set(container.id, container);
    sandbox.containers.add(container);
    return Promise.resolve(container.id);
  }

  startContainer(containerId: string): Promise<void> {
    return this.#container(containerId).start();
  }

  async stopContainer(containerId: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    await this.#containers.get(containerId)?.stop(timeoutSeconds, signal);
  }

  updateContainerResources(containerId: string, resources: ContainerResources): Promise<void> {
    this.#container(containerId).resize(resources);
    return Promise.resolve();
  }

  async removeContainer(containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (!container) return;
    await container.stop(0);
    this.#containers.delete(containerId);
    this.#sandboxes.get(container.sandboxId)?.containers.delete(container);
  }

  listContainers(): Promise<ContainerStatus[]> {
    return Promise.resolve([...this.#containers.values()].map((container) => container.status()));
  }

  containerStatus(containerId: string): Promise<ContainerStatus | undefined> {
    return Promise.resolve(this.#containers.get(containerId)?.status());
  }

  /** Nothing is held open. */
  reopenContainerLog(): Promise<void> {
    return Promise.resolve();
  }

  async execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<{ stdout: Buffer; stderr: Buffer; exitCode: number }> {
    const [stdout, stderr] = [new Collector(), new Collector()];
    const child = this.#container(containerId).exec(command, { stdin: EMPTY_INPUT, stdout, stderr });
    if (!child) throw new RuntimeError('Unknown', cannotExec(command));
    let late = false;
    const cancel =
      timeoutSeconds > 0
        ? this.#options.clock.timer(timeoutSeconds * 1000, () => ((late = true), child.process.signal('KILL')))
        : undefined;
    const exitCode = await child.ended;
    cancel?.();
    if (late)
      throw new RuntimeError('Timeout', `failed to exec in container: timeout ${timeoutSeconds}s exceeded: context deadline exceeded`);
    return { stdout: stdout.bytes(), stderr: stderr.bytes(), exitCode };
  }

  exec(containerId: string, options: StreamOptions & { command: readonly string[] }): Promise<StreamTarget> {
    const container = this.#container(containerId);
    return Promise.resolve({ kind: 'serve', serve: (session) => execSession(container, options, session, cannotExec(options.command)) });
  }

  attach(containerId: string, options: StreamOptions): Promise<StreamTarget> {
    const container = this.#container(containerId);
    if (!container.running) throw new RuntimeError('Unknown', `container is in CONTAINER_${container.status().state} state`);
    return Promise.resolve({ kind: 'serve', serve: (session) => attachSession(container, options, session) });
  }

  portForward(sandboxId: string): Promise<StreamTarget> {
    const { network } = this.#sandbox(sandboxId);
    return Promise.resolve({ kind: 'serve', serve: (session) => portForwardSession(network, session) });
  }

  addressOf(ip: string, port: number): { host: string; port: number } {
    return this.#options.network.resolve(ip, port);
  }

  events(signal: AbortSignal): AsyncIterable<{ podUid: string }> {
    return this.#events.read(signal);
  }

  /** Modelled: what programs say that their work costs, a constant of memory for each image; or what the pod's annotations say. */
  stats(annotationsOf: AnnotationsOf = () => undefined): Promise<ContainerStats[]> {
    const at = this.#options.clock.now();
    return Promise.resolve(
      [...this.#sandboxes.values()].flatMap(({ config: { uid }, containers }) =>
        podStats(
          [...containers].filter(({ running }) => running),
          annotationsOf(uid),
        ).map((stats) => ({ ...stats, podUid: uid, at })),
      ),
    );
  }

  /** The sum of its pods and a little for itself. */
  async nodeStats(annotationsOf?: AnnotationsOf): Promise<{ cpuNanoseconds: number; memoryWorkingSetBytes: number }> {
    const stats = await this.stats(annotationsOf);
    const own = (this.#options.clock.monotonic() - this.#bornAt) * NODE_CORES * MS_TO_NS;
    return {
      cpuNanoseconds: Math.round(stats.reduce((sum, each) => sum + each.cpuNanoseconds, own + this.#endedCpuMs * MS_TO_NS)),
      memoryWorkingSetBytes: stats.reduce((sum, each) => sum + each.memoryWorkingSetBytes, NODE_MEMORY_BYTES),
    };
  }

  async pullImage(image: string): Promise<{ imageRef: string }> {
    return { imageRef: (await this.#images.pull(image)).info.id };
  }

  async imageStatus(image: string): ReturnType<ContainerRuntime['imageStatus']> {
    await this.#preloaded;
    return this.#images.find(image)?.info;
  }

  async listImages(): ReturnType<ContainerRuntime['listImages']> {
    await this.#preloaded;
    return this.#images.list().map(({ info }) => info);
  }

  removeImage(image: string): Promise<void> {
    this.#images.remove(image);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.stop(0)));
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new RuntimeError('NotFound', `failed to find sandbox "${id}": not found`);
    return sandbox;
  }

  #container(id: string): SimContainer {
    const container = this.#containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `an error occurred when try to find container "${id}": not found`);
    return container;
  }

  /** The pod's hosts file, which its containers share as a mount. */
  async #hosts(sandboxId: string): Promise<ReadonlyMap<string, string>> {
    const file = [...(this.#sandboxes.get(sandboxId)?.containers ?? [])]
      .flatMap(({ config }) => config.mounts)
      .find(({ containerPath }) => containerPath === '/etc/hosts')?.hostPath;
    return file ? parseHosts(await readHosts(file)) : new Map();
  }
}

/** Only loaded where there is a folder with something in it. */
function ownModels(folder: string, log: Logger): () => Promise<readonly CatalogueEntry[]> {
  return async () => {
    if (!existsSync(folder)) return [];
    const { readUserModels } = await import('./user-models.ts');
    return readUserModels(folder, (error) => log.warn('a modelled image cannot be used', { error: error.message }));
  };
}

function shownSandbox({ id, config, state, createdAt, ip }: Sandbox): PodSandbox {
  const { name, namespace, uid, attempt, labels, annotations } = config;
  return { id, name, namespace, uid, attempt, state, createdAt, labels, annotations, ips: [ip] };
}

function cannotExec(command: readonly string[]): string {
  return `failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: ${notFound(command[0] ?? '')}`;
}

function ndotsOf(options: readonly string[]): number {
  return Number(options.find((option) => option.startsWith('ndots:'))?.slice(6) ?? 1);
}

async function readHosts(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

function parseHosts(text: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    for (const name of names) if (address && !result.has(name)) result.set(name, address);
  }
  return result;
}
