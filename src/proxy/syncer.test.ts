import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { Syncer } from './syncer.ts';

const setUp = (sync: (keys: readonly string[]) => Promise<void>) => {
  const clock = new ManualClock();
  const batches: string[][] = [];
  const syncer = new Syncer({
    clock,
    log: silentLogger,
    sync: (keys) => {
      batches.push([...keys]);
      return sync([...keys]);
    },
  });
  return { clock, batches, syncer };
};

describe('the syncer', () => {
  test('takes a burst as one batch, soon', async () => {
    const { clock, batches, syncer } = setUp(() => Promise.resolve());
    for (const key of ['a', 'b', 'a']) syncer.touch(key);
    assert.deepEqual(batches, []);
    await clock.advance(20);
    assert.deepEqual(batches, [['a', 'b']]);
    await clock.advance(60_000);
    assert.equal(batches.length, 1, 'nothing to do, nothing done');
  });

  test('gathers what comes while it works for the next batch', async () => {
    const first = Promise.withResolvers<void>();
    let calls = 0;
    const { clock, batches, syncer } = setUp(() => (calls++ === 0 ? first.promise : Promise.resolve()));
    syncer.touch('a');
    await clock.advance(20);
    for (const key of ['b', 'c']) syncer.touch(key);
    await clock.advance(1000);
    assert.deepEqual(batches, [['a']]);
    first.resolve();
    await clock.advance(0);
    await clock.advance(20);
    assert.deepEqual(batches, [['a'], ['b', 'c']]);
  });

  test('tries what failed again, ever more slowly, with what was added', async () => {
    let failures = 3;
    const { clock, batches, syncer } = setUp(() => (failures-- > 0 ? Promise.reject(new Error('no')) : Promise.resolve()));
    syncer.touch('a');
    await clock.advance(5);
    syncer.touch('b');
    for (const [ms, count] of [
      [40, 1],
      [10, 2],
      [90, 2],
      [20, 3],
      [180, 3],
      [20, 4],
      [60_000, 4],
    ] as const) {
      await clock.advance(ms);
      assert.equal(batches.length, count);
    }
    assert.deepEqual(batches.at(-1)!.toSorted(), ['a', 'b']);
  });

  test('does nothing after a stop', async () => {
    const { clock, batches, syncer } = setUp(() => Promise.resolve());
    syncer.touch('a');
    await syncer.stop();
    syncer.touch('b');
    await clock.advance(1000);
    assert.deepEqual(batches, []);
  });
});
