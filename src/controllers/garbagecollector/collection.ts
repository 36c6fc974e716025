import type { KubeObject } from '../../api/meta.ts';
import { keyOf, splitKey } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { OwnerReference } from '../../api/types.gen.ts';
import type { DeleteOptions } from '../../client/client.ts';
import type { ComponentContext, ReconcileResult } from '../../client/reconcile.ts';
import { TerminalError } from '../../client/reconcile.ts';
import type { Monitor, Monitors } from './monitors.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';
/** Dependents of a deleted owner ask about it one after the other; it cannot come back, since uids are never used again. */
const ABSENT_REMEMBERED = 2000;
const SYNC_RETRY_MS = 500;

interface Owners {
  /** Exist and stay. */
  solid: OwnerReference[];
  /** Are gone. */
  absent: OwnerReference[];
  /** Exist, but in foreground deletion: they wait for their dependents to go. */
  waiting: OwnerReference[];
}

type Wake = (monitor: Monitor, object: KubeObject) => void;

/** What is to be done about one object. Everything is decided anew from the caches; an owner counts as gone only when the server said so. */
export class Collection {
  readonly #context: ComponentContext;
  readonly #monitors: Monitors;
  readonly #absent = new Set<string>();

  constructor(context: ComponentContext, monitors: Monitors) {
    this.#context = context;
    this.#monitors = monitors;
  }

  /** Remembers that the object with this uid was deleted. */
  noteAbsent(uid: string): void {
    this.#absent.add(uid);
    if (this.#absent.size > ABSENT_REMEMBERED) this.#absent.delete(this.#absent.values().next().value!);
  }

  /** One object's turn. `wake` is called for objects whose turn has come by this. */
  async attend(monitor: Monitor, object: KubeObject, wake: Wake): Promise<ReconcileResult> {
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    try {
      if (!deletionTimestamp) return await this.#attendDependent(monitor, object);
      if (finalizers.includes(ORPHAN)) return await this.#orphanDependents(monitor, object);
      if (finalizers.includes(FOREGROUND)) return await this.#deleteDependents(monitor, object, wake);
    } catch (error) {
      // Gone meanwhile: its deletion is, or will be, an event of its own.
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }

  async #attendDependent(monitor: Monitor, object: KubeObject): Promise<ReconcileResult> {
    const references = object.metadata.ownerReferences ?? [];
    if (references.length === 0) return;
    const { solid, absent, waiting } = await this.#classify(monitor, object, references);
    const leaving = [...absent, ...waiting];
    if (leaving.length === 0) return;
    if (solid.length > 0) return this.#setOwners(monitor, object, solid);
    if (waiting.length > 0 && !this.#monitors.synced) return { afterMs: SYNC_RETRY_MS };
    const dependents = waiting.length > 0 ? this.#monitors.dependentsOf(object.metadata.uid!) : [];
    // In a cycle of foreground deletions each would wait for the other; what is being deleted already must not be waited for.
    if (dependents.some(({ object: dependent }) => isInForeground(dependent)) && isBlocking(object)) {
      // The new revision comes back as an event and is judged anew.
      return this.#setOwners(
        monitor,
        object,
        references.map((reference) => ({ ...reference, blockOwnerDeletion: false })),
      );
    }
    await this.#delete(monitor, object, dependents.length > 0 ? 'Foreground' : policyOf(object));
  }

  async #classify(monitor: Monitor, object: KubeObject, references: readonly OwnerReference[]): Promise<Owners> {
    const owners: Owners = { solid: [], absent: [], waiting: [] };
    for (const reference of references) {
      const owner = this.#monitors.cachedOwner(reference, object.metadata.namespace) ?? (await this.#ask(monitor, object, reference));
      if (!owner) owners.absent.push(reference);
      else if (isInForeground(owner)) owners.waiting.push(reference);
      else owners.solid.push(reference);
    }
    return owners;
  }

