import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../lib/clock.ts';
import { SimCpu } from './cpu.ts';
import { saidUsage } from './usage.ts';

const never = new AbortController().signal;

test('an idle container takes a thousandth of a core', async () => {
  const clock = new ManualClock();
  const cpu = new SimCpu(clock, undefined);
  await clock.advance(60_000);
  assert.equal(cpu.total(undefined), 60);
});

test('work is charged, and the counter never goes back', async () => {
  const clock = new ManualClock();
  const cpu = new SimCpu(clock, undefined);
  await clock.advance(10_000);
  cpu.charge(500);
  assert.equal(cpu.total(undefined), 510);
  assert.equal(cpu.total(undefined), 510);
  await clock.advance(10_000);
  assert.equal(cpu.total(undefined), 520);
});

test('what the user says stands in place of what programs say, from the last look on', async () => {
  const clock = new ManualClock();
  const cpu = new SimCpu(clock, undefined);
  cpu.charge(5_000);
  await clock.advance(10_000);
  assert.equal(cpu.total(0.25), 2_500);
  await clock.advance(10_000);
  assert.equal(cpu.total(undefined), 2_510);
});

test('the limit holds whatever is charged or said', async () => {
  const clock = new ManualClock();
  const cpu = new SimCpu(clock, 0.5);
  cpu.charge(60_000);
  await clock.advance(10_000);
  assert.equal(cpu.total(undefined), 5_000);
  await clock.advance(10_000);
  assert.equal(cpu.total(3), 10_000);
});

const WAITS: Record<string, { limit?: number; jobs: number[]; doneAt: number[] }> = {
  'alone on a core': { jobs: [100], doneAt: [100] },
  'half a core takes twice as long': { limit: 0.5, jobs: [100], doneAt: [200] },
  'under a limit, one after the other': { limit: 0.5, jobs: [100, 100, 50], doneAt: [200, 400, 500] },
  'without a limit, side by side': { jobs: [100, 100], doneAt: [100, 100] },
};

for (const [name, { limit, jobs, doneAt }] of Object.entries(WAITS)) {
  test(`work takes its time: ${name}`, async () => {
    const clock = new ManualClock(0);
    const cpu = new SimCpu(clock, limit);
    const ends: number[] = [];
    const all = Promise.all(jobs.map((ms) => cpu.work(ms, never).then(() => ends.push(clock.now()))));
    await clock.advance(1_000);
    await all;
    assert.deepEqual(ends, doneAt);
  });
}

test("what pods' annotations say is shared by their containers; what is no quantity is not said", () => {
  assert.deepEqual(saidUsage({ 'rockpool.dev/cpu': '500m', 'rockpool.dev/memory': '64Mi' }, 2), { cores: 0.25, memoryBytes: 32 * 2 ** 20 });
  assert.deepEqual(saidUsage({ 'rockpool.dev/cpu': 'lots' }, 1), { cores: undefined, memoryBytes: undefined });
  assert.deepEqual(saidUsage({ 'rockpool.dev/cpu': '-1' }, 1), { cores: undefined, memoryBytes: undefined });
  assert.deepEqual(saidUsage(undefined, 1), { cores: undefined, memoryBytes: undefined });
});
