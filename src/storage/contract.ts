import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { seededRng, type Rng } from '../lib/random.ts';
import { StorageError, type Storage, type StorageEvent } from './storage.ts';

/** What a store brings along to be held to the contract. */
export interface StoreUnderTest {
  /** Opens a store that nothing else writes to. */
  open(): Promise<Storage>;
  /** Starts writers on a store of its own that can be killed. */
  startCrash(): Promise<CrashRun>;
  /** Closes and removes whatever `open` and `startCrash` made. */
  dispose(): Promise<void>;
}

export interface CrashRun {
  /** Resolves when so many writes have been acknowledged. */
  acknowledged(count: number): Promise<void>;
  /** SIGKILL, while writes are under way. Returns the acknowledged writes, key to revision. */
  kill(): Promise<ReadonlyMap<string, number>>;
  /** Opens what the dead process left. */
  reopen(): Promise<Storage>;
}

const DEADLINE_MS = 20_000;
const NEVER = 2 ** 40;
const text = (value: string): Buffer => Buffer.from(value);
const read = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString();

type Case = (context: { storage: Storage; prefix: string; signal: AbortSignal; t: TestContext }) => Promise<void>;

/** Both stores pass this, word for word. `make` is asked once; a string says why the suite cannot run here. */
export function storageContract(name: string, make: () => StoreUnderTest | string): void {
  const made = make();
  describe(`storage contract: ${name}`, { skip: typeof made === 'string' ? made : false }, () => {
    if (typeof made === 'string') return;
    let storage: Storage;
    before(async () => {
      storage = await made.open();
    });
    after(() => made.dispose());
    let count = 0;
    for (const [title, run] of Object.entries({ ...writes, ...ranges, ...watches, ...histories, ...compactions })) {
      const prefix = `/contract/${++count}/`;
      test(title, { timeout: DEADLINE_MS }, (t) => run({ storage, prefix, signal: t.signal, t }));
    }
    test('close may be called twice, and then everything is Closed', { timeout: DEADLINE_MS }, () => closesTwice(made));
    test('a killed process loses no acknowledged write', { timeout: DEADLINE_MS }, () => survivesKill(made));
  });
}

const writes: Record<string, Case> = {
  'get of what is not there is undefined': async ({ storage, prefix }) => {
    assert.equal(await storage.get(`${prefix}a`), undefined);
  },
  'create, get, update, delete': async ({ storage, prefix }) => {
    const key = `${prefix}a`;
    const { revision: created } = await storage.create(key, text('one'));
    assert.deepEqual(await shown(storage, key), { value: 'one', createRevision: created, modRevision: created });
    const { revision: updated } = await storage.update(key, text('two'), created);
    assert.ok(updated > created);
    assert.deepEqual(await shown(storage, key), { value: 'two', createRevision: created, modRevision: updated });
    const { revision: deleted } = await storage.delete(key, updated);
    assert.ok(deleted > updated);
    assert.equal(await storage.get(key), undefined);
    const { revision: again } = await storage.create(key, text('three'));
    assert.deepEqual(await shown(storage, key), { value: 'three', createRevision: again, modRevision: again });
  },
  'create of what exists throws KeyExists with what is there': async ({ storage, prefix }) => {
    const { revision } = await storage.create(`${prefix}a`, text('one'));
    const error = await failure(storage.create(`${prefix}a`, text('two')), 'KeyExists');
    assert.equal(read(error.current?.value), 'one');
    assert.equal(error.current?.modRevision, revision);
  },
  'update and delete with a wrong revision throw RevisionMismatch with what is there': async ({ storage, prefix }) => {
    const { revision } = await storage.create(`${prefix}a`, text('one'));
    for (const wrong of [revision - 1, revision + 1, 0, NEVER]) {
      const onUpdate = await failure(storage.update(`${prefix}a`, text('two'), wrong), 'RevisionMismatch');
      const onDelete = await failure(storage.delete(`${prefix}a`, wrong), 'RevisionMismatch');
      assert.equal(onUpdate.current?.modRevision, revision);
      assert.equal(onDelete.current?.modRevision, revision);
    }
    assert.equal(read((await storage.get(`${prefix}a`))?.value), 'one');
  },
  'update and delete of what is not there throw RevisionMismatch with nothing': async ({ storage, prefix }) => {
    for (const expected of [0, 7]) {
      assert.equal((await failure(storage.update(`${prefix}a`, text('x'), expected), 'RevisionMismatch')).current, undefined);
      assert.equal((await failure(storage.delete(`${prefix}a`, expected), 'RevisionMismatch')).current, undefined);
    }
    assert.equal(await storage.get(`${prefix}a`), undefined);
  },
  'of concurrent creates, updates and deletes of one key exactly one wins': async ({ storage, prefix }) => {
    const key = `${prefix}a`;
    const { revision } = await onlyOne(
      Array.from({ length: 50 }, (_, i) => storage.create(key, text(`${i}`))),
      'KeyExists',
    );
    const updated = await onlyOne(
      Array.from({ length: 50 }, (_, i) => storage.update(key, text(`${i}`), revision)),
      'RevisionMismatch',
    );
    const removals = Array.from({ length: 20 }, () => storage.delete(key, updated.revision));
    await onlyOne([...removals, storage.update(key, text('x'), updated.revision)], 'RevisionMismatch');
  },
  'values are bytes, of up to 1.4 MB, and empty ones too': async ({ storage, prefix }) => {
    const values = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(1_400_000).fill(7)];
    for (const [i, value] of values.entries()) {
      await storage.create(`${prefix}${i}`, value);
      assert.ok(Buffer.from(value).equals((await storage.get(`${prefix}${i}`))!.value), `value ${i}`);
    }
    await failure(storage.create(`${prefix}large`, new Uint8Array(2_000_000)), 'TooLarge');
  },
  'an acknowledged write raises currentRevision to its own at least': async ({ storage, prefix }) => {
    for (let i = 0; i < 20; i++) {
      const { revision } = await storage.create(`${prefix}${i}`, text('x'));
      assert.ok((await storage.currentRevision()) >= revision);
    }
    assert.ok((await storage.size()) > 0);
  },
};

