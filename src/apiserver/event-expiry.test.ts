import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { EventExpiry } from './event-expiry.ts';
import { Entry } from './watch/entry.ts';
import { ResourceCache } from './watch/resource-cache.ts';

const MINUTE = 60_000;

function entry(name: string, revision: number, lastTimestamp: number): Entry {
  const stored = Buffer.from(
    JSON.stringify({ kind: 'Event', apiVersion: 'v1', metadata: { name }, lastTimestamp: new Date(lastTimestamp).toISOString() }),
  );
  return new Entry(
    { key: `/registry/events/default/${name}`, namespace: 'default', name, revision, stored },
    (bytes) => JSON.parse(Buffer.from(bytes).toString()) as KubeObject,
  );
}

test('Events go an hour after their last change', async () => {
  const clock = new ManualClock();
  const cache = new ResourceCache('/registry/events');
  cache.reset([entry('old', 1, clock.now() - 30 * MINUTE), entry('renewed', 2, clock.now() - 30 * MINUTE)], 2);
  const removed: string[] = [];
  const remove = async (_namespace: string, name: string): Promise<void> => void removed.push(name);
  const expiry = new EventExpiry({ cache, clock, log: silentLogger, remove });
  const renewed = entry('renewed', 3, clock.now());
  cache.apply([{ type: 'MODIFIED', entry: renewed, previous: cache.get('default', 'renewed')!, revision: 3 }]);
  await clock.advance(29 * MINUTE);
  assert.deepEqual(removed, []);
  await clock.advance(3 * MINUTE);
  assert.deepEqual(removed, ['old']);
  await clock.advance(30 * MINUTE);
  assert.deepEqual(removed, ['old', 'renewed']);
  expiry.stop();
});
