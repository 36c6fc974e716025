import assert from 'node:assert/strict';
import type { V1CronJob, V1Job } from '@kubernetes/client-node';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { batch, isGone, nameOf, script } from './workloads.ts';

const cronJobs = (world: World): string => batch(world, 'cronjobs');
const jobs = (world: World): string => batch(world, 'jobs');
const EVERY_MINUTE = '*/1 * * * *';
/** Two runs of a schedule of minutes, and some. */
const TWO_RUNS_MS = 150_000;

function cronJob(name: string, text: string, spec: Partial<V1CronJob['spec']> = {}): V1CronJob {
  const template = script({ cron: name }, text, { restartPolicy: 'OnFailure' });
  return {
    metadata: { name },
    spec: { schedule: EVERY_MINUTE, concurrencyPolicy: 'Allow', jobTemplate: { spec: { template } }, ...spec },
  };
}

const create = (world: World, body: V1CronJob): Promise<V1CronJob> => rest(world).create<V1CronJob>(cronJobs(world), body);
const get = (world: World, name: string): Promise<V1CronJob> => rest(world).get<V1CronJob>(`${cronJobs(world)}/${name}`);
const active = async (world: World, name: string): Promise<string[]> =>
  ((await get(world, name)).status?.active ?? []).map((reference) => reference.name!);
const isDone = ({ status }: V1Job): boolean =>
  status?.conditions?.some(({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True') ?? false;

/** All of these wait for the clock's minutes, so they wait together. */
conformance('apps', 'CronJob', { pods: true, parallel: 5 }, (behaviour) => {
  behaviour('should not schedule jobs when suspended [Slow]', async (world) => {
    // Another one beside it tells that the minute has passed for both.
    await create(world, cronJob('suspended', 'exit 0', { suspend: true }));
    await create(world, cronJob('beside', 'exit 0'));
    await until(
      async () => (await rest(world).list<V1Job>(jobs(world))).some((job) => nameOf(job).startsWith('beside-')),
      'the other one runs',
      TWO_RUNS_MS,
    );
    assert.deepEqual(await active(world, 'suspended'), []);
    assert.equal(
      (await rest(world).list<V1Job>(jobs(world))).some((job) => nameOf(job).startsWith('suspended-')),
      false,
    );
    await rest(world).remove(`${cronJobs(world)}/suspended`);
    await isGone(world, `${cronJobs(world)}/suspended`);
  });

  behaviour('should not schedule new jobs when ForbidConcurrent [Slow]', async (world) => {
    await create(world, cronJob('forbid', 'exec sleep 300', { concurrencyPolicy: 'Forbid' }));
    await create(world, cronJob('beside', 'exec sleep 300'));
    const [first] = await until(
      async () => {
        const names = await active(world, 'forbid');
        return names.length > 0 && names;
      },
      'a job is active',
      TWO_RUNS_MS,
    );
    // The next minute has come and gone once the one that may has a second job.
    await until(async () => (await active(world, 'beside')).length > 1, 'the other one has two', TWO_RUNS_MS);
    assert.deepEqual(await active(world, 'forbid'), [first]);
    assert.equal((await rest(world).list<V1Job>(jobs(world))).filter((job) => nameOf(job).startsWith('forbid-')).length, 1);
  });

  behaviour('should replace jobs when ReplaceConcurrent', async (world) => {
    await create(world, cronJob('replace', 'exec sleep 300', { concurrencyPolicy: 'Replace' }));
    const first = await until(async () => (await active(world, 'replace'))[0], 'a job is active', TWO_RUNS_MS);
    await until(
      async () => {
        const names = await active(world, 'replace');
        return names.length === 1 && names[0] !== first;
      },
      'the job is replaced',
      TWO_RUNS_MS,
    );
    await isGone(world, `${jobs(world)}/${first}`);
  });

  behaviour('should schedule multiple jobs concurrently', async (world) => {
    await create(world, cronJob('concurrent', 'exec sleep 300'));
    await until(async () => (await active(world, 'concurrent')).length >= 2, 'two jobs are active', TWO_RUNS_MS);
    const running = (await rest(world).list<V1Job>(jobs(world))).filter((job) => !isDone(job));
    assert.ok(running.length >= 2);
    await rest(world).remove(`${cronJobs(world)}/concurrent`);
    await isGone(world, `${cronJobs(world)}/concurrent`);
  });

  behaviour('should support CronJob API operations', async (world) => {
    const { get: read, list, patch, update, remove, watch } = rest(world);
    const group = await read<{ versions: { version: string }[] }>('/apis/batch');
    assert.ok(group.versions.some(({ version }) => version === 'v1'));
    const { resources } = await read<{ resources: { name: string }[] }>('/apis/batch/v1');
    for (const name of ['cronjobs', 'cronjobs/status'])
      assert.ok(
        resources.some((resource) => resource.name === name),
        name,
      );
    const labels = { 'special-label': world.namespace };
    const selector = `?labelSelector=special-label%3D${world.namespace}`;
    const body = cronJob('operated', 'exit 0', { suspend: true, successfulJobsHistoryLimit: 10 });
    for (const name of ['operated', 'second', 'third']) await create(world, { ...body, metadata: { name, labels } });
    assert.equal((await get(world, 'operated')).spec.schedule, EVERY_MINUTE);
    assert.equal((await list(`${cronJobs(world)}${selector}`)).length, 3);
    assert.equal((await list(`/apis/batch/v1/cronjobs${selector}`)).length, 3);
    const log = await watch<V1CronJob>(cronJobs(world), { labelSelector: `special-label=${world.namespace}` });
    await patch(`${cronJobs(world)}/operated`, { metadata: { annotations: { patched: 'true' } } });
    await log.until(({ type, object }) => type === 'MODIFIED' && object.metadata!.annotations?.['patched'] === 'true', 'the patch');
    await update<V1CronJob>(`${cronJobs(world)}/operated`, (object) => (object.metadata!.annotations!['updated'] = 'true'));
    await log.until(({ object }) => object.metadata!.annotations?.['updated'] === 'true', 'the update');
    const stamp = '2020-01-01T00:00:00Z';
    const stated = await patch<V1CronJob>(`${cronJobs(world)}/operated/status`, {
      metadata: { annotations: { stated: 'true' } },
      status: { lastScheduleTime: stamp },
    });
    assert.equal(String(stated.status!.lastScheduleTime), stamp);
    assert.equal(stated.metadata!.annotations!['stated'], 'true');
    const later = '2020-01-02T00:00:00Z';
    const object = await get(world, 'operated');
    const written = await world.request({
      method: 'PUT',
      path: `${cronJobs(world)}/operated/status`,
      body: { ...object, status: { ...object.status, lastScheduleTime: later } },
    });
    assert.equal(written.status, 200, written.text);
    assert.equal((await read<V1CronJob>(`${cronJobs(world)}/operated/status`)).metadata!.name, 'operated');
    await remove(`${cronJobs(world)}/operated`);
    await isGone(world, `${cronJobs(world)}/operated`);
    await remove(`${cronJobs(world)}${selector}`);
    await until(async () => (await list(`${cronJobs(world)}${selector}`)).length === 0, 'all are deleted');
  });
});
