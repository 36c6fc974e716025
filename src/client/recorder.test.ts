import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { statusError } from '../api/status.ts';
import type { Event, Pod } from '../api/types.gen.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { createClient } from './new-client.ts';
import type { FlushableRecorder } from './recorder.ts';
import { createRecorder } from './recorder.ts';
import { EVENTS } from './resources.ts';

const POD: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7' } };

function world(): { api: MemoryApi; clock: ManualClock; recorder: FlushableRecorder; events: () => Event[] } {
  const clock = new ManualClock();
  const api = new MemoryApi(() => clock.now());
  const client = createClient({ transport: api.transport, clock, log: silentLogger });
  const recorder = createRecorder({ client, clock, log: silentLogger, component: 'kubelet', host: 'n1' });
  return { api, clock, recorder, events: () => api.all(EVENTS) };
}

test('an event says who, about what and when', async () => {
  const { recorder, events } = world();
  recorder.event(POD, 'Normal', 'Started', 'Started container web');
  await recorder.flush();
  const [event] = events();
  assert.match(event!.metadata.name!, /^web\.[0-9a-f]{16}$/);
  assert.equal(event!.metadata.namespace, 'shop');
  assert.deepEqual(event!.involvedObject, {
    kind: 'Pod',
    namespace: 'shop',
    name: 'web',
    uid: 'u1',
    apiVersion: 'v1',
    resourceVersion: '7',
  });
  assert.deepEqual(event!.source, { component: 'kubelet', host: 'n1' });
  assert.deepEqual([event!.type, event!.reason, event!.message, event!.count], ['Normal', 'Started', 'Started container web', 1]);
  assert.equal(event!.firstTimestamp, '2026-01-01T00:00:00Z');
});

test('what has no namespace is told of in default', async () => {
  const { recorder, events } = world();
  recorder.event({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'n1' } }, 'Normal', 'NodeReady', 'ready');
  await recorder.flush();
  assert.equal(events()[0]!.metadata.namespace, 'default');
});

test('the same event again raises its count and last time', async () => {
  const { clock, recorder, events } = world();
  for (let i = 0; i < 3; i++) {
    recorder.event(POD, 'Warning', 'BackOff', 'Back-off restarting failed container');
    await clock.advance(10_000);
  }
  await recorder.flush();
  assert.equal(events().length, 1);
  const { count, firstTimestamp, lastTimestamp } = events()[0]!;
  assert.deepEqual(
    { count, firstTimestamp, lastTimestamp },
    { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:20Z' },
  );
});

test('an event that has expired meanwhile is written anew, with its count', async () => {
  const { api, recorder, events } = world();
  const client = createClient({ transport: api.transport, clock: new ManualClock(), log: silentLogger });
  recorder.event(POD, 'Warning', 'Failed', 'x');
  await recorder.flush();
  await client.resource(EVENTS, 'shop').delete(events()[0]!.metadata.name!);
  recorder.event(POD, 'Warning', 'Failed', 'x');
  await recorder.flush();
  assert.deepEqual(
    events().map(({ count }) => count),
    [2],
  );
});

test('many messages of one reason are combined', async () => {
  const { recorder, events } = world();
  for (let i = 0; i < 15; i++) recorder.event(POD, 'Warning', 'Unhealthy', `probe ${i} failed`);
  await recorder.flush();
  const combined = events().filter(({ message }) => message!.startsWith('(combined from similar events): '));
  assert.equal(events().length, 10);
  assert.deepEqual(
    combined.map(({ message, count }) => ({ message, count })),
    [{ message: '(combined from similar events): probe 14 failed', count: 6 }],
  );
});

test('an object that talks too much is held back, and may talk again later', async () => {
  const { clock, recorder, events } = world();
  for (let i = 0; i < 60; i++) recorder.event(POD, 'Normal', `Reason${i}`, 'x');
  await recorder.flush();
  assert.equal(events().length, 25);
  await clock.advance(300_000);
  recorder.event(POD, 'Normal', 'Later', 'x');
  recorder.event(POD, 'Normal', 'TooMuch', 'x');
  await recorder.flush();
  assert.equal(events().length, 26);
});

test('a refused event disturbs nobody', async () => {
  const { api, recorder, events } = world();
  api.refuse = () => {
    throw statusError('Forbidden', 'the namespace is being terminated');
  };
  recorder.event(POD, 'Normal', 'One', 'x');
  await recorder.flush();
  api.refuse = () => undefined;
  recorder.event(POD, 'Normal', 'Two', 'x');
  await recorder.flush();
  assert.deepEqual(
    events().map(({ reason }) => reason),
    ['Two'],
  );
});
