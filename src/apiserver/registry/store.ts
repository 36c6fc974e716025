import { deepEqual } from '../../api/patch/json.ts';
import { notFound } from '../../api/status.ts';
import { StorageError } from '../../storage/storage.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ServedResource } from '../resources.ts';
import { Entry } from '../watch/entry.ts';
import { objectKey } from '../watch/resource-cache.ts';
import { liveForm } from './convert.ts';
import type { Registry } from './registry.ts';

/**
 * Writes on one resource, below all rules: what goes in is ready to be stored, in the stored version. Objects are handed over. All throw
 * StorageError and StatusError, and read the cache only after it is fresh.
 */

export interface ObjectRef {
  namespace: string;
  name: string;
}

export interface Waiter {
  readonly signal: AbortSignal;
}

export interface StoreOptions {
  /** Everything but the write. */
  dryRun: boolean;
  /** Whose signal ends the waiting; it is made only when there is something to wait for. */
  waiter?: Waiter;
}

/** Throws StorageError KeyExists. */
export async function storeNew(
  registry: Registry,
  served: ServedResource,
  object: KubeObject,
  { dryRun, waiter }: StoreOptions,
): Promise<Entry> {
  const { namespace = '', name } = object.metadata;
  const key = objectKey(served.cache.prefix, namespace, name!);
  const kept = served.info.custom ? await served.info.custom.toStorage(object) : object;
  const bytes = encodeStored(kept);
  if (dryRun) {
    await registry.cache.fresh(waiter);
    const current = served.cache.byKey(key);
    if (current) throw new StorageError('KeyExists', `${key} exists`);
    return unstored(key, kept, bytes, 0);
  }
  return write(registry, key, bytes, kept, (written) => registry.storage.create(key, written));
}

/** The current entry; throws NotFound. */
export async function current(registry: Registry, served: ServedResource, { namespace, name }: ObjectRef, waiter?: Waiter): Promise<Entry> {
  await registry.cache.fresh(waiter);
  const entry = served.cache.get(namespace, name);
  if (!entry) throw notFound(served.info.resource, served.info.group, name);
  return served.info.custom ? liveForm(served, entry) : entry;
}

/** What an attempt makes of what is there: the object to store, the deletion of it, or nothing. */
export type Change = { put: KubeObject } | { remove: true } | { keep: true };

export interface Changed {
  entry: Entry;
  /** What happened; `kept` also when the new content was the same as the old. */
  outcome: 'stored' | 'removed' | 'kept';
}

/**
 * Reads, lets `attempt` decide, and writes if nobody wrote in between; else again with what is there then. `attempt` must have no
 * effects of its own, or undo them when called again. Content that did not change is not written: the revision stays.
 */
export async function guardedChange(
  registry: Registry,
  served: ServedResource,
  ref: ObjectRef,
  attempt: (live: Entry) => Change | Promise<Change>,
  { dryRun, waiter }: StoreOptions,
): Promise<Changed> {
  let live = await current(registry, served, ref, waiter);
  for (;;) {
    const change = await attempt(live);
    if ('keep' in change) return { entry: live, outcome: 'kept' };
    try {
      if ('remove' in change) return { entry: dryRun ? live : await remove(registry, live), outcome: 'removed' };
      return await put(registry, live, served.info.custom ? await served.info.custom.toStorage(change.put) : change.put, dryRun);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'RevisionMismatch') throw error;
      if (!error.current) throw notFound(served.info.resource, served.info.group, ref.name);
      waiter?.signal.throwIfAborted();
      live = await liveForm(served, registry.cache.entryOf(error.current, served.cache.prefix));
    }
  }
}

async function put(registry: Registry, live: Entry, object: KubeObject, dryRun: boolean): Promise<Changed> {
  const bytes = encodeStored(object);
  if (!registry.cache.isStale(live) && (live.storesSame(bytes) || sameContent(live, bytes, object)))
    return { entry: live, outcome: 'kept' };
  if (dryRun) return { entry: unstored(live.key, object, bytes, live.revision), outcome: 'stored' };
  const entry = await write(registry, live.key, bytes, object, (written) => registry.storage.update(live.key, written, live.revision));
  return { entry, outcome: 'stored' };
}

/** Equal text in another order of keys has the same length. */
function sameContent(live: Entry, bytes: Uint8Array, object: KubeObject): boolean {
  if (live.stored().length !== bytes.length) return false;
  return deepEqual({ ...live.object, metadata: { ...live.object.metadata, resourceVersion: undefined } }, object);
}

/** The removed object as of the revision of its deletion. */
async function remove({ storage }: Registry, live: Entry): Promise<Entry> {
  const { revision } = await storage.delete(live.key, live.revision);
  return live.at(revision);
}

async function write(
  { cache }: Registry,
  key: string,
  bytes: Uint8Array,
  object: KubeObject,
  store: (written: Uint8Array) => Promise<{ revision: number }>,
): Promise<Entry> {
  const pending = cache.expect(key, bytes, object);
  try {
    const { revision } = await store(pending.written);
    return pending.entry(revision);
  } catch (error) {
    cache.cancel(pending);
    throw error;
  }
}

function unstored(key: string, object: KubeObject, stored: Uint8Array, revision: number): Entry {
  const { namespace = '', name } = object.metadata;
  if (revision > 0) object.metadata.resourceVersion = String(revision);
  else delete object.metadata.resourceVersion;
  return new Entry(
    { key, namespace, name: name!, revision, stored, object },
    (bytes) => JSON.parse(Buffer.from(bytes).toString()) as KubeObject,
  );
}

/**
 * The bytes to store: kind, apiVersion and metadata first, so that readers can splice, and no resourceVersion. Changes nothing but
 * metadata.resourceVersion of `object`.
 */
export function encodeStored(object: KubeObject): Buffer {
  object.metadata.resourceVersion = undefined;
  return Buffer.from(JSON.stringify(typeFirst(object) ? object : inOrder(object)));
}

function typeFirst(object: KubeObject): boolean {
  let index = 0;
  for (const key in object) {
    if (index < 2 ? key !== 'kind' && key !== 'apiVersion' : key !== 'metadata') return false;
    if (++index === 3) return true;
  }
  return false;
}

function inOrder(object: KubeObject): object {
  const { kind, apiVersion, metadata, ...rest } = object;
  return { kind, apiVersion, metadata, ...rest };
}
