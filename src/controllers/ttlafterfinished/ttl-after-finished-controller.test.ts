import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { Job } from '../../api/types.gen.ts';
import { JOBS } from '../../client/resources.ts';
import { createTtlAfterFinishedController } from './ttl-after-finished-controller.ts';

const NS = 'default';

test('finished Jobs go after their time, others stay', () =>
  withControllers(async ({ api, clock, context, logged, start, pass }) => {
    const jobs = context.client.resource(JOBS, NS);
    const template = { spec: { containers: [] } };
    const finish = async (job: Job, type: string): Promise<void> => {
      const conditions = [{ type, status: 'True', lastTransitionTime: new Date(clock.now()).toISOString() }];
      await jobs.updateStatus({ ...job, status: { conditions } });
    };
    const create = (name: string, ttl?: number): Promise<Job> =>
      jobs.create({ metadata: { name }, spec: { template, ...(ttl === undefined ? {} : { ttlSecondsAfterFinished: ttl }) } });
    const names = (): string[] =>
      api
        .all(JOBS)
        .filter(({ metadata }) => !metadata.deletionTimestamp)
        .map(({ metadata }) => metadata.name!);
    await start(createTtlAfterFinishedController(context));
    await finish(await create('done', 60), 'Complete');
    await finish(await create('failed', 30), 'Failed');
    await finish(await create('at-once', 0), 'Complete');
    await finish(await create('kept'), 'Complete');
    await create('busy', 1);
    await pass(10);
    assert.deepEqual(names(), ['done', 'failed', 'kept', 'busy']);
    await pass(29_000);
    assert.deepEqual(names(), ['done', 'failed', 'kept', 'busy']);
    await pass(2000);
    assert.deepEqual(names(), ['done', 'kept', 'busy']);
    // Its time is made longer at the last moment.
    await jobs.patch('done', 'merge', { spec: { ttlSecondsAfterFinished: 120 } });
    await pass(60_000);
    assert.deepEqual(names(), ['done', 'kept', 'busy']);
    await pass(60_000);
    assert.deepEqual(names(), ['kept', 'busy']);
    assert.deepEqual(logged, []);
  }));
