/**
 * Objects that pods refer to (config maps, secrets, claims): each is read once and watched only while somebody uses it, so that a
 * kubelet sees nothing of the cluster but what its pods name (and the Node authorizer allows no more).
 */
import type { Client, ResourceType } from '../../client/client.ts';
import { type ObjectWithMeta } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { pause, type Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Rng } from '../../lib/random.ts';

export interface ObjectRef<T extends ObjectWithMeta> {
  type: ResourceType<T>;
  namespace: string;
  name: string;
}

export interface WatchedObjects {
  /** The object now; undefined when it does not exist. One that is watched comes from memory, at most a watch behind. */
  get<T extends ObjectWithMeta>(ref: ObjectRef<T>): Promise<T | undefined>;
  /** The same, always asked of the API server. */
  fresh<T extends ObjectWithMeta>(ref: ObjectRef<T>): Promise<T | undefined>;
  /** Calls back whenever the object appears, changes or goes, until released. */
  watch(ref: ObjectRef<ObjectWithMeta>, changed: () => void): () => void;
  close(): void;
}

interface Entry {
  ref: ObjectRef<ObjectWithMeta>;
  users: Set<() => void>;
  stop: AbortController;
  /** Undefined before the first list, null when there is none. */
  object: ObjectWithMeta | null | undefined;
  /** The revision handed out before the first list came in. */
  served: string | undefined;
}

interface Context {
  client: Client;
  clock: Clock;
  log: Logger;
  rng: Rng;
}

export function createWatchedObjects(context: Context): WatchedObjects {
  const entries = new Map<string, Entry>();
  const keyOf = ({ type, namespace, name }: ObjectRef<ObjectWithMeta>): string => `${type.resource}/${namespace}/${name}`;

  async function fresh<T extends ObjectWithMeta>({ type, namespace, name }: ObjectRef<T>): Promise<T | undefined> {
    try {
      return await context.client.resource(type, type.namespaced ? namespace : undefined).get(name);
    } catch (error) {
      if (StatusError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  return {
    fresh,
    async get(ref) {
      const entry = entries.get(keyOf(ref));
      // the entry was made for this resource, so its object has this resource's type
      if (entry && entry.object !== undefined) return (entry.object ?? undefined) as typeof ref.type.__type;
      const object = await fresh(ref);
      if (entry) entry.served = object?.metadata.resourceVersion;
      return object;
    },
    watch(ref, changed) {
      const key = keyOf(ref);
      const entry = entries.get(key) ?? { ref, users: new Set(), stop: new AbortController(), object: undefined, served: undefined };
      if (!entries.has(key)) {
        entries.set(key, entry);
        follow(context, entry).catch((error: unknown) =>
          context.log.error('watch of an object ended', { key, error: errorMessage(error) }),
        );
      }
      const user = (): void => changed();
      entry.users.add(user);
      return () => {
        entry.users.delete(user);
        if (entry.users.size > 0 || entries.get(key) !== entry) return;
        entries.delete(key);
        entry.stop.abort();
      };
    },
    close() {
      for (const entry of entries.values()) entry.stop.abort();
      entries.clear();
    },
  };
}

/** Lists once, watches from there, resumes after a cut, lists again after a 410. Ends when nobody uses the object any more. */
async function follow({ client, clock, log, rng }: Context, entry: Entry): Promise<void> {
  const { type, namespace, name } = entry.ref;
  const { signal } = entry.stop;
  const resource = client.resource(type, type.namespaced ? namespace : undefined);
  const fieldSelector = `metadata.name=${name}`;
  let resourceVersion: string | undefined;
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      if (resourceVersion === undefined) {
        const list = await resource.list({ fieldSelector, signal });
        resourceVersion = list.metadata.resourceVersion;
        see(entry, list.items[0] ?? null);
      }
      for await (const batch of await resource.watch({ fieldSelector, resourceVersion, allowWatchBookmarks: true, signal })) {
        failures = 0;
        for (const { type: change, object } of batch) {
          resourceVersion = change === 'ERROR' ? undefined : object.metadata.resourceVersion;
          if (change === 'ADDED' || change === 'MODIFIED') see(entry, object);
          if (change === 'DELETED') see(entry, null);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StatusError && error.code === 410) resourceVersion = undefined;
      log.warn('watch of an object that a pod uses failed', { resource: type.resource, namespace, name, error: errorMessage(error) });
    }
    // an ended watch goes on where it was; the pause bounds a server that ends them at once
    if (!signal.aborted) await pause(clock, backoffDelay(failures, { baseMs: 50, maxMs: 30_000, jitter: 0.5 }, rng), signal);
  }
}

function see(entry: Entry, object: ObjectWithMeta | null): void {
  const known = entry.object === undefined ? entry.served : entry.object?.metadata.resourceVersion;
  entry.object = object;
  if (known === object?.metadata.resourceVersion) return;
  for (const user of entry.users) user();
}
