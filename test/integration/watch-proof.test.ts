/**
 * Every watcher sees every revision exactly once and in order: many watchers of all manners over real connections, several writers, connections
 * that break at any byte, histories that are forgotten. What happened is read from the store itself.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { createLogger } from '../../src/lib/log.ts';
import { seededRng, type Rng } from '../../src/lib/random.ts';
import { openEtcdStorage } from '../../src/storage/etcd/store.ts';
import { cleaner, etcdBinary, NO_ETCD, spawnEtcd } from '../../src/storage/etcd/test-etcd.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { startTestApiServer, type TestApiServer } from '../fixtures/apiserver.ts';
import { History, type Scope } from '../fixtures/watch-proof/history.ts';
import { connections, type Encoding } from '../fixtures/watch-proof/streams.ts';
import { Watcher, type Manner } from '../fixtures/watch-proof/watcher.ts';
import { NAMESPACES, TEAMS, write } from '../fixtures/watch-proof/writer.ts';

const long = process.env['ROCKPOOL_TEST_LONG'] === '1';
const WATCHERS = long ? 100 : 30;
const WRITES = long ? 10_000 : 2000;
const WRITERS = 4;
const SEED = Number(process.env['ROCKPOOL_PROOF_SEED'] ?? 7);
/** One event in so many breaks the connection that it came on. */
const BREAKS_AFTER = long ? 1500 : 400;
/** History is forgotten so often, writes. */
const FORGETS_AFTER = WRITES / 10;

const SCOPES: readonly Scope[] = [
  {},
  { namespace: NAMESPACES[0]! },
  { team: TEAMS[0]! },
  { namespace: NAMESPACES[1]!, team: TEAMS[1]! },
  { namespace: NAMESPACES[0]!, name: 'own-0-4' },
  { name: 'shared-25' },
];
const ENCODINGS: readonly Encoding[] = ['json', 'protobuf', 'metadata'];

const mannerOf = (index: number): Manner => ({
  scope: SCOPES[index % SCOPES.length]!,
  encoding: ENCODINGS[Math.floor(index / 2) % ENCODINGS.length]!,
  http2: Math.floor(index / 3) % 2 === 1,
  streamsState: Math.floor(index / 5) % 2 === 1,
  bookmarks: Math.floor(index / 7) % 2 === 1,
});

/** Forgets a part of the history: what a watch resumes from, what a list goes on from. Some come back just then. */
async function forget(api: TestApiServer, watchers: readonly Watcher[], rng: Rng): Promise<void> {
  const { cache } = api.server.resources.must('', 'v1', 'configmaps');
  const revision = await api.storage.currentRevision();
  cache.forget(revision - Math.floor(rng.next() * 50));
  await api.storage.compact(revision - Math.floor(rng.next() * 20));
  for (const watcher of watchers) if (rng.next() < 0.3) watcher.cut();
}

async function prove(context: TestContext, open?: (folder: string) => Promise<Storage>): Promise<void> {
  const api = await startTestApiServer(open ? { open } : {});
  const file = (name: RegExp): string => [...api.pki].find(([key]) => name.test(key))![1];
  const wire = connections(api.url, { ca: file(/^ca\.crt$/), cert: file(/admin\.crt$/), key: file(/admin\.key$/) });
  const over = new AbortController();
  const history = new History();
  const following = history.follow(api.storage, (await api.storage.currentRevision()) + 1, over.signal);
  const watchers = Array.from(
    { length: WATCHERS },
    (_, index) => new Watcher(wire, mannerOf(index), { rng: seededRng(SEED * 1000 + index), breaksAfter: BREAKS_AFTER }),
  );
  let running: Promise<unknown> = Promise.resolve();
  try {
    for (const name of NAMESPACES) await wire.send('POST', '/api/v1/namespaces', { metadata: { name } });
    running = Promise.all(watchers.map((watcher) => watcher.run()));
    const acknowledged = await Promise.race([writeAll(api, wire, watchers), running.then(() => assert.fail('the watchers stopped'))]);
    const last = await api.storage.currentRevision();
    await Promise.race([sawAll(watchers, history, last), running]);
    const written = NAMESPACES.flatMap((namespace) => history.visible({ namespace }, 0, last));
    assert.equal(written.length, WRITES);
    const revisions = new Set(written.map(({ revision }) => revision));
    assert.deepEqual(
      acknowledged.filter((revision) => !revisions.has(revision)),
      [],
    );
    for (const watcher of watchers) watcher.check(history);
    context.diagnostic(`${written.length} changes, ${WATCHERS} watchers: ${sums(watchers)}`);
  } finally {
    for (const watcher of watchers) watcher.stop();
    over.abort();
    await Promise.allSettled([running, following]);
    wire.close();
    await api.close();
  }
}

async function writeAll(api: TestApiServer, wire: ReturnType<typeof connections>, watchers: readonly Watcher[]): Promise<number[]> {
  const rng = seededRng(SEED);
  const each = FORGETS_AFTER / WRITERS;
  const acknowledged: number[] = [];
  for (let written = 0; written < WRITES; written += FORGETS_AFTER) {
    const batches = Array.from({ length: WRITERS }, (_, id) => write(wire, id, each, rng));
    acknowledged.push(...(await Promise.all(batches)).flat());
    await forget(api, watchers, rng);
  }
  return acknowledged;
}

/** Waits until each watcher has got the last of what it can see. */
async function sawAll(watchers: readonly Watcher[], history: History, last: number): Promise<void> {
  await history.reached(last);
  await Promise.all(watchers.map((watcher) => watcher.reached(history.visible(watcher.manner.scope, 0, last).at(-1)?.revision ?? 0)));
}

function sums(watchers: readonly Watcher[]): string {
  const total = { events: 0, reconnects: 0, relists: 0, bookmarks: 0 };
  for (const { tally } of watchers) for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += tally[key];
  return Object.entries(total)
    .map(([key, value]) => `${value} ${key}`)
    .join(', ');
}

describe(`${WATCHERS} watchers and ${WRITES} writes`, { timeout: 600_000 }, () => {
  test('on the embedded store', (context) => prove(context));

  const binary = etcdBinary();
  test('on etcd', { skip: binary ? false : NO_ETCD }, async (context) => {
    const cleanup = cleaner();
    try {
      await prove(context, async () => {
        const directory = await cleanup.directory();
        cleanup.killing(spawnEtcd(binary!, directory));
        return openEtcdStorage({
          endpoints: [`unix://${path.join(directory, 'client.sock')}`],
          exclusive: true,
          clock: systemClock({ unref: true }),
          log: createLogger({ level: 'warn' }),
        });
      });
    } finally {
      await cleanup.run();
    }
  });
});