const ranges: Record<string, Case> = {
  'range shows keys in order, and none beside the prefix': async ({ storage, prefix }) => {
    for (const key of ['b/2', 'b/é', 'b/1', 'a/1', 'b', 'b0', 'b/😀', 'b/1/x']) await storage.create(prefix + key, text(key));
    const { items, more, remaining } = await storage.range(`${prefix}b/`);
    assert.deepEqual(
      items.map((item) => read(item.value)),
      ['b/1', 'b/1/x', 'b/2', 'b/é', 'b/😀'],
    );
    assert.deepEqual({ more, remaining }, { more: false, remaining: 0 });
    assert.deepEqual((await storage.range(`${prefix}none/`)).items, []);
  },
  'limit, after and remaining walk through a list': async ({ storage, prefix }) => {
    await Promise.all(Array.from({ length: 25 }, (_, i) => storage.create(`${prefix}${String(i).padStart(2, '0')}`, text(`${i}`))));
    const seen: string[] = [];
    const counts: number[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = await storage.range(prefix, { limit: 10, ...(after ? { after } : {}) });
      seen.push(...page.items.map((item) => item.key));
      counts.push(page.remaining);
      assert.equal(page.more, page.remaining > 0);
      after = page.items.at(-1)!.key;
      more = page.more;
    }
    assert.deepEqual(counts, [15, 5, 0]);
    assert.deepEqual(
      seen,
      (await storage.range(prefix)).items.map((item) => item.key),
    );
    assert.equal(seen.length, 25);
  },
  'a range as of a past revision shows what stood then, page by page': async ({ storage, prefix }) => {
    const revisions = new Map<string, number>();
    for (const key of ['a', 'b', 'c', 'd']) revisions.set(key, (await storage.create(prefix + key, text(`${key}1`))).revision);
    const past = await storage.currentRevision();
    await storage.update(`${prefix}a`, text('a2'), revisions.get('a')!);
    const { revision: deleted } = await storage.delete(`${prefix}b`, revisions.get('b')!);
    await storage.create(`${prefix}bb`, text('new'));
    await storage.delete(`${prefix}d`, revisions.get('d')!);
    await storage.create(`${prefix}d`, text('d2'));
    const first = await storage.range(prefix, { revision: past, limit: 2 });
    assert.deepEqual(
      first.items.map((item) => read(item.value)),
      ['a1', 'b1'],
    );
    assert.deepEqual(
      { more: first.more, remaining: first.remaining, revision: first.revision },
      { more: true, remaining: 2, revision: past },
    );
    const second = await storage.range(prefix, { revision: past, limit: 2, after: `${prefix}b` });
    assert.deepEqual(
      second.items.map((item) => read(item.value)),
      ['c1', 'd1'],
    );
    assert.equal(second.more, false);
    assert.deepEqual(
      (await storage.range(prefix, { revision: deleted })).items.map((item) => read(item.value)),
      ['a2', 'c1', 'd1'],
    );
    assert.deepEqual(
      (await storage.range(prefix)).items.map((item) => read(item.value)),
      ['a2', 'new', 'c1', 'd2'],
    );
  },
  'the revision of a range covers every item': async ({ storage, prefix }) => {
    const writing = Promise.all(Array.from({ length: 200 }, (_, i) => storage.create(`${prefix}${i}`, text('x'))));
    for (let i = 0; i < 10; i++) {
      const { items, revision } = await storage.range(prefix);
      assert.ok(items.every((item) => item.modRevision <= revision));
    }
    await writing;
    assert.equal((await storage.range(prefix)).items.length, 200);
  },
};

