/** The API by its paths, for behaviours that concern the protocol itself, and a watch that remembers what it saw. */
import assert from 'node:assert/strict';
import type { KubernetesObject } from '@kubernetes/client-node';
import { Watch } from '@kubernetes/client-node';
import type { RawAnswer, World } from './harness.ts';

export type Kube = KubernetesObject;

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export interface Seen<T> {
  type: string;
  object: T;
}

export interface WatchLog<T> {
  /** All events so far, in their order. */
  events: Seen<T>[];
  /** The first event, from `from` on, that satisfies; fails after a minute. */
  until(satisfies: (event: Seen<T>) => boolean, what: string, from?: number): Promise<Seen<T>>;
  stop(): void;
}

/** Requests that fail the behaviour when the answer is not a success. */
export function rest(world: World) {
  const send = async <T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<T> => {
    const answer = await world.request({ method, path, body, ...(contentType ? { headers: { 'content-type': contentType } } : {}) });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text.slice(0, 2000)}`);
    return answer.json<T>();
  };
  return {
    get: <T = Kube>(path: string) => send<T>('GET', path),
    list: async <T = Kube>(path: string): Promise<T[]> => (await send<{ items: T[] }>('GET', path)).items,
    create: <T = Kube>(path: string, body: unknown) => send<T>('POST', path, body),
    replace: <T = Kube>(path: string, body: unknown) => send<T>('PUT', path, body),
    patch: <T = Kube>(path: string, body: unknown, type: keyof typeof PATCH_TYPES = 'merge') =>
      send<T>('PATCH', path, body, PATCH_TYPES[type]),
    remove: (path: string, options?: unknown) => send<Kube>('DELETE', path, options),
    /** Reads, changes and replaces; again when somebody wrote in between. */
    update: <T extends Kube>(path: string, change: (object: T) => void) => update<T>(world, path, change),
    watch: <T = Kube>(path: string, query: Record<string, string | number | boolean> = {}) => watch<T>(world, path, query),
  };
}

async function update<T extends Kube>(world: World, path: string, change: (object: T) => void): Promise<T> {
  let answer: RawAnswer | undefined;
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const read = await world.request({ path });
    const object = read.json<T>();
    change(object);
    answer = await world.request({ method: 'PUT', path, body: object });
    if (answer.status !== 409) break;
  }
  assert.equal(answer!.status, 200, `PUT ${path}: ${answer!.text}`);
  return answer!.json<T>();
}

async function watch<T>(world: World, path: string, query: Record<string, string | number | boolean>): Promise<WatchLog<T>> {
  const events: Seen<T>[] = [];
  const waiting = new Set<() => void>();
  let ended: unknown;
  const wake = (): void => waiting.forEach((each) => each());
  const controller = await new Watch(world.config).watch(
    path,
    query,
    (type, object: T) => {
      events.push({ type, object });
      wake();
    },
    (error) => {
      ended = error ?? 'closed by the server';
      wake();
    },
  );
  const stop = (): void => controller.abort();
  world.test.after(stop);
  return {
    events,
    stop,
    until: (satisfies, what, from = 0) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => finish(() => reject(new Error(`not seen within 60 s: ${what}; seen: ${summary(events)}`))), 60_000);
        const finish = (act: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          act();
        };
        const look = (): void => {
          const found = events.slice(from).find(satisfies);
          if (found) finish(() => resolve(found));
          else if (ended !== undefined)
            finish(() => reject(new Error(`the watch ended (${String(ended)}) before: ${what}; seen: ${summary(events)}`)));
        };
        waiting.add(look);
        look();
      }),
  };
}

const summary = (events: readonly Seen<unknown>[]): string =>
  events.map(({ type, object }) => `${type} ${(object as Kube).metadata?.name}@${(object as Kube).metadata?.resourceVersion}`).join(', ');
