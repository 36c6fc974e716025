import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ManualClock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { StorageError } from '../storage.ts';
import { takeLock } from './lock.ts';
import { openEmbeddedStorage, type EmbeddedOptions } from './store.ts';
import { Tables } from './tables.ts';

const VALUE = Buffer.alloc(1000, 1);

test('a store that is open cannot be opened again', async (t) => {
  const directory = await temporary(t);
  const storage = await open(directory);
  await assert.rejects(
    open(directory),
    (error: StorageError) => error.code === 'Unavailable' && error.message.includes(`process ${process.pid}`),
  );
  await storage.close();
  await (await open(directory)).close();
});

const staleLocks = {
  'of a process that is gone': JSON.stringify({ pid: 2 ** 22 + 1, started: '' }),
  'of a process whose pid is now another': JSON.stringify({ pid: process.pid, started: 'another boot 1' }),
  'left empty by a power cut': '',
};
for (const [name, content] of Object.entries(staleLocks)) {
  const needsProc = name.includes('another') && process.platform !== 'linux';
  test(`a lock ${name} is taken over`, { skip: needsProc ? 'only Linux tells when a process began' : false }, async (t) => {
    const directory = await temporary(t);
    await writeFile(path.join(directory, 'owner'), content);
    await (await open(directory)).close();
  });
}

test('of several that take a stale lock over at once, one gets it', async (t) => {
  for (let round = 0; round < 20; round++) {
    const file = path.join(await temporary(t), 'owner');
    await writeFile(file, staleLocks['of a process that is gone']);
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => takeLock(file)));
    assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
    assert.deepEqual(await readdir(path.dirname(file)), ['owner']);
  }
});

test('a file that is no store is an error that names the directory, and leaves no lock', async (t) => {
  const directory = await temporary(t);
  await writeFile(path.join(directory, 'data.mdb'), Buffer.alloc(20_000, 'not a database '));
  await assert.rejects(open(directory), (error: StorageError) => error.code === 'Unavailable' && error.message.includes(directory));
  await rm(path.join(directory, 'data.mdb'));
  await (await open(directory)).close();
});

test('values, revisions and the compaction mark outlive a restart', async (t) => {
  const directory = await temporary(t);
  const first = await open(directory);
  const { revision: created } = await first.create('/a', VALUE);
  const { revision: updated } = await first.update('/a', VALUE, created);
  await first.compact(updated);
  await first.close();
  const second = await open(directory);
  assert.equal(await second.currentRevision(), updated);
  assert.equal((await second.get('/a'))?.createRevision, created);
  await assert.rejects(second.range('/', { revision: created }), { code: 'Compacted', compactRevision: updated });
  await second.close();
});

test('compaction leaves one row a key, and none of a deleted one', async (t) => {
  const directory = await temporary(t);
  const storage = await open(directory);
  for (let key = 0; key < 20; key++) {
    let { revision } = await storage.create(`/k/${key}`, VALUE);
    for (let i = 0; i < 10; i++) ({ revision } = await storage.update(`/k/${key}`, VALUE, revision));
    if (key % 2 === 0) await storage.delete(`/k/${key}`, revision);
  }
  const { revision } = await storage.create('/k/last', VALUE);
  await storage.compact(revision);
  await storage.close();
  const tables = await Tables.open(directory);
  assert.equal(tables.log.getKeysCount(), 11);
  assert.equal(tables.gone.getKeysCount(), 0);
  await tables.close();
});

const smallDisk = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', tmpdir()]);
const noSmallDisk = smallDisk.status === 0 ? false : 'no way here to mount a small file system (unshare -rm)';

test(
  'a full disk is NoSpace, what was acknowledged stays, reads go on, and space that comes back is used',
  { skip: noSmallDisk },
  async (t) => {
    const directory = await temporary(t);
    const script = fileURLToPath(new URL('full-disk-child.ts', import.meta.url));
    const mounted = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"';
    const child = spawn('unshare', ['-rm', 'sh', '-c', mounted, directory, process.execPath, script, directory], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    const { written, code, read, reopened, again } = JSON.parse(output) as Record<string, unknown>;
    assert.equal(code, 'NoSpace');
    assert.ok(Number(written) > 50, `${String(written)} were written`);
    assert.deepEqual({ read, reopened, again }, { read: written, reopened: written, again: true });
  },
);

test('history is forgotten on the clock, but not what is younger than keep', async (t) => {
  const clock = new ManualClock();
  const storage = await open(await temporary(t), { clock, compaction: { every: 60_000, keep: 120_000 } });
  const { revision: first } = await storage.create('/a', VALUE);
  const { revision: second } = await storage.update('/a', VALUE, first);
  await clock.advance(60_000);
  const { revision: third } = await storage.update('/a', VALUE, second);
  await clock.advance(60_000);
  assert.equal((await storage.range('/', { revision: first })).items.length, 1);
  await clock.advance(60_000);
  // Reads queue behind nothing, writes behind the compaction: after one, it is done.
  await storage.update('/a', VALUE, third);
  await assert.rejects(storage.range('/', { revision: first }), { code: 'Compacted' });
  assert.equal((await storage.range('/', { revision: second })).items.length, 1);
  await storage.close();
});

async function open(directory: string, options: Partial<EmbeddedOptions> = {}) {
  return openEmbeddedStorage({ path: directory, clock: systemClock(), log: silentLogger, compaction: false, ...options });
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'rps-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
