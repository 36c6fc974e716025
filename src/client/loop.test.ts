import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { ManualClock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { createLogger } from '../lib/log.ts';
import { seededRng } from '../lib/random.ts';
import { createClient } from './new-client.ts';
import { runReconciler } from './loop.ts';
import type { Reconciler } from './reconcile.ts';
import { TerminalError } from './reconcile.ts';

type Queue = Parameters<Reconciler['setup']>[0];

interface Run {
  clock: ManualClock;
  queue: Queue;
  loop: Component;
  logged: string[];
}

async function withLoop(reconciler: Omit<Reconciler, 'setup' | 'name'>, work: (run: Run) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const logged: string[] = [];
  const log = createLogger({ write: (line) => void logged.push(line), now: () => clock.now() });
  const client = createClient({ transport: new MemoryApi().transport, clock, log });
  const context = { client, clock, rng: seededRng(1), log, events: { event: () => undefined } };
  let queue: Queue | undefined;
  const loop = runReconciler(context, { name: 'test', setup: (given) => void (queue = given), ...reconciler });
  await loop.start(new AbortController().signal);
  try {
    await work({ clock, queue: queue!, loop, logged });
  } finally {
    await loop.stop();
    await client.close();
  }
}

test('a key that is added many times is worked on once', async () => {
  const seen: string[] = [];
  await withLoop({ reconcile: async (key) => void seen.push(key) }, async ({ clock, queue }) => {
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    await clock.advance(0);
    assert.deepEqual(seen, ['a', 'b']);
  });
});

test('a key added while it is in work runs once more afterwards, never at once', async () => {
  let running = 0;
  let most = 0;
  let count = 0;
  const gate = Promise.withResolvers<void>();
  const reconcile = async (): Promise<void> => {
    count++;
    most = Math.max(most, ++running);
    if (count === 1) await gate.promise;
    running--;
  };
  await withLoop({ reconcile, concurrency: 4 }, async ({ clock, queue }) => {
    queue.add('a');
    await clock.advance(0);
    queue.add('a');
    queue.add('a');
    await clock.advance(0);
    assert.equal(count, 1);
    gate.resolve();
    await clock.advance(0);
    await clock.advance(0);
    assert.deepEqual({ count, most }, { count: 2, most: 1 });
  });
});

test('concurrency bounds how many keys are in work', async () => {
  let running = 0;
  let most = 0;
  const reconcile = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  await withLoop({ reconcile, concurrency: 3 }, async ({ clock, queue }) => {
    for (let i = 0; i < 20; i++) queue.add(`key-${i}`);
    for (let i = 0; i < 30; i++) await clock.advance(0);
    assert.deepEqual({ most, running }, { most: 3, running: 0 });
  });
});

test('an error comes back with a doubling delay; success forgets it', async () => {
  const times: number[] = [];
  let clockOf: ManualClock | undefined;
  let fail = true;
  const reconcile = async (): Promise<void> => {
    times.push(clockOf!.now());
    if (fail) throw new Error('not yet');
  };
  await withLoop({ reconcile }, async ({ clock, queue, logged }) => {
    clockOf = clock;
    queue.add('a');
    await clock.advance(0);
    while (times.length < 5) await clock.advance(1);
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    // The turn of the event loop before a worker begins may fall into the next millisecond of this clock.
    for (const [index, delay] of [5, 10, 20, 40].entries())
      assert.ok(gaps[index] === delay || gaps[index] === delay + 1, `gaps ${gaps.join(', ')}`);
    assert.ok(logged.every((line) => line.includes('controller=test') && line.includes('key=a') && line.includes('not yet')));
    fail = false;
    await clock.advance(100_000);
    await clock.advance(100_000);
    assert.equal(times.length, 6);
  });
});

test('a terminal error is logged once and not tried again', async () => {
  let count = 0;
  const reconcile = async (): Promise<void> => {
    count++;
    throw new TerminalError('cannot be');
  };
  await withLoop({ reconcile }, async ({ clock, queue, logged }) => {
    queue.add('a');
    await clock.advance(100_000);
    assert.equal(count, 1);
    assert.equal(logged.length, 1);
  });
});

test('a reconcile may ask to come again, and a sooner wish wins', async () => {
  const times: number[] = [];
  let run: Run | undefined;
  const reconcile = async (): Promise<{ afterMs: number } | undefined> => {
    times.push(run!.clock.now());
    return times.length === 1 ? { afterMs: 1000 } : undefined;
  };
  await withLoop({ reconcile }, async (given) => {
    run = given;
    const start = given.clock.now();
    given.queue.add('a');
    await given.clock.advance(0);
    given.queue.addAfter('a', 5000);
    given.queue.addAfter('a', 300);
    await given.clock.advance(10_000);
    await given.clock.advance(10_000);
    assert.equal(times.length, 2);
    assert.equal(times[0], start);
  });
});

test('stop lets the work in hand end, takes no more, and may come twice', async () => {
  let ended = false;
  let aborted = false;
  const reconcile = async (_key: string, signal: AbortSignal): Promise<void> => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    aborted = true;
    await new Promise((resolve) => setImmediate(resolve));
    ended = true;
  };
  await withLoop({ reconcile }, async ({ clock, queue, loop, logged }) => {
    queue.add('a');
    await clock.advance(0);
    await loop.stop();
    assert.deepEqual({ aborted, ended }, { aborted: true, ended: true });
    queue.add('b');
    await clock.advance(0);
    await loop.stop();
    assert.deepEqual(logged, []);
  });
});
