import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { withLock } from './lock.ts';
import { processStart } from './processes.ts';

const dir = await mkdtemp(join(tmpdir(), 'rockpool-lock-'));
after(() => rm(dir, { recursive: true }));
const clock = systemClock();
const path = join(dir, 'lock');

test('one at a time; the second is told who holds it', async () => {
  await withLock(path, { clock, purpose: 'start' }, async () => {
    await assert.rejects(
      withLock(path, { clock, purpose: 'stop' }, async () => 'in'),
      { code: 'PROFILE_LOCKED', message: `\`rockpool start\` is at work here (process ${process.pid})` },
    );
  });
  assert.equal(await withLock(path, { clock, purpose: 'stop' }, async () => 'in'), 'in');
});

test('it is given back when the work fails, and nothing is left', async () => {
  await assert.rejects(
    withLock(path, { clock, purpose: 'start' }, () => Promise.reject(new Error('work'))),
    { message: 'work' },
  );
  assert.deepEqual(await readdir(dir), []);
});

const stale = [
  { name: 'its process has gone', holder: { pid: 2 ** 22 + 1, start: '1', purpose: 'start' } },
  { name: 'its pid is another process now', holder: { pid: process.pid, start: 'long ago', purpose: 'start' } },
];
for (const { name, holder } of stale) {
  test(`a lock is taken over at once when ${name}`, async () => {
    await writeFile(path, JSON.stringify(holder));
    assert.equal(await withLock(path, { clock, purpose: 'stop' }, async () => 'in'), 'in');
  });
}

test("another program's lock is waited for, then taken over", async () => {
  await writeFile(path, '');
  assert.equal(await withLock(path, { clock, purpose: 'kubeconfig', waitMs: 60 }, async () => 'in'), 'in');
});

test('whoever waits gets it in turn', async () => {
  const order: number[] = [];
  const work = (i: number) => withLock(path, { clock, purpose: 'start', waitMs: 10_000 }, async () => order.push(i));
  await Promise.all([1, 2, 3, 4].map(work));
  assert.deepEqual(order.toSorted(), [1, 2, 3, 4]);
});

test('a process is known by pid and start time', async () => {
  assert.ok(await processStart(process.pid));
  assert.equal(await processStart(2 ** 22 + 1), undefined);
});