const watches: Record<string, Case> = {
  'a watch from a past revision tells every change since, with the values before': async ({ storage, prefix, signal }) => {
    const key = `${prefix}a`;
    const { revision: created } = await storage.create(key, text('one'));
    const { revision: updated } = await storage.update(key, text('two'), created);
    const { revision: deleted } = await storage.delete(key, updated);
    const { revision: again } = await storage.create(key, text('three'));
    const expected = [
      { type: 'put', value: 'one', createRevision: created, modRevision: created, previous: undefined },
      { type: 'put', value: 'two', createRevision: created, modRevision: updated, previous: 'one' },
      { type: 'delete', value: 'two', createRevision: created, modRevision: deleted, previous: undefined },
      { type: 'put', value: 'three', createRevision: again, modRevision: again, previous: undefined },
    ];
    assert.deepEqual((await collect(storage, prefix, created, 4, signal)).map(plain), expected);
    assert.deepEqual((await collect(storage, prefix, updated, 3, signal)).map(plain), expected.slice(1));
  },
  'a watch that waits is told the same': async ({ storage, prefix, signal }) => {
    const from = (await storage.currentRevision()) + 1;
    const watching = collect(storage, prefix, from, 3, signal);
    const { revision: created } = await storage.create(`${prefix}a`, text('one'));
    const { revision: updated } = await storage.update(`${prefix}a`, text('two'), created);
    await storage.delete(`${prefix}a`, updated);
    const events = await watching;
    assert.deepEqual(
      events.map((event) => [event.type, read(event.value), read(event.previous)]),
      [
        ['put', 'one', undefined],
        ['put', 'two', 'one'],
        ['delete', 'two', undefined],
      ],
    );
    assert.equal(events[2]!.createRevision, created);
  },
  '2,000 concurrent writes reach two watchers without loss, in order': async ({ storage, prefix, signal }) => {
    const from = (await storage.currentRevision()) + 1;
    const early = collect(storage, prefix, from, 2000, signal);
    const writing = Promise.all(Array.from({ length: 2000 }, (_, i) => storage.create(`${prefix}${i}`, text(`${i}`))));
    await storage.create(`${prefix}other`, text('x'));
    const late = collect(storage, prefix, from, 2000, signal);
    const revisions = new Set((await writing).map((write) => write.revision));
    assert.equal(revisions.size, 2000);
    for (const events of [await early, await late]) {
      const order = events.map((event) => event.modRevision);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(order).size, order.length);
    }
    const all = await collect(storage, prefix, from, 2001, signal);
    assert.ok([...revisions].every((revision) => all.some((event) => event.modRevision === revision)));
  },
  'a slow watcher gets everything, too': async ({ storage, prefix, signal }) => {
    const from = (await storage.currentRevision()) + 1;
    const watching = storage.watch(prefix, from, signal)[Symbol.asyncIterator]();
    const first = watching.next();
    await storage.create(`${prefix}first`, text('x'));
    let seen = (await first).value!.events.length;
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 1000 }, (_, i) => storage.create(`${prefix}${round}-${i}`, text('x'))));
    }
    for (let last = 0; seen < 5001;) {
      const { events } = (await watching.next()).value!;
      for (const event of events) assert.ok(event.modRevision > last, 'in order');
      last = events.at(-1)?.modRevision ?? last;
      seen += events.length;
    }
    assert.equal(seen, 5001);
    await watching.return?.();
  },
  'a watcher of other keys learns how far the store is': async ({ storage, prefix, signal }) => {
    const from = (await storage.currentRevision()) + 1;
    const watching = progress(storage, `${prefix}quiet/`, from, signal);
    const { revision } = await storage.create(`${prefix}noise`, text('x'));
    await storage.currentRevision();
    await watching(revision);
    const { revision: second } = await storage.create(`${prefix}noise2`, text('x'));
    // Nobody asks: it is told all the same.
    await watching(second);
  },
  'aborting ends a watch, whether it waits or not': async ({ storage, prefix, signal }) => {
    const controller = new AbortController();
    const waiting = collect(storage, prefix, (await storage.currentRevision()) + 1, 1, AbortSignal.any([signal, controller.signal]));
    controller.abort();
    assert.deepEqual(await waiting, []);
    assert.deepEqual(await collect(storage, prefix, 1, 1, controller.signal), []);
  },
};

