import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { statusError } from '../api/status.ts';
import { ManualClock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { silentLogger } from '../lib/log.ts';
import { seededRng } from '../lib/random.ts';
import { underLeaderElection } from './leader-election.ts';
import { createClient } from './new-client.ts';
import { LEASES } from './resources.ts';

interface Candidate extends Component {
  /** What became of its component: `start`, `stop`. */
  did: string[];
}

function world(): { api: MemoryApi; clock: ManualClock; candidate: (identity: string) => Candidate; pass: (ms: number) => Promise<void> } {
  const clock = new ManualClock();
  const api = new MemoryApi(() => clock.now());
  const candidate = (identity: string): Candidate => {
    const client = createClient({ transport: api.transport, clock, log: silentLogger });
    const context = { client, clock, rng: seededRng(identity.length), log: silentLogger, events: { event: () => undefined } };
    const did: string[] = [];
    const component = { name: 'led', start: async () => void did.push('start'), stop: async () => void did.push('stop') };
    return Object.assign(
      underLeaderElection(context, { name: 'kube-scheduler', identity }, () => component),
      { did },
    );
  };
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      for (let turn = 0; turn < 10; turn++) await clock.advance(0);
      await clock.advance(500);
    }
  };
  return { api, clock, candidate, pass };
}

const never = new AbortController().signal;
const holderOf = (api: MemoryApi): string | undefined => api.all(LEASES)[0]?.spec?.holderIdentity;

test('one of two leads; the other takes over at once when the first gives the lease back', async () => {
  const { api, candidate, pass } = world();
  const [first, second] = [candidate('first'), candidate('second-one')];
  await first.start(never);
  await second.start(never);
  await pass(60_000);
  assert.deepEqual([first.did, second.did, holderOf(api)], [['start'], [], 'first']);
  await first.stop();
  await pass(5000);
  assert.deepEqual([first.did, second.did, holderOf(api)], [['start', 'stop'], ['start'], 'second-one']);
  assert.equal(api.all(LEASES)[0]!.spec!.leaseTransitions, 1);
  await second.stop();
});

test('a leader that cannot renew stops its work before another may begin', async () => {
  const { api, clock, candidate, pass } = world();
  const [first, second] = [candidate('first'), candidate('second-one')];
  await first.start(never);
  await second.start(never);
  const stoppedAt = clock.now();
  api.refuse = ({ body }) => {
    if ((body as { spec?: { holderIdentity?: string } } | undefined)?.spec?.holderIdentity === 'first')
      throw statusError('ServiceUnavailable', 'cut off');
  };
  while (!second.did.includes('start')) {
    await pass(500);
    if (second.did.includes('start')) assert.deepEqual(first.did, ['start', 'stop']);
    assert.ok(clock.now() - stoppedAt < 30_000, 'nobody took over');
  }
  assert.ok(clock.now() - stoppedAt >= 15_000);
  await first.stop();
  await second.stop();
});

test('a lease that somebody else took is lost at once', async () => {
  const { api, clock, candidate, pass } = world();
  const first = candidate('first');
  await first.start(never);
  const client = createClient({ transport: api.transport, clock, log: silentLogger });
  await client.resource(LEASES, 'kube-system').patch('kube-scheduler', 'merge', { spec: { holderIdentity: 'thief' } });
  await pass(2500);
  assert.deepEqual(first.did, ['start', 'stop']);
  await first.stop();
  assert.equal(holderOf(api), 'thief');
});
