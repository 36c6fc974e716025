/** Registers the node, keeps its status and its lease. The status goes out at once when something changed, else every five minutes. */
import type { Node, NodeStatus, Taint } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { NODES } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { ContainerRuntime, ImageInfo } from '../runtime/runtime.ts';
import { keepLease } from './lease.ts';
import type { Machine } from './machine.ts';
import { nodeCapacity, nodeStatus } from './status.ts';

export interface NodeAgentOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  runtime: ContainerRuntime;
  nodeName: string;
  addresses: readonly string[];
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  podCidr?: string;
  maxPods: number;
  machine: Machine;
  /** The port of the kubelet's server, known once it listens. */
  port(): number;
  /** Unique names of attachable volumes that pods use, in order. */
  volumesInUse(): string[];
}

export interface NodeAgent {
  readonly capacity: Readonly<Record<string, string>>;
  /** `containerd`, known after `start`. */
  runtimeName(): string;
  networkProblem(): string | undefined;
  /** The list of images is read anew at the next look. */
  imagesChanged(): void;
  /** Resolves once the status shows the volumes in use as they are now. */
  reportVolumesInUse(): Promise<void>;
  /** Registers the node with its first status. Resolves when the API has it. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const FULL_REPORT_MS = 300_000;
/** How often the runtime is asked how it is; while it is not ready, much more often. */
const CHECK_MS = 10_000;
const CHECK_UNREADY_MS = 50;
const RETRY_MS = 200;

export function createNodeAgent(options: NodeAgentOptions): NodeAgent {
  return new Agent(options);
}

class Agent implements NodeAgent {
  readonly capacity: Readonly<Record<string, string>>;
  readonly #options: NodeAgentOptions;
  readonly #stopped = new AbortController();
  #version = { runtimeName: 'containerd', runtimeVersion: '' };
  #health = { runtimeReady: false, networkReady: false, message: 'container runtime status check may not have completed yet' };
  #images: ImageInfo[] = [];
  #imagesKnown = false;
  #node: Node | undefined;
  #sent = '';
  #sentAt = 0;
  #wasReady = false;
  #loops: Promise<void>[] = [];

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    this.capacity = nodeCapacity(options.machine, options.maxPods);
  }

  runtimeName(): string {
    return this.#version.runtimeName;
  }

  networkProblem(): string | undefined {
    return this.#health.networkReady ? undefined : this.#health.message || 'the network plugin is not ready';
  }

  imagesChanged(): void {
    this.#imagesKnown = false;
  }

  async reportVolumesInUse(): Promise<void> {
    if (this.#node) this.#node = await this.#send(this.#node);
  }

  async start(): Promise<void> {
    const { log, clock } = this.#options;
    const { signal } = this.#stopped;
    await this.#askRuntime();
    while (!this.#node) {
      try {
        this.#node = await this.#register();
      } catch (error) {
        log.warn('the node could not be registered', { error: errorMessage(error) });
        await clock.sleep(RETRY_MS, signal);
      }
    }
    this.#loops = [this.#keepStatus(), keepLease({ ...this.#options, nodeUid: () => this.#node?.metadata.uid, signal })];
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the kubelet stops'));
    await Promise.all(this.#loops);
  }

  /** Creates the node with its status in one go, or brings the labels of the one that is there up to date. */
  async #register(): Promise<Node> {
    const { client, nodeName, taints, podCidr, clock } = this.#options;
    const nodes = client.resource(NODES);
    const labels = this.#labels();
    const node: Node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName, labels, annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' } },
      spec: { ...(taints.length > 0 ? { taints: [...taints] } : {}), ...(podCidr ? { podCIDR: podCidr, podCIDRs: [podCidr] } : {}) },
      status: this.#status(undefined),
    };
    let registered: Node;
    try {
      registered = await nodes.create(node);
      this.#tell('Starting', 'Starting kubelet.');
      this.#note(node.status!, clock.now());
    } catch (error) {
      if (!StatusError.is(error, 'AlreadyExists')) throw error;
      registered = await nodes.get(nodeName);
      const known = registered.metadata.labels ?? {};
      if (Object.entries(labels).some(([name, value]) => known[name] !== value))
        registered = await nodes.patch(nodeName, 'merge', { metadata: { labels } });
      const missingCidr = podCidr && !registered.spec?.podCIDR;
      if (missingCidr) registered = await nodes.patch(nodeName, 'merge', { spec: { podCIDR: podCidr, podCIDRs: [podCidr] } });
      registered = await this.#send(registered);
    }
    return registered;
  }