const histories: Record<string, Case> = {
  'a random history reads the same at every revision, and a watch replays it': async ({ storage, prefix, signal, t }) => {
    const seed = 20_260_101;
    t.diagnostic(`seed ${seed}`);
    const start = await storage.currentRevision();
    const past = await randomHistory(storage, prefix, seededRng(seed), 250);
    const oldest = past[100]!.revision;
    await storage.compact(oldest);
    for (const { revision, state } of past.slice(100)) {
      const { items } = await storage.range(prefix, { revision });
      assert.deepEqual(Object.fromEntries(items.map((item) => [item.key, read(item.value)])), state, `at revision ${revision}`);
    }
    await failure(storage.range(prefix, { revision: start }), 'Compacted');
    const replayed = { ...past[99]!.state };
    for (const [i, event] of (await collect(storage, prefix, oldest, 150, signal)).entries()) {
      assert.equal(event.modRevision, past[100 + i]!.revision);
      if (event.type === 'put') assert.equal(read(event.previous), replayed[event.key]);
      else assert.equal(read(event.value), replayed[event.key]);
      if (event.type === 'put') replayed[event.key] = read(event.value)!;
      else delete replayed[event.key];
      assert.deepEqual(replayed, past[100 + i]!.state);
    }
  },
};

const compactions: Record<string, Case> = {
  'compaction forgets the past and nothing else': async ({ storage, prefix, signal }) => {
    const key = `${prefix}a`;
    const { revision: first } = await storage.create(key, text('one'));
    const { revision: second } = await storage.update(key, text('two'), first);
    const { revision: gone } = await storage.create(`${prefix}gone`, text('x'));
    await storage.delete(`${prefix}gone`, gone);
    const { revision: third } = await storage.update(key, text('three'), second);
    await storage.compact(third);
    const error = await failure(storage.range(prefix, { revision: second }), 'Compacted');
    if (error.compactRevision !== undefined) assert.equal(error.compactRevision, third);
    await failure(collect(storage, prefix, second, 1, signal), 'Compacted');
    await failure(storage.compact(second), 'Compacted');
    assert.equal(read((await storage.get(key))?.value), 'three');
    assert.deepEqual(
      (await storage.range(prefix, { revision: third })).items.map((item) => read(item.value)),
      ['three'],
    );
    const { revision: fourth } = await storage.update(key, text('four'), third);
    const events = await collect(storage, prefix, third, 2, signal);
    assert.deepEqual(
      events.map((event) => [event.modRevision, read(event.value), read(event.previous)]),
      [
        [third, 'three', 'two'],
        [fourth, 'four', 'three'],
      ],
    );
    await storage.create(`${prefix}gone`, text('y'));
    assert.equal(read((await storage.get(`${prefix}gone`))?.value), 'y');
  },
  'a deletion at the compacted revision is still told': async ({ storage, prefix, signal }) => {
    const { revision } = await storage.create(`${prefix}a`, text('one'));
    const { revision: deleted } = await storage.delete(`${prefix}a`, revision);
    await storage.compact(deleted);
    const [event] = await collect(storage, prefix, deleted, 1, signal);
    assert.deepEqual([event!.type, event!.modRevision, read(event!.value)], ['delete', deleted, 'one']);
  },
};

