import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../lib/clock.ts';
import { seededRng } from '../lib/random.ts';
import type { ClusterEvent } from './framework.ts';
import { Heap, SchedulingQueue } from './queue.ts';
import { type PodInfo, podInfo } from './snapshot.ts';

const info = (name: string, priority = 0): PodInfo =>
  podInfo({ metadata: { name, namespace: 'default' }, spec: { containers: [{ name: 'c' }], priority } });
const nodeAdded: ClusterEvent = { resource: 'Node', action: 'add' };
const podGone: ClusterEvent = { resource: 'AssignedPod', action: 'delete' };

function queueOn(clock = new ManualClock()) {
  let ready = 0;
  const queue = new SchedulingQueue({ clock, helps: (event, { rejectedBy }) => rejectedBy.has(event.resource), onReady: () => ready++ });
  const takeAll = (): string[] => {
    const names: string[] = [];
    for (let next = queue.next(); next; next = queue.next()) names.push(next.info.pod.metadata.name!);
    return names;
  };
  return { queue, clock, takeAll, ready: () => ready };
}

describe('scheduling queue', () => {
  it('gives pods by priority, then in the order they came', () => {
    const { queue, takeAll } = queueOn();
    for (const each of [info('a'), info('b', 10), info('c'), info('d', 10)]) queue.add(each);
    assert.deepEqual(takeAll(), ['b', 'd', 'a', 'c']);
  });

  it('wakes an unschedulable pod only for an event that may help, and not before its backoff', async () => {
    const { queue, clock, takeAll } = queueOn();
    queue.add(info('a'));
    queue.next();
    queue.unschedulable('default/a', new Set(['Node']));
    queue.wake(podGone);
    assert.deepEqual(queue.waiting, { active: 0, backoff: 0, unschedulable: 1 });
    queue.wake(nodeAdded);
    assert.deepEqual(takeAll(), []);
    await clock.advance(1_000);
    assert.deepEqual(takeAll(), ['a']);
  });

  it('does not make a pod wait again that has waited longer than its backoff', async () => {
    const { queue, clock, takeAll } = queueOn();
    queue.add(info('a'));
    queue.next();
    queue.unschedulable('default/a', new Set(['Node']));
    await clock.advance(5_000);
    queue.wake(nodeAdded);
    assert.deepEqual(takeAll(), ['a']);
  });

  it('loses no event that comes while the pod is in flight', async () => {
    const { queue, clock, takeAll } = queueOn();
    queue.add(info('a'));
    queue.next();
    queue.wake(nodeAdded);
    queue.unschedulable('default/a', new Set(['Node']));
    await clock.advance(1_000);
    assert.deepEqual(takeAll(), ['a']);
  });

  it('tries what nobody woke again after five minutes', async () => {
    const { queue, clock, takeAll } = queueOn();
    queue.add(info('a'));
    queue.next();
    queue.unschedulable('default/a', new Set(['Node']));
    await clock.advance(299_000);
    assert.deepEqual(takeAll(), []);
    await clock.advance(1_000);
    assert.deepEqual(takeAll(), ['a']);
  });

  it('forgets a removed pod wherever it waits', async () => {
    const { queue, clock, takeAll } = queueOn();
    for (const name of ['active', 'backing-off', 'unschedulable']) queue.add(info(name));
    queue.remove('default/active');
    queue.next();
    queue.error('default/backing-off');
    queue.next();
    queue.unschedulable('default/unschedulable', new Set(['Node']));
    queue.remove('default/backing-off');
    queue.remove('default/unschedulable');
    queue.wake(nodeAdded);
    await clock.advance(600_000);
    assert.deepEqual(takeAll(), []);
  });

  it('backs off twice as long each time, to ten seconds', async () => {
    const { queue, clock, takeAll } = queueOn();
    queue.add(info('a'));
    for (const seconds of [1, 2, 4, 8, 10, 10]) {
      assert.deepEqual(takeAll(), ['a']);
      queue.error('default/a');
      await clock.advance(seconds * 1_000 - 1);
      assert.deepEqual(takeAll(), [], `not before ${seconds} s`);
      await clock.advance(1);
    }
  });
});

describe('heap', () => {
  it('gives random numbers in order', () => {
    const rng = seededRng(7);
    const heap = new Heap<number>((a, b) => a - b);
    const numbers = Array.from({ length: 500 }, () => Math.floor(rng.next() * 100));
    for (const number of numbers) heap.push(number);
    assert.deepEqual(
      Array.from(numbers, () => heap.pop()),
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(heap.pop(), undefined);
  });
});
