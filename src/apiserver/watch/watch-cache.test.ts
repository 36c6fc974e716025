import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { StorageError, type Storage, type StorageEvent, type StorageEvents } from '../../storage/storage.ts';
import { Fanout, type VisibleEvent, type WatchEncoder } from './channel.ts';
import { Deadlines } from './deadlines.ts';
import { Entry } from './entry.ts';
import { ResourceCache } from './resource-cache.ts';
import { WatchCache } from './watch-cache.ts';

const parse = (bytes: Uint8Array): KubeObject => JSON.parse(Buffer.from(bytes).toString()) as KubeObject;
const bytesOf = (name: string, rest = ''): Buffer =>
  Buffer.from(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"${name}","namespace":"default"}${rest}}`);

/** A store whose changes the test sends by hand. */
class ScriptedStorage implements Pick<Storage, 'range' | 'watch' | 'currentRevision'> {
  revision = 5;
  readonly items: { key: string; value: Uint8Array; createRevision: number; modRevision: number }[] = [];
  readonly asked: number[] = [];
  #wake: (() => void) | undefined;
  #batches: (StorageEvents | Error)[] = [];

  async range(): ReturnType<Storage['range']> {
    return { items: this.items, more: false, remaining: 0, revision: this.revision };
  }

  async currentRevision(): Promise<number> {
    return this.revision;
  }

  async *watch(_prefix: string, from: number, signal: AbortSignal): AsyncGenerator<StorageEvents> {
    this.asked.push(from);
    signal.addEventListener('abort', () => this.#wake?.());
    while (!signal.aborted) {
      const next = this.#batches.shift();
      if (next instanceof Error) throw next;
      if (next) yield next;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Resolves when the cache has had its turn. */
  async send(batch: StorageEvents | Error): Promise<void> {
    this.#batches.push(batch);
    this.#wake?.();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const put = (name: string, revision: number, rest = ''): StorageEvent => ({
  type: 'put',
  key: `/registry/configmaps/default/${name}`,
  value: bytesOf(name, rest),
  createRevision: revision,
  modRevision: revision,
});
const removed = (name: string, revision: number): StorageEvent => ({ ...put(name, revision), type: 'delete' });

async function started(
  storage = new ScriptedStorage(),
): Promise<{ storage: ScriptedStorage; cache: WatchCache; configMaps: ResourceCache; clock: ManualClock; stop: () => void }> {
  const clock = new ManualClock();
  const cache = new WatchCache({ storage: storage as unknown as Storage, clock, log: silentLogger, parse });
  const configMaps = cache.resource('/registry/configmaps');
  const stop = new AbortController();
  await cache.start(stop.signal);
  return { storage, cache, configMaps, clock, stop: () => stop.abort() };
}

describe('WatchCache', () => {
  test('follows from behind what it loaded', async () => {
    const { storage, configMaps, stop } = await started();
    await storage.send({ events: [put('a', 6), put('b', 7)], revision: 7 });
    await storage.send({ events: [removed('a', 8)], revision: 8 });
    assert.deepEqual(storage.asked, [6]);
    assert.deepEqual(
      configMaps.list('default').map(({ name, revision }) => [name, revision]),
      [['b', 7]],
    );
    assert.deepEqual(
      configMaps.changesSince(6)?.map(({ type, revision }) => [type, revision]),
      [
        ['ADDED', 7],
        ['DELETED', 8],
      ],
    );
    assert.equal(configMaps.changesSince(4), undefined, 'before it was loaded nothing is known');
    stop();
  });

  test('a waiting reader goes on when its revision has come, also by progress alone', async () => {
    const { storage, cache, stop } = await started();
    storage.revision = 9;
    let fresh = false;
    const reading = cache.fresh().then(() => (fresh = true));
    await storage.send({ events: [], revision: 8 });
    assert.equal(fresh, false);
    await storage.send({ events: [], revision: 9 });
    await reading;
    stop();
  });

  test('takes over the object of a write of ours', async () => {
    const { storage, cache, configMaps, stop } = await started();
    const object: KubeObject = { metadata: { name: 'mine' } };
    const pending = cache.expect('/registry/configmaps/default/mine', bytesOf('mine'), object);
    await storage.send({ events: [put('mine', 6)], revision: 6 });
    assert.equal(configMaps.get('default', 'mine')!.object, object);
    assert.equal(object.metadata.resourceVersion, '6');
    assert.equal(pending.entry(6), configMaps.get('default', 'mine'));
    stop();
  });

  test("an event of somebody else's write is not taken for ours", async () => {
    const { storage, cache, configMaps, stop } = await started();
    const object: KubeObject = { metadata: { name: 'mine' } };
    cache.expect('/registry/configmaps/default/mine', bytesOf('mine'), object);
    await storage.send({ events: [put('mine', 6, ',"data":{"by":"other"}')], revision: 6 });
    assert.deepEqual(configMaps.get('default', 'mine')!.object['data'], { by: 'other' });
    stop();
  });

  test('resumes after the store was away, and loads anew after a compaction', async () => {
    const { storage, configMaps, clock, stop } = await started();
    await storage.send({ events: [put('a', 6), put('b', 7)], revision: 7 });
    await storage.send(new StorageError('Unavailable', 'away'));
    await clock.advance(100);
    assert.deepEqual(storage.asked, [6, 8]);
    const seen: string[] = [];
    configMaps.subscribe((events) => seen.push(...events.map(({ type, entry }) => `${type} ${entry.name}`)));
    storage.items.push(
      { key: '/registry/configmaps/default/b', value: bytesOf('b'), createRevision: 7, modRevision: 7 },
      { key: '/registry/configmaps/default/c', value: bytesOf('c'), createRevision: 9, modRevision: 9 },
    );
    storage.revision = 20;
    await storage.send(new StorageError('Compacted', 'gone', { compactRevision: 10 }));
    assert.deepEqual(storage.asked, [6, 8, 21]);
    assert.deepEqual(seen, ['ADDED c', 'DELETED a']);
    stop();
  });

  test('a resource that is served later finds its objects', async () => {
    const { storage, cache, stop } = await started();
    await storage.send({ events: [{ ...put('a', 6), key: '/registry/example.com/things/default/a' }], revision: 6 });
    assert.equal(cache.resource('/registry/example.com/things').get('default', 'a')?.revision, 6);
    stop();
  });
});

describe('Entry', () => {
  const entry = (stored: Buffer): Entry => new Entry({ key: '/k', namespace: 'default', name: 'a', revision: 42, stored }, parse);

  test('splices its revision into the stored bytes', () => {
    const made = entry(bytesOf('a'));
    assert.equal(
      made.json().toString(),
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"a","namespace":"default"}}',
    );
    assert.deepEqual(Buffer.from(made.stored()), bytesOf('a'));
    assert.ok(made.storesSame(bytesOf('a')));
    assert.ok(!made.storesSame(bytesOf('b')));
  });

  const odd: { name: string; stored: string }[] = [
    {
      name: 'metadata that is not in front',
      stored: '{"apiVersion":"v1","data":{"metadata":{"x":"y"}},"kind":"ConfigMap","metadata":{"name":"a"}}',
    },
    { name: 'empty metadata', stored: '{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}' },
    { name: 'a trailing line end', stored: '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}\n' },
  ];
  for (const { name, stored } of odd) {
    test(`prints anew what it cannot splice: ${name}`, () => {
      const made = JSON.parse(entry(Buffer.from(stored)).json().toString()) as KubeObject;
      assert.equal(made.metadata.resourceVersion, '42');
      assert.deepEqual(
        { ...made, metadata: { ...made.metadata, resourceVersion: undefined } },
        { ...parse(Buffer.from(stored)), metadata: { ...parse(Buffer.from(stored)).metadata, resourceVersion: undefined } },
      );
    });
  }
});

describe('Fanout', () => {
  const names: WatchEncoder<string[]> = {
    events: (events: readonly VisibleEvent[]) => events.map(({ type, entry }) => `${type} ${entry.name}`),
    bookmark: (revision) => [`BOOKMARK ${revision}`],
    error: (status) => [`ERROR ${status.code}`],
  };
  const change = (namespace: string, name: string, revision: number): { type: 'ADDED'; entry: Entry; revision: number } => ({
    type: 'ADDED',
    entry: new Entry({ key: `/registry/pods/${namespace}/${name}`, namespace, name, revision, stored: bytesOf(name) }, parse),
    revision,
  });

  test('shows each watcher its scope, encodes once for equal ones, and forgets those who left', () => {
    const cache = new ResourceCache('/registry/pods');
    const fanout = new Fanout(cache);
    const seen: Record<string, string[]> = { all: [], one: [], same: [], named: [] };
    let encoded = 0;
    const counting = (): WatchEncoder<string[]> => ({ ...names, events: (events) => (encoded++, names.events(events)) });
    const join = (key: string, as: string, scope: { namespace: string; name?: string }): (() => void) => {
      const channel = fanout.channel(key, scope, undefined, counting);
      const sink = { send: (batch: string[]) => void seen[as]!.push(...batch), end: () => undefined };
      fanout.join(channel, sink);
      return () => fanout.leave(channel, sink);
    };
    join('all', 'all', { namespace: '' });
    const leave = join('ns1', 'one', { namespace: 'ns1' });
    join('ns1', 'same', { namespace: 'ns1' });
    join('ns1 b', 'named', { namespace: 'ns1', name: 'b' });
    cache.apply([change('ns1', 'a', 1), change('ns2', 'b', 2)]);
    assert.equal(encoded, 2, 'once for everywhere, once for both watchers of ns1');
    leave();
    cache.apply([change('ns1', 'b', 3)]);
    assert.deepEqual(seen, { all: ['ADDED a', 'ADDED b', 'ADDED b'], one: ['ADDED a'], same: ['ADDED a', 'ADDED b'], named: ['ADDED b'] });
  });
});

test('Deadlines run in time, on one timer', async () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const ran: string[] = [];
  deadlines.add(300, () => ran.push('late'));
  deadlines.add(100, () => ran.push('early'));
  const cancel = deadlines.add(200, () => ran.push('never'));
  cancel();
  await clock.advance(150);
  assert.deepEqual(ran, ['early']);
  await clock.advance(200);
  assert.deepEqual(ran, ['early', 'late']);
});
