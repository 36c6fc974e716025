import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openTestStorage, startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeList, KubeObject, WatchEvent } from '../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { Storage } from '../storage/storage.ts';
import { ManualClock } from '../lib/clock.ts';
import type { Status } from '../api/types.gen.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

/** A store that was written to before the server came. */
async function storeWithHistory(folder: string): Promise<Storage> {
  const storage = await openTestStorage(folder);
  for (const name of ['a', 'b', 'c']) await storage.create(`/registry/other/${name}`, Buffer.from('{}'));
  return storage;
}

let counter = 0;
/** A namespace of its own for each test. */
async function inNamespace(): Promise<string> {
  const name = `ns-${++counter}`;
  await ok('POST', '/api/v1/namespaces', { metadata: { name } });
  return `/api/v1/namespaces/${name}/configmaps`;
}

function call(method: ApiRequest['method'], path: string, body?: unknown, signal?: AbortSignal): Promise<ApiResponse> {
  const headers = method === 'PATCH' ? { headers: { 'content-type': 'application/merge-patch+json' } } : {};
  return api.loopback()({ method, path, ...headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) });
}

async function ok<T = KubeObject>(method: ApiRequest['method'], path: string, body?: unknown): Promise<T> {
  const response = await call(method, path, body);
  assert.ok(response.status < 300, JSON.stringify(response.body));
  return response.body as T;
}

const make = (path: string, name: string, labels: Record<string, string> = {}): Promise<KubeObject> =>
  ok('POST', path, { metadata: { name, labels }, data: { v: '0' } });
const names = (list: KubeList): string[] => list.items.map(({ metadata }) => metadata.name!);

/** Reads a watch until `count` events have come. */
async function take(response: ApiResponse, count: number): Promise<WatchEvent[]> {
  assert.equal(response.status, 200, JSON.stringify(response.body));
  const found: WatchEvent[] = [];
  for await (const batch of response.events!) {
    found.push(...batch);
    if (found.length >= count) break;
  }
  return found;
}

const brief = (events: readonly WatchEvent[]): string[] =>
  events.map(({ type, object }) => `${type} ${object.metadata.name ?? object.metadata.resourceVersion}`);

describe('list', () => {
  test('is in the order of names and sees every acknowledged write', async () => {
    const path = await inNamespace();
    for (const name of ['b', 'a-b', 'a', 'c']) await make(path, name);
    assert.deepEqual(names(await ok<KubeList>('GET', path)), ['a', 'a-b', 'b', 'c']);
  });

  test('selects by labels and by fields', async () => {
    const path = await inNamespace();
    await make(path, 'one', { app: 'x', tier: '1' });
    await make(path, 'two', { app: 'x' });
    await make(path, 'three', { app: 'y' });
    assert.deepEqual(names(await ok<KubeList>('GET', `${path}?labelSelector=app%3Dx`)), ['one', 'two']);
    assert.deepEqual(names(await ok<KubeList>('GET', `${path}?labelSelector=app%20in%20(x,y),!tier`)), ['three', 'two']);
    assert.deepEqual(names(await ok<KubeList>('GET', `${path}?fieldSelector=metadata.name%3Dtwo`)), ['two']);
    assert.equal((await call('GET', `${path}?labelSelector=a%20b`)).status, 400);
    assert.equal((await call('GET', `${path}?fieldSelector=spec.x%3D1`)).status, 400);
  });

  test('pages show one revision, whatever is written in between', async () => {
    const path = await inNamespace();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await make(path, name);
    const first = await ok<KubeList>('GET', `${path}?limit=2`);
    assert.deepEqual([names(first), first.metadata.remainingItemCount], [['a', 'b'], 3]);
    await ok('DELETE', `${path}/c`);
    await make(path, 'bb');
    const second = await ok<KubeList>('GET', `${path}?limit=2&continue=${first.metadata.continue}`);
    assert.deepEqual(names(second), ['c', 'd']);
    assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    const third = await ok<KubeList>('GET', `${path}?limit=2&continue=${second.metadata.continue}`);
    assert.deepEqual([names(third), third.metadata.continue], [['e'], undefined]);
  });

  test('a page of a compacted revision says how to go on', async () => {
    const path = await inNamespace();
    for (const name of ['a', 'b', 'c']) await make(path, name);
    const first = await ok<KubeList>('GET', `${path}?limit=1`);
    const { metadata } = await make(path, 'd');
    await api.storage.compact(Number(metadata.resourceVersion));
    const expired = await call('GET', `${path}?limit=1&continue=${first.metadata.continue}`);
    assert.equal(expired.status, 410);
    const status = expired.body as Status & { metadata: { continue: string } };
    assert.equal(status.reason, 'Expired');
    const rest = await ok<KubeList>('GET', `${path}?continue=${status.metadata.continue}`);
    assert.deepEqual(names(rest), ['b', 'c', 'd']);
  });

  test('resourceVersionMatch', async () => {
    const path = await inNamespace();
    const { metadata } = await make(path, 'a');
    await make(path, 'b');
    assert.deepEqual(names(await ok<KubeList>('GET', `${path}?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`)), [
      'a',
    ]);
    assert.deepEqual(
      names(await ok<KubeList>('GET', `${path}?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=NotOlderThan`)),
      ['a', 'b'],
    );
    assert.equal((await call('GET', `${path}?resourceVersionMatch=Exact`)).status, 422);
  });
});

