import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { statusError } from '../api/status.ts';
import type { ConfigMap } from '../api/types.gen.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { seededRng } from '../lib/random.ts';
import type { Informer } from './informer.ts';
import { createClient } from './new-client.ts';
import { CONFIG_MAPS } from './resources.ts';

interface World {
  api: MemoryApi;
  clock: ManualClock;
  informer: Informer<ConfigMap>;
  /** What the handlers were told, `+a`, `~a`, `-a`. */
  told: string[];
  create: (name: string) => Promise<ConfigMap>;
  change: (name: string, value: string) => Promise<ConfigMap>;
  remove: (name: string) => Promise<void>;
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const api = new MemoryApi(() => clock.now());
  const client = createClient({ transport: api.transport, clock, log: silentLogger, rng: seededRng(1) });
  const informer = client.informer(CONFIG_MAPS);
  const told: string[] = [];
  informer.subscribe({
    added: (object) => void told.push(`+${object.metadata.name}`),
    updated: (object) => void told.push(`~${object.metadata.name}`),
    deleted: (object) => void told.push(`-${object.metadata.name}`),
  });
  const maps = client.resource(CONFIG_MAPS, 'default');
  const world = {
    api,
    clock,
    informer,
    told,
    create: (name: string) => maps.create({ metadata: { name, namespace: 'default' } }),
    change: (name: string, value: string) => maps.patch(name, 'merge', { data: { value } }),
    remove: (name: string) => maps.delete(name),
  };
  try {
    await work(world);
  } finally {
    await client.close();
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('an informer lists, then follows changes in order', () =>
  withWorld(async ({ informer, told, create, change, remove }) => {
    await create('a');
    await informer.start();
    assert.equal(informer.synced, true);
    await create('b');
    await change('a', '1');
    await remove('b');
    await settle();
    assert.deepEqual(told, ['+a', '+b', '~a', '-b']);
    assert.deepEqual(informer.get('default/a')?.data, { value: '1' });
    assert.equal(informer.get('default/b'), undefined);
  }));

test('a handler that comes late is told of what is there', () =>
  withWorld(async ({ informer, create }) => {
    await create('a');
    await informer.start();
    const late: string[] = [];
    const stop = informer.subscribe({ added: (object) => void late.push(object.metadata.name!) });
    stop();
    await create('b');
    await settle();
    assert.deepEqual(late, ['a']);
  }));

test('a watch that ends is resumed from the last revision, without a list', () =>
  withWorld(async ({ api, informer, told, create }) => {
    await informer.start();
    await create('a');
    await settle();
    api.cutWatches();
    await create('b');
    await settle();
    assert.deepEqual(told, ['+a', '+b']);
    assert.equal(api.requests.filter((line) => line.startsWith('GET') && !line.includes('watch=true')).length, 1);
  }));

test('a bookmark moves the revision that a watch resumes from', () =>
  withWorld(async ({ api, informer, create }) => {
    await informer.start();
    await create('a');
    await settle();
    api.compact();
    api.bookmark();
    await settle();
    api.cutWatches();
    await settle();
    assert.equal(api.requests.filter((line) => line.startsWith('GET') && !line.includes('watch=true')).length, 1);
    assert.equal(api.openWatches, 1);
  }));

test('after a 410 the list is read again and the difference is told', () =>
  withWorld(async ({ api, clock, informer, told, create, change, remove }) => {
    await create('kept');
    await create('changed');
    await create('gone');
    await informer.start();
    await settle();
    api.refuse = ({ path }) => {
      if (path.includes('watch=true')) throw statusError('ServiceUnavailable', 'starting');
    };
    api.cutWatches();
    await remove('gone');
    await change('changed', '2');
    await create('new');
    api.compact();
    api.refuse = () => undefined;
    await clock.advance(20_000);
    await settle();
    assert.deepEqual(told.slice(3).toSorted(), ['+new', '-gone', '~changed']);
    assert.deepEqual(
      informer
        .list()
        .map((object) => object.metadata.name!)
        .toSorted(),
      ['changed', 'kept', 'new'],
    );
  }));

test('an object that was replaced by its namesake is told as gone and new', () =>
  withWorld(async ({ api, clock, informer, told, create, remove }) => {
    await create('a');
    await informer.start();
    await settle();
    api.cutWatches(new Error('connection reset'));
    await remove('a');
    await create('a');
    api.compact();
    await clock.advance(20_000);
    await settle();
    assert.deepEqual(told, ['+a', '-a', '+a']);
  }));

test('a server that refuses is asked again after a growing delay, and start waits for it', () =>
  withWorld(async ({ api, clock, informer }) => {
    api.refuse = () => {
      throw statusError('ServiceUnavailable', 'starting');
    };
    let started = false;
    const start = informer.start().then(() => (started = true));
    for (let i = 0; i < 100; i++) {
      await settle();
      await clock.advance(100);
    }
    const tries = api.requests.length;
    assert.ok(tries >= 5 && tries <= 8, `asked ${tries} times in 10 s`);
    assert.equal(started, false);
    api.refuse = () => undefined;
    await clock.advance(30_000);
    await start;
    assert.equal(started, true);
  }));

test('a server that ends every watch at once is not asked in a loop', () =>
  withWorld(async ({ api, clock, informer }) => {
    await informer.start();
    for (let i = 0; i < 200; i++) {
      await settle();
      api.cutWatches();
    }
    await clock.advance(1);
    assert.ok(api.requests.length < 10, `asked ${api.requests.length} times`);
  }));

test('indexes follow changes', () =>
  withWorld(async ({ informer, create, change, remove }) => {
    informer.addIndex('value', (object) => (object.data?.['value'] ? [object.data['value']] : []));
    await create('a');
    await create('b');
    await informer.start();
    await change('a', 'x');
    await change('b', 'x');
    await settle();
    assert.deepEqual(
      informer.byIndex('value', 'x').map((object) => object.metadata.name),
      ['a', 'b'],
    );
    await change('a', 'y');
    await remove('b');
    await settle();
    assert.deepEqual(informer.byIndex('value', 'x'), []);
    assert.deepEqual(
      informer.byIndex('value', 'y').map((object) => object.metadata.name),
      ['a'],
    );
    assert.equal(informer.listNamespace('default').length, 1);
    assert.throws(() => informer.byIndex('other', ''), /no index "other"/);
  }));

test('closing the client ends the watch and rejects a start that waits', async () => {
  const api = new MemoryApi();
  api.refuse = () => {
    throw statusError('ServiceUnavailable', 'down');
  };
  const client = createClient({ transport: api.transport, clock: new ManualClock(), log: silentLogger, rng: seededRng(1) });
  const start = client.informer(CONFIG_MAPS).start();
  await settle();
  await client.close();
  await assert.rejects(start, /stopped/);
});

test('the same arguments give the same informer', async () => {
  const api = new MemoryApi();
  const client = createClient({ transport: api.transport, clock: new ManualClock(), log: silentLogger });
  assert.equal(client.informer(CONFIG_MAPS), client.informer(CONFIG_MAPS, {}));
  assert.notEqual(client.informer(CONFIG_MAPS), client.informer(CONFIG_MAPS, { namespace: 'default' }));
  await client.close();
});
