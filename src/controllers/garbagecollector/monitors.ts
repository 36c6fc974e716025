import type { KubeObject } from '../../api/meta.ts';
import { keyOf, parseGroupVersion } from '../../api/meta.ts';
import type { OwnerReference } from '../../api/types.gen.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import { discoverResources } from '../../client/discovery.ts';
import * as builtIn from '../../client/resources.ts';
import type { Informer } from '../../client/informer.ts';

/** A resource whose objects can own or be owned, and the cache that shows them. */
export interface Monitor {
  type: ResourceType;
  informer: Informer<KubeObject>;
  unsubscribe: () => void;
}

export interface MonitorHandler {
  changed(monitor: Monitor, object: KubeObject, previous?: KubeObject): void;
  deleted(monitor: Monitor, object: KubeObject): void;
}

/** Upstream leaves these out too: they are many, come and go, and nobody owns or is owned. */
const IGNORED = new Set(['/events', 'events.k8s.io/events']);
const BUILT_IN = new Set(Object.values(builtIn).map(monitorKey));
const OWNER_INDEX = 'metadata.ownerReferences.uid';

/**
 * The caches of all resources that can be deleted and watched, custom ones included. In the API server's own process the objects are the
 * server's, so that a cache costs a Map of pointers; the informers are those that other controllers of the process use.
 */
export class Monitors {
  readonly #client: Client;
  readonly #handler: MonitorHandler;
  readonly #monitors = new Map<string, Monitor>();
  /** By group and kind, as owner references name them. */
  readonly #types = new Map<string, DiscoveredResource>();
  #refreshing = false;

  constructor(client: Client, handler: MonitorHandler) {
    this.#client = client;
    this.#handler = handler;
  }

  /** Brings the monitors in line with what the server offers now. New ones fill in the background. */
  async refresh(): Promise<void> {
    this.#refreshing = true;
    try {
      await this.#bringInLine();
    } finally {
      this.#refreshing = false;
    }
  }

  async #bringInLine(): Promise<void> {
    const { resources, failed } = await discoverResources(this.#client);
    const wanted = new Map<string, DiscoveredResource>();
    for (const type of resources) {
      this.#types.set(`${type.group}/${type.kind}`, type);
      if (isMonitored(type)) wanted.set(monitorKey(type), type);
    }
    for (const [key, type] of wanted) {
      if (this.#monitors.get(key)?.type.version === type.version) continue;
      await this.#replace(key, type);
      // One after the other, with other work of the process in between: nobody waits for this, and fifty lists at once would be felt.
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A group whose server is down has not lost its resources.
    const unknown = new Set(failed.map((each) => parseGroupVersion(each).group));
    for (const [key, { type }] of this.#monitors) {
      if (wanted.has(key) || unknown.has(type.group)) continue;
      await this.#remove(key);
      this.#types.delete(`${type.group}/${type.kind}`);
    }
  }

  /** Whether every dependent that exists is in a cache. Not while monitors are being added one by one: a dependent may be of the next one's kind. */
  get synced(): boolean {
    return !this.#refreshing && this.#monitors.size > 0 && [...this.#monitors.values()].every(({ informer }) => informer.synced);
  }

  get(key: string): Monitor | undefined {
    return this.#monitors.get(key);
  }

  /** The resource that an owner reference means; undefined when the server has no such kind (now). */
  typeOf({ apiVersion, kind }: Pick<OwnerReference, 'apiVersion' | 'kind'>): ResourceType | undefined {
    return this.#types.get(`${parseGroupVersion(apiVersion).group}/${kind}`);
  }

  /** The object that an owner reference names from within `namespace`, if a cache has it. */
  cachedOwner(reference: OwnerReference, namespace: string | undefined): KubeObject | undefined {
    const type = this.typeOf(reference);
    const monitor = type && this.#monitors.get(monitorKey(type));
    const owner = monitor?.informer.get(type!.namespaced ? `${namespace}/${reference.name}` : reference.name);
    return owner?.metadata.uid === reference.uid ? owner : undefined;
  }

  /** The object with this uid wherever it is: for telling apart an owner that is gone and one in another namespace. Slow. */
  findByUid(type: ResourceType, uid: string): KubeObject | undefined {
    return this.#monitors
      .get(monitorKey(type))
      ?.informer.list()
      .find(({ metadata }) => metadata.uid === uid);
  }

  dependentsOf(uid: string): { monitor: Monitor; object: KubeObject }[] {
    return [...this.#monitors.values()].flatMap((monitor) =>
      monitor.informer.byIndex(OWNER_INDEX, uid).map((object) => ({ monitor, object })),
    );
  }

  stop(): void {
    for (const { unsubscribe } of this.#monitors.values()) unsubscribe();
    this.#monitors.clear();
  }

  async #replace(key: string, type: DiscoveredResource): Promise<void> {
    await this.#remove(key);
    const informer = this.#client.informer(type);
    informer.addIndex(OWNER_INDEX, ({ metadata }) => metadata.ownerReferences?.map(({ uid }) => uid) ?? []);
    const monitor: Monitor = { type, informer, unsubscribe: () => undefined };
    this.#monitors.set(key, monitor);
    monitor.unsubscribe = informer.subscribe({
      added: (object) => this.#handler.changed(monitor, object),
      updated: (object, previous) => this.#handler.changed(monitor, object, previous),
      deleted: (object) => this.#handler.deleted(monitor, object),
    });
    // It rejects only when the client is closed, and then there is nobody left to tell.
    informer.start().catch(() => undefined);
  }

  async #remove(key: string): Promise<void> {
    const monitor = this.#monitors.get(key);
    if (!monitor) return;
    monitor.unsubscribe();
    this.#monitors.delete(key);
    // Other controllers hold informers of built-in resources, which do not go away.
    if (!BUILT_IN.has(key)) await this.#client.dropInformer(monitor.type);
  }
}

/** `apps/deployments` */
export function monitorKey({ group, resource }: Pick<ResourceType, 'group' | 'resource'>): string {
  return `${group}/${resource}`;
}

/** Names one object in the queue: `apps/deployments default/web`. */
export function itemKey({ type }: Monitor, object: KubeObject): string {
  return `${monitorKey(type)} ${keyOf(object)}`;
}

function isMonitored({ group, resource, verbs }: DiscoveredResource): boolean {
  return !IGNORED.has(`${group}/${resource}`) && ['delete', 'list', 'watch'].every((verb) => verbs.includes(verb));
}