describe('watch', () => {
  test('resumes after a revision and then goes on live', async () => {
    const path = await inNamespace();
    const { metadata } = await make(path, 'a');
    await make(path, 'b');
    const response = await call('GET', `${path}?watch=true&resourceVersion=${metadata.resourceVersion}`);
    const events = take(response, 3);
    await ok('PATCH', `${path}/a`, { data: { v: '1' } });
    await ok('DELETE', `${path}/b`);
    assert.deepEqual(brief(await events), ['ADDED b', 'MODIFIED a', 'DELETED b']);
  });

  test('revisions of events grow, and a deletion shows its own', async () => {
    const path = await inNamespace();
    const { metadata } = await make(path, 'a');
    const response = await call('GET', `${path}?watch=true&resourceVersion=${metadata.resourceVersion}`);
    await ok('DELETE', `${path}/a`);
    const [deleted] = await take(response, 1);
    assert.ok(Number(deleted!.object.metadata.resourceVersion) > Number(metadata.resourceVersion));
  });

  test('an object that enters the selector is added, one that leaves is deleted', async () => {
    const path = await inNamespace();
    const { metadata } = await make(path, 'a');
    const response = await call('GET', `${path}?watch=true&labelSelector=on&resourceVersion=${metadata.resourceVersion}`);
    const events = take(response, 3);
    await ok('PATCH', `${path}/a`, { metadata: { labels: { on: '1' } } });
    await ok('PATCH', `${path}/a`, { data: { v: '2' } });
    await ok('PATCH', `${path}/a`, { metadata: { labels: { on: null } } });
    await ok('PATCH', `${path}/a`, { data: { v: '3' } });
    const found = await events;
    assert.deepEqual(brief(found), ['ADDED a', 'MODIFIED a', 'DELETED a']);
    assert.equal(found[2]!.object.metadata.labels?.['on'], '1', 'what it was when it was last seen');
  });

  test('without a revision the state comes first', async () => {
    const path = await inNamespace();
    await make(path, 'a');
    await make(path, 'b');
    assert.deepEqual(brief(await take(await call('GET', `${path}?watch=true`), 2)), ['ADDED a', 'ADDED b']);
  });

  test('sendInitialEvents ends the state with a bookmark that says so', async () => {
    const path = await inNamespace();
    await make(path, 'a');
    const events = await take(
      await call('GET', `${path}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`),
      2,
    );
    assert.deepEqual(
      events.map(({ type }) => type),
      ['ADDED', 'BOOKMARK'],
    );
    assert.deepEqual(events[1]!.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
    assert.equal((await call('GET', `${path}?watch=true&sendInitialEvents=true`)).status, 422);
  });

  test('a revision that is forgotten is an ERROR with 410', async () => {
    const restarted = await startTestApiServer({ open: storeWithHistory });
    try {
      const response = await restarted.loopback()({ method: 'GET', path: '/api/v1/configmaps?watch=true&resourceVersion=1' });
      const [event] = await take(response, 1);
      const status = event!.object as unknown as Status;
      assert.deepEqual([event!.type, status.code, status.reason], ['ERROR', 410, 'Expired']);
      assert.match(status.message!, /^too old resource version: 1 \(\d+\)$/);
    } finally {
      await restarted.close();
    }
  });

  test('ends after timeoutSeconds, with bookmarks every minute and one shortly before', async () => {
    const clock = new ManualClock();
    const timed = await startTestApiServer({ clock });
    try {
      const response = await timed.loopback()({
        method: 'GET',
        path: '/api/v1/configmaps?watch=true&resourceVersion=1&fieldSelector=metadata.name%3Dnone&timeoutSeconds=90&allowWatchBookmarks=true',
      });
      const seen: string[] = [];
      const reading = (async () => {
        for await (const batch of response.events!) seen.push(...batch.map(({ type }) => type));
        seen.push('end');
      })();
      const moments: string[] = [];
      for (const seconds of [59, 1, 27, 1, 1, 1]) {
        await clock.advance(seconds * 1000);
        moments.push(seen.splice(0).join(' '));
      }
      assert.deepEqual(moments, ['', 'BOOKMARK', '', 'BOOKMARK', '', 'end']);
      await reading;
    } finally {
      await timed.close();
    }
  });

  test('the signal ends it', async () => {
    const path = await inNamespace();
    const stop = new AbortController();
    const response = await call('GET', `${path}?watch=true`, undefined, stop.signal);
    const reading = take(response, 1);
    stop.abort();
    assert.deepEqual(await reading, []);
  });
});