  #labels(): Record<string, string> {
    const { nodeName, machine, labels } = this.#options;
    const platform = { os: 'linux', arch: machine.architecture };
    return {
      'beta.kubernetes.io/os': platform.os,
      'beta.kubernetes.io/arch': platform.arch,
      'kubernetes.io/os': platform.os,
      'kubernetes.io/arch': platform.arch,
      'kubernetes.io/hostname': nodeName,
      ...labels,
    };
  }

  #status(previous: Node | undefined): NodeStatus {
    const { machine, nodeName, addresses, port, clock, volumesInUse } = this.#options;
    const { runtimeName, runtimeVersion } = this.#version;
    return nodeStatus(previous, {
      machine,
      hostName: nodeName,
      addresses,
      port: port(),
      capacity: this.capacity,
      runtimeVersion: `${runtimeName}://${runtimeVersion.replace(/^v/, '')}`,
      runtime: this.#health,
      images: this.#images,
      volumesInUse: volumesInUse(),
      now: clock.now(),
    });
  }

  async #keepStatus(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const ready = this.#health.runtimeReady && this.#health.networkReady;
      try {
        await clock.sleep(ready ? CHECK_MS : CHECK_UNREADY_MS, signal);
        await this.#askRuntime();
        const status = this.#status(this.#node);
        if (essence(status) !== this.#sent || clock.now() - this.#sentAt >= FULL_REPORT_MS) this.#node = await this.#send(this.#node!);
      } catch (error) {
        if (!signal.aborted) log.warn('node status could not be written', { error: errorMessage(error) });
        // a node that was deleted while we run is registered again
        if (StatusError.is(error, 'NotFound')) await this.#registerAgain();
      }
    }
  }

  async #registerAgain(): Promise<void> {
    try {
      this.#node = await this.#register();
    } catch (error) {
      this.#options.log.warn('the node could not be registered again', { error: errorMessage(error) });
    }
  }

  async #send(node: Node): Promise<Node> {
    const { client, nodeName, clock } = this.#options;
    // images loaded by hand show up with the next full report
    this.#imagesKnown = false;
    const status = this.#status(node);
    const answer = await client.resource(NODES).patch(nodeName, 'strategic', { status: patchOf(status) }, 'status');
    this.#note(status, clock.now());
    return answer;
  }

  #note(status: NodeStatus, now: number): void {
    const ready = status.conditions?.find((condition) => condition.type === 'Ready')?.status === 'True';
    if (ready !== this.#wasReady)
      this.#tell(
        ready ? 'NodeReady' : 'NodeNotReady',
        `Node ${this.#options.nodeName} status is now: ${ready ? 'NodeReady' : 'NodeNotReady'}`,
      );
    this.#wasReady = ready;
    this.#sent = essence(status);
    this.#sentAt = now;
  }

  /** About the node; its name stands for its uid, as upstream, where `kubectl describe node` looks for it. */
  #tell(reason: string, message: string): void {
    const { events, nodeName } = this.#options;
    events.event({ kind: 'Node', name: nodeName, uid: nodeName, apiVersion: 'v1' }, 'Normal', reason, message);
  }

  /** What cannot be asked counts as down; the next look tells more. */
  async #askRuntime(): Promise<void> {
    const { runtime, log } = this.#options;
    const { signal } = this.#stopped;
    try {
      [this.#version, this.#health, this.#images] = await Promise.all([
        this.#version.runtimeVersion === '' ? runtime.version(signal) : this.#version,
        runtime.status(signal),
        this.#imagesKnown ? this.#images : runtime.listImages(),
      ]);
      this.#imagesKnown = true;
    } catch (error) {
      if (this.#health.runtimeReady) log.warn('the container runtime does not answer', { error: errorMessage(error) });
      this.#health = { runtimeReady: false, networkReady: false, message: errorMessage(error) };
    }
  }
}

/** Lists that would be merged are replaced, and what is no more is taken away. */
function patchOf(status: NodeStatus): object {
  const { addresses = [], volumesInUse = null } = status;
  return { ...status, addresses: [...addresses, { $patch: 'replace' }], volumesInUse };
}

/** The status without its heartbeats: whether something changed. */
function essence(status: NodeStatus): string {
  return JSON.stringify({
    ...status,
    conditions: status.conditions?.map(({ type, status: value, reason, message }) => [type, value, reason, message]),
  });
}
