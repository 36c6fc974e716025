/** The runtime's sandboxes and containers grouped by pod. Lists are shared by all who ask at the same time. */
import { type ContainerRuntime, type ContainerStatus, type PodSandbox } from '../runtime/runtime.ts';
import { POD_UID } from '../containers/labels.ts';
import { newestFirst, type PodRuntime } from './pod-runtime.ts';

export interface PodListing {
  sandboxes: PodSandbox[];
  containers: ContainerStatus[];
}

export interface RuntimeCache {
  /** What there is of a pod, asked of the runtime after this call. */
  pod(podUid: string): Promise<PodRuntime>;
  /** All pods by UID, without the full status of their containers. */
  all(): Promise<ReadonlyMap<string, PodListing>>;
}

export function createRuntimeCache(runtime: ContainerRuntime): RuntimeCache {
  return new Cache(runtime);
}

class Cache implements RuntimeCache {
  readonly #runtime: ContainerRuntime;
  #current: Promise<ReadonlyMap<string, PodListing>> | undefined;
  #following: Promise<ReadonlyMap<string, PodListing>> | undefined;
  /** What has ended does not change any more. */
  readonly #ended = new Map<string, ContainerStatus>();
  readonly #addresses = new Map<string, string[]>();

  constructor(runtime: ContainerRuntime) {
    this.#runtime = runtime;
  }

  async pod(podUid: string): Promise<PodRuntime> {
    const listing = (await this.all()).get(podUid);
    if (!listing) return { sandboxes: [], containers: [] };
    const sandboxes = newestFirst(listing.sandboxes);
    const containers = await Promise.all(listing.containers.map((container) => this.#full(container)));
    const [newest, ...older] = sandboxes;
    const first = newest && newest.state === 'READY' ? { ...newest, ips: await this.#ipsOf(newest) } : newest;
    return {
      sandboxes: first ? [first, ...older] : [],
      containers: newestFirst(containers.filter((container) => container !== undefined)),
    };
  }

  /** A list that was begun before the call may miss what the caller just did: then the next one is shared. */
  all(): Promise<ReadonlyMap<string, PodListing>> {
    if (!this.#current) return this.#begin();
    this.#following ??= this.#current.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#following;
  }

  #begin(): Promise<ReadonlyMap<string, PodListing>> {
    this.#following = undefined;
    const list = this.#list().finally(() => {
      if (this.#current === list) this.#current = undefined;
    });
    this.#current = list;
    return list;
  }

  async #list(): Promise<ReadonlyMap<string, PodListing>> {
    const [sandboxes, containers] = await Promise.all([this.#runtime.listPodSandboxes(), this.#runtime.listContainers()]);
    const pods = new Map<string, PodListing>();
    const of = (uid: string): PodListing => {
      const listing = pods.get(uid) ?? { sandboxes: [], containers: [] };
      pods.set(uid, listing);
      return listing;
    };
    for (const sandbox of sandboxes) of(sandbox.uid).sandboxes.push(sandbox);
    for (const container of containers) {
      const uid = container.labels[POD_UID];
      if (uid) of(uid).containers.push(container);
    }
    this.#forgetGone(sandboxes, containers);
    return pods;
  }

  #forgetGone(sandboxes: readonly PodSandbox[], containers: readonly ContainerStatus[]): void {
    const alive = new Set([...sandboxes, ...containers].map(({ id }) => id));
    for (const id of this.#ended.keys()) if (!alive.has(id)) this.#ended.delete(id);
    for (const id of this.#addresses.keys()) if (!alive.has(id)) this.#addresses.delete(id);
  }

  async #full(listed: ContainerStatus): Promise<ContainerStatus | undefined> {
    const ended = this.#ended.get(listed.id);
    if (ended) return ended;
    const status = await this.#runtime.containerStatus(listed.id);
    if (!status) return undefined;
    const full = { ...status, sandboxId: listed.sandboxId };
    if (full.state === 'EXITED') this.#ended.set(full.id, full);
    return full;
  }

  async #ipsOf({ id }: PodSandbox): Promise<string[]> {
    const known = this.#addresses.get(id);
    if (known) return known;
    const ips = (await this.#runtime.podSandboxStatus(id))?.ips ?? [];
    if (ips.length > 0) this.#addresses.set(id, ips);
    return ips;
  }
}
