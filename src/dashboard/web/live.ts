import type { ObjectWithMeta } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { ResourceClient, ResourceType } from '../../client/client.ts';
import { createResourceClient } from '../../client/resource-client.ts';
import { SharedInformer } from '../../client/shared-informer.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Api } from './api.ts';
import { clock } from './clock.ts';
import { type Store, createStore } from './store.ts';

export interface LiveList<T> {
  items: readonly T[];
  /** Whether `items` is a whole list, be it one that is no longer current. */
  ready: boolean;
  /** Why it cannot be listed now; tried again by itself. */
  error?: Error;
}

export interface LiveQuery {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

const rng = { next: () => Math.random() } as ConstructorParameters<typeof SharedInformer>[0]['rng'];

/** Changes that come together are shown together. */
const GATHER_MS = 40;
/** A list that nobody looks at is kept so long: going back to it is instant. */
const LINGER_MS = 30_000;
const EMPTY: LiveList<never> = { items: [], ready: false };

/** The lists that the page watches, each by one watch however many look at it. */
export class LiveLists {
  readonly #api: Api;
  readonly #open = new Map<string, { store: Store<LiveList<ObjectWithMeta>>; users: number; stop(): void; cancel(): void }>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** Call the returned function when it is no longer looked at. */
  use<T extends ObjectWithMeta>(type: ResourceType<T>, query: LiveQuery): { store: Store<LiveList<T>>; release: () => void } {
    const key = JSON.stringify([type.group, type.resource, query]);
    let list = this.#open.get(key);
    if (!list) this.#open.set(key, (list = { ...startLive(this.#api, type, query), users: 0, cancel: () => undefined }));
    const used = list;
    used.users++;
    used.cancel();
    const release = (): void => {
      if (--used.users > 0) return;
      used.cancel = clock.timer(LINGER_MS, () => {
        this.#open.delete(key);
        used.stop();
      });
    };
    // The key holds the type's group and resource, so what is under it is of that type.
    return { store: used.store as unknown as Store<LiveList<T>>, release };
  }

  close(): void {
    for (const { stop, cancel } of this.#open.values()) {
      cancel();
      stop();
    }
    this.#open.clear();
  }
}

function startLive<T extends ObjectWithMeta>(api: Api, type: ResourceType<T>, { namespace, labelSelector, fieldSelector }: LiveQuery) {
  const store = createStore<LiveList<T>>(EMPTY);
  let pending = false;
  let error: Error | undefined;
  const gather = (): void => {
    if (pending) return;
    pending = true;
    clock.timer(GATHER_MS, () => {
      pending = false;
      store.set({ items: informer.list(), ready: informer.synced, ...(error ? { error } : {}) });
    });
  };
  const report = (next: Error | undefined): void => {
    if (error?.message === next?.message) return;
    error = next;
    gather();
  };
  const source = observed(createResourceClient<T>(api.request, type, namespace), report, gather);
  const informer = new SharedInformer<T>({ type, source, labelSelector, fieldSelector, clock, rng, log: silentLogger });
  informer.subscribe({ added: gather, updated: gather, deleted: gather });
  // What goes wrong is in the list's `error`; a stop before the first list is no failure.
  informer.start().catch(() => undefined);
  return { store: store as unknown as Store<LiveList<ObjectWithMeta>>, stop: () => void informer.stop() };
}

/** The informer goes on trying by itself; this is how the page learns what it meets. */
function observed<T extends ObjectWithMeta>(
  client: ResourceClient<T>,
  report: (error: Error | undefined) => void,
  listed: () => void,
): Pick<ResourceClient<T>, 'list' | 'watch'> {
  const watching = async <R>(work: Promise<R>): Promise<R> => {
    try {
      const result = await work;
      report(undefined);
      return result;
    } catch (error) {
      // A 410 only asks for a new list.
      if (!(error instanceof StatusError && error.code === 410)) report(error as Error);
      throw error;
    }
  };
  return {
    list: async (options) => {
      const list = await watching(client.list(options));
      listed();
      return list;
    },
    watch: (options) => watching(client.watch(options)),
  };
}
