import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { CronJob, CronJobSpec, Job } from '../../api/types.gen.ts';
import { CRON_JOBS, JOBS } from '../../client/resources.ts';
import { createCronJobController } from './cron-job-controller.ts';

const NS = 'default';
const MINUTE = 60_000;

function cronJob(spec: Partial<CronJobSpec> = {}): CronJob {
  const jobTemplate = { spec: { template: { spec: { containers: [{ name: 'main', image: 'busybox' }] } } } };
  return { metadata: { name: 'tick' }, spec: { schedule: '* * * * *', concurrencyPolicy: 'Allow', jobTemplate, ...spec } };
}

const done = (at: string, type = 'Complete'): Job['status'] => ({
  startTime: at,
  ...(type === 'Complete' ? { completionTime: at } : {}),
  conditions: [{ type, status: 'True' }],
});

test('a Job is made at each scheduled time, and finished ones are trimmed', () =>
  withControllers(async ({ api, clock, context, events, logged, start, pass }) => {
    const { client } = context;
    await client.resource(CRON_JOBS, NS).create(cronJob({ successfulJobsHistoryLimit: 1 }));
    await start(createCronJobController(context));
    const names: string[] = [];
    for (let minute = 1; minute <= 3; minute++) {
      await pass(MINUTE + 200);
      const job = api.all(JOBS).at(-1)!;
      names.push(job.metadata.name!);
      assert.equal(api.all(CRON_JOBS)[0]!.status!.active!.length, 1);
      await client.resource(JOBS, NS).updateStatus({ ...job, status: done(new Date(clock.now()).toISOString().replace(/\.\d+Z/, 'Z')) });
      await pass(10);
      assert.equal(api.all(CRON_JOBS)[0]!.status!.active, undefined);
    }
    const first = Date.UTC(2026, 0, 1) / MINUTE;
    assert.deepEqual(
      names,
      [1, 2, 3].map((minute) => `tick-${first + minute}`),
    );
    assert.deepEqual(
      api.all(JOBS).map(({ metadata }) => metadata.name),
      [names[2]],
    );
    const { status } = api.all(CRON_JOBS)[0]!;
    assert.equal(status!.lastScheduleTime, '2026-01-01T00:03:00Z');
    assert.ok(status!.lastSuccessfulTime! >= '2026-01-01T00:03:00Z');
    assert.ok(events.includes(`Normal SuccessfulCreate tick: Created job ${names[0]}`));
    assert.ok(events.includes(`Normal SawCompletedJob tick: Saw completed job: ${names[0]}, condition: Complete`));
    assert.deepEqual(logged, []);
  }));

const POLICIES: { policy: string; jobs: number; event: RegExp | undefined }[] = [
  { policy: 'Allow', jobs: 3, event: undefined },
  { policy: 'Forbid', jobs: 1, event: /JobAlreadyActive/ },
  { policy: 'Replace', jobs: 1, event: /SuccessfulDelete tick: Deleted job tick-/ },
];

for (const { policy, jobs, event } of POLICIES) {
  test(`concurrency policy ${policy}`, () =>
    withControllers(async ({ api, context, events, logged, start, pass }) => {
      await context.client.resource(CRON_JOBS, NS).create(cronJob({ concurrencyPolicy: policy }));
      await start(createCronJobController(context));
      await pass(3 * MINUTE + 500);
      assert.equal(api.all(JOBS).length, jobs);
      if (event)
        assert.ok(
          events.some((text) => event.test(text)),
          events.join('\n'),
        );
      assert.deepEqual(logged, []);
    }));
}

test('times missed while nobody looked are not made up for, but the last within its deadline', () =>
  withControllers(async ({ api, context, events, start, pass }) => {
    const { client } = context;
    await client.resource(CRON_JOBS, NS).create(cronJob({ schedule: '*/10 * * * *' }));
    await client
      .resource(CRON_JOBS, NS)
      .create({ ...cronJob({ schedule: '*/10 * * * *', startingDeadlineSeconds: 60 }), metadata: { name: 'prompt' } });
    await pass(35 * MINUTE);
    await start(createCronJobController(context));
    await pass(100);
    assert.deepEqual(
      api.all(JOBS).map(({ metadata }) => metadata.name),
      [`tick-${Date.UTC(2026, 0, 1, 0, 30) / MINUTE}`],
    );
    assert.deepEqual(events, [`Normal SuccessfulCreate tick: Created job tick-${Date.UTC(2026, 0, 1, 0, 30) / MINUTE}`]);
  }));

test('a suspended CronJob makes nothing; one that cannot be read says so', () =>
  withControllers(async ({ api, context, events, start, pass }) => {
    const { client } = context;
    await client.resource(CRON_JOBS, NS).create(cronJob({ suspend: true }));
    await client.resource(CRON_JOBS, NS).create({ ...cronJob({ schedule: 'often' }), metadata: { name: 'bad' } });
    await client.resource(CRON_JOBS, NS).create({ ...cronJob({ timeZone: 'Mars/Olympus' }), metadata: { name: 'far' } });
    await start(createCronJobController(context));
    await pass(2 * MINUTE);
    assert.deepEqual(api.all(JOBS), []);
    assert.deepEqual(events.toSorted(), [
      'Warning UnknownTimeZone far: invalid timeZone: "Mars/Olympus": unknown time zone Mars/Olympus',
      'Warning UnparseableCronJobSchedule bad: unparseable schedule: "often" : expected exactly 5 fields, found 1: [often]',
    ]);
  }));
