import type { KubeObject } from '../../api/meta.ts';
import type { OwnerReference } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { API_SERVICES, CUSTOM_RESOURCE_DEFINITIONS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { Collection, FOREGROUND, ORPHAN } from './collection.ts';
import type { Monitor } from './monitors.ts';
import { itemKey, Monitors } from './monitors.ts';

export interface GarbageCollectorOptions {
  /** After the start of the process, ms, until all resources are watched: starting must not wait for what nobody has deleted yet. */
  startDelayMs?: number;
}

const DISCOVER = 'discover';
/** A burst of CRDs is one discovery; and a server needs a moment to serve a new one. */
const DISCOVER_DELAY_MS = 500;
/** An owner may arrive in its cache after its dependent; asking the server about each such pair would be one call per new pod. */
const OWNER_LAG_MS = 1000;

/**
 * Deletes objects whose owners are gone, and carries out foreground and orphaning deletion: the garbage collection of ownerReferences.
 * Unlike upstream it keeps no graph of its own: the informers' caches are the graph, with an index by owner uid.
 */
export function createGarbageCollector(context: ComponentContext, { startDelayMs = 1000 }: GarbageCollectorOptions = {}): Component[] {
  const collector = new GarbageCollector(context, startDelayMs);
  const loop = runReconciler(context, collector);
  const stop = async (): Promise<void> => {
    await loop.stop();
    collector.stop();
  };
  return [{ name: loop.name, start: (signal) => loop.start(signal), stop }];
}

/** Keys are `discover` and itemKey()s. */
class GarbageCollector implements Reconciler {
  readonly name = 'garbage-collector-controller';
  readonly concurrency = 10;
  readonly #context: ComponentContext;
  readonly #startDelayMs: number;
  readonly #monitors: Monitors;
  readonly #collection: Collection;
  #queue: Parameters<Reconciler['setup']>[0] | undefined;

  constructor(context: ComponentContext, startDelayMs: number) {
    this.#context = context;
    this.#startDelayMs = startDelayMs;
    this.#monitors = new Monitors(context.client, {
      changed: (monitor, object, previous) => this.#changed(monitor, object, previous),
      deleted: (_monitor, object) => this.#deleted(object),
    });
    this.#collection = new Collection(context, this.#monitors);
  }

  setup(queue: Parameters<Reconciler['setup']>[0]): void {
    this.#queue = queue;
    const { client } = this.#context;
    const rediscover = (): void => queue.addAfter(DISCOVER, DISCOVER_DELAY_MS);
    queue.addAfter(DISCOVER, this.#startDelayMs);
    for (const type of [CUSTOM_RESOURCE_DEFINITIONS, API_SERVICES]) {
      const informer = client.informer<{ metadata: KubeObject['metadata'] }>(type);
      informer.subscribe({
        added: () => informer.synced && rediscover(),
        updated: rediscover,
        deleted: rediscover,
      });
    }
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    if (key === DISCOVER) return this.#monitors.refresh();
    const [type, name] = key.split(' ');
    const monitor = this.#monitors.get(type!);
    const object = monitor?.informer.get(name!);
    if (monitor && object) return this.#collection.attend(monitor, object, (each, dependent) => this.#queue!.add(itemKey(each, dependent)));
  }

  stop(): void {
    this.#monitors.stop();
  }

  /** Called for every change of every object: what has no owners and no finalizer of ours must cost next to nothing. */
  #changed(monitor: Monitor, object: KubeObject, previous: KubeObject | undefined): void {
    const { deletionTimestamp, ownerReferences, finalizers } = object.metadata;
    if (previous?.metadata.ownerReferences) this.#noteLostOwners(object, previous.metadata.ownerReferences);
    if (deletionTimestamp) {
      if (finalizers?.some((finalizer) => finalizer === FOREGROUND || finalizer === ORPHAN)) this.#queue!.add(itemKey(monitor, object));
      return;
    }
    if (!ownerReferences) return;
    if (previous && sameOwners(ownerReferences, previous.metadata.ownerReferences ?? [])) return;
    const owners = ownerReferences.map((owner) => this.#monitors.cachedOwner(owner, object.metadata.namespace));
    if (owners.some((owner) => owner?.metadata.deletionTimestamp)) this.#queue!.add(itemKey(monitor, object));
    else if (owners.includes(undefined)) this.#queue!.addAfter(itemKey(monitor, object), OWNER_LAG_MS);
  }

  #deleted(object: KubeObject): void {
    const { uid, ownerReferences = [] } = object.metadata;
    this.#collection.noteAbsent(uid!);
    for (const { monitor, object: dependent } of this.#monitors.dependentsOf(uid!)) this.#queue!.add(itemKey(monitor, dependent));
    this.#wakeOwners(ownerReferences, object.metadata.namespace);
  }

  /** An owner in foreground deletion may go when the last dependent that blocks it is gone, or does not block any more. */
  #noteLostOwners(object: KubeObject, before: readonly OwnerReference[]): void {
    const now = object.metadata.ownerReferences ?? [];
    const lost = before.filter(
      ({ uid, blockOwnerDeletion }) => blockOwnerDeletion && !now.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
    if (lost.length > 0) this.#wakeOwners(lost, object.metadata.namespace);
  }

  #wakeOwners(references: readonly OwnerReference[], namespace: string | undefined): void {
    for (const reference of references) {
      const owner = this.#monitors.cachedOwner(reference, namespace);
      const type = owner?.metadata.deletionTimestamp && this.#monitors.typeOf(reference);
      const monitor = type && this.#monitors.get(`${type.group}/${type.resource}`);
      if (monitor) this.#queue!.add(itemKey(monitor, owner));
    }
  }
}

function sameOwners(a: readonly OwnerReference[], b: readonly OwnerReference[]): boolean {
  return (
    a.length === b.length &&
    a.every((owner, index) => owner.uid === b[index]!.uid && owner.blockOwnerDeletion === b[index]!.blockOwnerDeletion)
  );
}