/** Creates, replaces and deletes a few keys at random; returns what stood after each change. */
async function randomHistory(
  storage: Storage,
  prefix: string,
  rng: Rng,
  changes: number,
): Promise<{ revision: number; state: Record<string, string> }[]> {
  const revisions = new Map<string, number>();
  const state: Record<string, string> = {};
  const past: { revision: number; state: Record<string, string> }[] = [];
  for (let i = 0; i < changes; i++) {
    const key = prefix + Math.floor(rng.next() * 12);
    const expected = revisions.get(key);
    const remove = expected !== undefined && rng.next() < 0.4;
    const value = text(`${i}`);
    const write =
      expected === undefined ? storage.create(key, value) : remove ? storage.delete(key, expected) : storage.update(key, value, expected);
    const { revision } = await write;
    if (remove) {
      revisions.delete(key);
      delete state[key];
    } else {
      revisions.set(key, revision);
      state[key] = `${i}`;
    }
    past.push({ revision, state: { ...state } });
  }
  return past;
}

async function closesTwice(made: StoreUnderTest): Promise<void> {
  const storage = await made.open();
  const { revision } = await storage.create('/closing/a', text('x'));
  const watching = failure(collect(storage, '/closing/', revision + 1, 1, new AbortController().signal), 'Closed');
  await new Promise(setImmediate);
  await storage.close();
  await storage.close();
  await watching;
  await failure(storage.get('/closing/a'), 'Closed');
  await failure(storage.create('/closing/b', text('x')), 'Closed');
}

async function survivesKill(made: StoreUnderTest): Promise<void> {
  const run = await made.startCrash();
  await run.acknowledged(500);
  const acknowledged = await run.kill();
  const storage = await run.reopen();
  const { items, revision } = await storage.range('/crash/');
  const stored = new Map(items.map((item) => [item.key, item.modRevision]));
  assert.ok(acknowledged.size >= 500);
  for (const [key, at] of acknowledged) assert.equal(stored.get(key), at, `${key} was acknowledged`);
  assert.ok(Math.max(...acknowledged.values()) <= revision);
  const next = await storage.create('/crash/after', text('x'));
  assert.ok(next.revision > revision);
}

async function shown(storage: Storage, key: string): Promise<object | undefined> {
  const found = await storage.get(key);
  return found && { value: read(found.value), createRevision: found.createRevision, modRevision: found.modRevision };
}

function plain(event: StorageEvent): object {
  const { type, value, createRevision, modRevision, previous } = event;
  return { type, value: read(value), createRevision, modRevision, previous: read(previous) };
}

/** The first `count` events of a watch; fewer when the signal ends it. */
async function collect(storage: Storage, prefix: string, from: number, count: number, signal: AbortSignal): Promise<StorageEvent[]> {
  const found: StorageEvent[] = [];
  for await (const { events, revision } of storage.watch(prefix, from, signal)) {
    assert.ok(events.every((event) => event.modRevision <= revision));
    found.push(...events);
    if (found.length >= count) break;
  }
  return found;
}

/** Watches keys that do not change; the returned function waits until the watch has come to a revision. */
function progress(storage: Storage, prefix: string, from: number, signal: AbortSignal): (revision: number) => Promise<void> {
  const batches = storage.watch(prefix, from, signal)[Symbol.asyncIterator]();
  let next = batches.next();
  let reached = 0;
  return async (revision) => {
    while (reached < revision) {
      const { value } = await next;
      assert.equal(value!.events.length, 0);
      reached = value!.revision;
      next = batches.next();
    }
  };
}

async function failure(promise: Promise<unknown>, code: StorageError['code']): Promise<StorageError> {
  const outcome = await promise.then(
    () => assert.fail(`should have failed with ${code}`),
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof StorageError, String(outcome));
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}

async function onlyOne<T>(attempts: Promise<T>[], code: StorageError['code']): Promise<T> {
  const outcomes = await Promise.allSettled(attempts);
  const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  assert.equal(won.length, 1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal((outcome.reason as StorageError).code, code);
  return won[0]!.value;
}