  /** The owner as the server knows it now; undefined when it is gone, or is another object of the same name. */
  async #ask(monitor: Monitor, object: KubeObject, reference: OwnerReference): Promise<KubeObject | undefined> {
    if (this.#absent.has(reference.uid)) return undefined;
    const type = this.#monitors.typeOf(reference);
    if (!type) throw new Error(`owner kind ${reference.kind} of ${reference.apiVersion} is not known to the server`);
    const { namespace } = object.metadata;
    if (type.namespaced && !monitor.type.namespaced) {
      this.#warnInvalidOwner(object, reference);
      throw new TerminalError('a cluster-scoped object cannot have a namespaced owner');
    }
    try {
      const owner = await this.#context.client.resource(type, type.namespaced ? namespace : undefined).get(reference.name);
      if (owner.metadata.uid === reference.uid) return owner;
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
    // An owner in another namespace does not count (the API convention), but its user should learn why the dependent went.
    if (this.#monitors.findByUid(type, reference.uid)) this.#warnInvalidOwner(object, reference);
    else this.noteAbsent(reference.uid);
    return undefined;
  }

  #warnInvalidOwner(object: KubeObject, { apiVersion, kind, name, uid }: OwnerReference): void {
    const namespace = object.metadata.namespace ?? '';
    const owner = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    this.#context.events.event(
      object,
      'Warning',
      'OwnerRefInvalidNamespace',
      `ownerRef ${owner} does not exist in namespace "${namespace}"`,
    );
  }

  /** Foreground: dependents first; the finalizer goes when none is left that blocks. */
  async #deleteDependents(monitor: Monitor, owner: KubeObject, wake: Wake): Promise<ReconcileResult> {
    if (!this.#monitors.synced) return { afterMs: SYNC_RETRY_MS };
    const { uid } = owner.metadata;
    const dependents = this.#monitors.dependentsOf(uid!);
    const blocks = (dependent: KubeObject): boolean =>
      dependent.metadata.ownerReferences!.some((owner) => owner.uid === uid && owner.blockOwnerDeletion);
    for (const each of dependents) if (!each.object.metadata.deletionTimestamp) wake(each.monitor, each.object);
    if (!dependents.some(({ object }) => blocks(object))) await this.#removeFinalizer(monitor, owner, FOREGROUND);
  }

  async #orphanDependents(monitor: Monitor, owner: KubeObject): Promise<ReconcileResult> {
    if (!this.#monitors.synced) return { afterMs: SYNC_RETRY_MS };
    const { uid } = owner.metadata;
    for (const { monitor: each, object } of this.#monitors.dependentsOf(uid!)) {
      const remaining = object.metadata.ownerReferences!.filter((reference) => reference.uid !== uid);
      await ifThere(() => this.#setOwners(each, object, remaining));
    }
    await this.#removeFinalizer(monitor, owner, ORPHAN);
  }

  async #setOwners(monitor: Monitor, object: KubeObject, ownerReferences: readonly OwnerReference[]): Promise<void> {
    await this.#patch(monitor, object, { ownerReferences: ownerReferences.length > 0 ? ownerReferences : null });
  }

  async #removeFinalizer(monitor: Monitor, object: KubeObject, finalizer: string): Promise<void> {
    const finalizers = object.metadata.finalizers!.filter((each) => each !== finalizer);
    await this.#patch(monitor, object, { finalizers: finalizers.length > 0 ? finalizers : null });
  }

  /** Only the object and the revision that were looked at: a newer one comes back as Conflict and is judged anew. */
  async #patch(monitor: Monitor, object: KubeObject, metadata: Record<string, unknown>): Promise<void> {
    const { namespace, name } = splitKey(keyOf(object));
    const { uid, resourceVersion } = object.metadata;
    await this.#context.client.resource(monitor.type, namespace).patch(name, 'merge', { metadata: { uid, resourceVersion, ...metadata } });
  }

  async #delete(monitor: Monitor, object: KubeObject, propagationPolicy: NonNullable<DeleteOptions['propagationPolicy']>): Promise<void> {
    const { namespace, name } = splitKey(keyOf(object));
    const { uid, resourceVersion } = object.metadata;
    const preconditions = { uid: uid!, resourceVersion: resourceVersion! };
    this.#context.log.debug('deleting', { resource: monitor.type.resource, key: keyOf(object), propagationPolicy });
    await this.#context.client.resource(monitor.type, namespace).delete(name, { propagationPolicy, preconditions });
  }
}

function isBlocking({ metadata }: KubeObject): boolean {
  return metadata.ownerReferences!.some(({ blockOwnerDeletion }) => blockOwnerDeletion);
}

function isInForeground({ metadata }: KubeObject): boolean {
  return Boolean(metadata.deletionTimestamp && metadata.finalizers?.includes(FOREGROUND));
}

/** A finalizer that asks for a way of deletion is kept to. */
function policyOf({ metadata }: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  if (metadata.finalizers?.includes(ORPHAN)) return 'Orphan';
  return metadata.finalizers?.includes(FOREGROUND) ? 'Foreground' : 'Background';
}

async function ifThere(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!StatusError.is(error, 'NotFound')) throw error;
  }
}
