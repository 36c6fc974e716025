import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { createClient } from './new-client.ts';
import { CONFIG_MAPS } from './resources.ts';
import { waitFor, WaitTimeoutError } from './wait-for.ts';

async function withClient(work: (client: ReturnType<typeof createClient>, clock: ManualClock) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const client = createClient({ transport: new MemoryApi().transport, clock, log: silentLogger });
  try {
    await work(client, clock);
  } finally {
    await client.close();
  }
}

test('what is there already, what comes later, and what goes away can be waited for', () =>
  withClient(async (client, clock) => {
    const informer = client.informer(CONFIG_MAPS);
    const maps = client.resource(CONFIG_MAPS, 'default');
    const options = { clock, timeoutMs: 1000, what: 'a' };
    await maps.create({ metadata: { name: 'a' } });
    const find = () => informer.get('default/a');
    assert.equal((await waitFor(informer, find, options)).metadata.name, 'a');
    const changed = waitFor(informer, () => (find()?.data?.['x'] === '1' ? true : undefined), options);
    await maps.patch('a', 'merge', { data: { x: '1' } });
    await changed;
    const gone = waitFor(informer, () => (find() ? undefined : true), options);
    await maps.delete('a');
    await gone;
  }));

test('it ends by its deadline, its signal, or an error of the check', () =>
  withClient(async (client, clock) => {
    const informer = client.informer(CONFIG_MAPS);
    const late = waitFor(informer, () => undefined, { clock, timeoutMs: 1000, what: 'the end of days' });
    const expectation = assert.rejects(
      late,
      (error) => error instanceof WaitTimeoutError && error.message === 'timed out after 1000 ms waiting for the end of days',
    );
    await clock.advance(1000);
    await expectation;
    const abort = new AbortController();
    const stopped = waitFor(informer, () => undefined, { clock, timeoutMs: 1000, what: 'x', signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(stopped, /enough/);
    const fails = () => {
      throw new Error('bad check');
    };
    await assert.rejects(waitFor(informer, fails, { clock, timeoutMs: 1000, what: 'x' }), /bad check/);
  }));
