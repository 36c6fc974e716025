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

const ZONES: { zone: string | undefined; schedule: string; expected: string }[] = [
  { zone: undefined, schedule: '30 0 * * *', expected: '2026-01-01T00:30:00Z' },
  { zone: undefined, schedule: 'CRON_TZ=Asia/Kolkata 0 6 * * *', expected: '2026-01-01T00:30:00Z' },
  { zone: 'Asia/Kolkata', schedule: '0 6 * * *', expected: '2026-01-01T06:00:00+05:30' },
  { zone: 'America/New_York', schedule: '30 19 * * *', expected: '2025-12-31T19:30:00-05:00' },
];

for (const { zone, schedule, expected } of ZONES) {
  test(`a Job of "${schedule}" in time zone ${zone} says when it was to run`, () =>
    withControllers(async ({ api, context, start, pass }) => {
      await context.client.resource(CRON_JOBS, NS).create(cronJob({ schedule, ...(zone ? { timeZone: zone } : {}) }));
      await start(createCronJobController(context));
      await pass(31 * MINUTE);
      assert.equal(api.all(JOBS)[0]!.metadata.annotations!['batch.kubernetes.io/cronjob-scheduled-timestamp'], expected);
    }));
}

test('a Job made by hand counts for nothing, and that is told; one that is gone is no longer active', () =>
  withControllers(async ({ api, context, events, logged, start, pass }) => {
    const { client } = context;
    const { metadata } = await client.resource(CRON_JOBS, NS).create(cronJob({ schedule: '*/2 * * * *', concurrencyPolicy: 'Forbid' }));
    const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', uid: metadata.uid!, controller: true };
    await client
      .resource(JOBS, NS)
      .create({ metadata: { name: 'by-hand', ownerReferences: [owner] }, spec: { template: { spec: { containers: [] } } } });
    await start(createCronJobController(context));
    await pass(MINUTE);
    assert.ok(events.includes('Warning UnexpectedJob tick: Saw a job that the controller did not create or forgot: by-hand'));
    assert.equal(api.all(CRON_JOBS)[0]!.status?.active, undefined);
    await pass(MINUTE + 500);
    const [active] = api.all(CRON_JOBS)[0]!.status!.active!;
    assert.deepEqual(
      api.all(JOBS).map((job) => job.metadata.name),
      ['by-hand', active!.name],
    );
    assert.ok(!events.some((text) => text.includes('MissingJob')));
    await client.resource(JOBS, NS).delete(active!.name!);
    await pass(500);
    assert.equal(api.all(CRON_JOBS)[0]!.status?.active, undefined);
    assert.ok(events.includes(`Normal MissingJob tick: Active job went missing: ${active!.name}`));
    assert.deepEqual(logged, []);
  }));

test('a run that another held up starts late, within its deadline', () =>
  withControllers(async ({ api, context, events, start, pass }) => {
    const { client } = context;
    await client
      .resource(CRON_JOBS, NS)
      .create(cronJob({ schedule: '0 * * * *', startingDeadlineSeconds: 200, concurrencyPolicy: 'Forbid' }));
    await start(createCronJobController(context));
    await pass(61 * MINUTE);
    const [job] = api.all(JOBS);
    await pass(61 * MINUTE);
    assert.ok(events.some((text) => text.startsWith('Normal JobAlreadyActive')));
    // The running Job ends within the deadline of the time that it held up: that is made up for.
    await client.resource(JOBS, NS).updateStatus({ ...job!, status: done('2026-01-01T02:02:00Z') });
    await pass(1000);
    assert.equal(api.all(JOBS).length, 2);
  }));
