/** What a Job does as time passes and as its spec changes, under a stepped clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers, type ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import type { Job, JobSpec, Pod } from '../../api/types.gen.ts';
import { JOBS, PODS } from '../../client/resources.ts';
import { createJobController } from './job-controller.ts';

const NS = 'default';
const labels = { job: 'pi' };

async function run(world: ControllerWorld, spec: Partial<JobSpec>) {
  const { client } = world.context;
  const jobs = client.resource(JOBS, NS);
  const pods = client.resource(PODS, NS);
  const template = { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [{ name: 'main' }] } };
  await jobs.create({
    metadata: { name: 'pi' },
    spec: { template, selector: { matchLabels: labels }, parallelism: 1, completions: 1, ...spec },
  });
  await world.start(createJobController(world.context));
  await world.pass(100);
  return {
    job: () => jobs.get('pi'),
    change: async (next: Partial<JobSpec>): Promise<void> => {
      await jobs.patch('pi', 'merge', { spec: next });
      await world.pass(100);
    },
    pods: async (): Promise<Pod[]> => (await pods.list()).items,
    remove: (name: string) => pods.delete(name),
    end: async (name: string, phase: string): Promise<void> => {
      const terminated = { exitCode: phase === 'Failed' ? 1 : 0, finishedAt: new Date(world.clock.now()).toISOString() };
      await pods.patch(name, 'merge', { status: { phase, containerStatuses: [{ name: 'main', state: { terminated } }] } }, 'status');
      await world.pass(100);
    },
  };
}

const conditions = ({ status }: Job): string[] =>
  (status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

test('the clock of the deadline stands still while a Job is suspended, and begins anew', () =>
  withControllers(async (world) => {
    const { job, change } = await run(world, { activeDeadlineSeconds: 100 });
    const begun = Date.parse((await job()).status!.startTime!);
    await world.pass(50_000);
    await change({ suspend: true });
    await world.pass(200_000);
    assert.deepEqual(conditions(await job()), ['Suspended=True JobSuspended']);
    await change({ suspend: false });
    assert.ok(Date.parse((await job()).status!.startTime!) >= begun + 250_000);
    await world.pass(90_000);
    assert.deepEqual([conditions(await job()), (await job()).status!.active], [['Suspended=False JobResumed'], 1]);
    await world.pass(20_000);
    assert.ok(conditions(await job()).includes('FailureTarget=True DeadlineExceeded'));
    assert.deepEqual(world.logged, []);
  }));

const REPLACEMENTS: { policy: string; whileStopping: { pods: number; failed: number | undefined } }[] = [
  { policy: 'TerminatingOrFailed', whileStopping: { pods: 2, failed: 1 } },
  { policy: 'Failed', whileStopping: { pods: 1, failed: undefined } },
];

for (const { policy, whileStopping } of REPLACEMENTS) {
  test(`a pod that is stopping is replaced by the policy ${policy}`, () =>
    withControllers(async (world) => {
      const { job, pods, remove, end } = await run(world, { podReplacementPolicy: policy });
      const [first] = await pods();
      // Held, as by its kubelet.
      await world.context.client
        .resource(PODS, NS)
        .patch(first!.metadata.name!, 'merge', { metadata: { finalizers: [...first!.metadata.finalizers!, 'example.com/hold'] } });
      await remove(first!.metadata.name!);
      await world.pass(30_000);
      const { failed, terminating } = (await job()).status!;
      assert.deepEqual({ pods: (await pods()).length, failed }, whileStopping);
      assert.equal(terminating, 1);
      await end(first!.metadata.name!, 'Failed');
      await world.pass(30_000);
      assert.deepEqual([(await job()).status!.failed, (await job()).status!.active], [1, 1]);
      assert.deepEqual(world.logged, []);
    }));
}

test('a Job that somebody else manages is left to them', () =>
  withControllers(async (world) => {
    const { job, pods } = await run(world, { managedBy: 'example.com/queue' });
    await world.pass(10_000);
    assert.deepEqual([(await job()).status, await pods()], [undefined, []]);
  }));

test('a pod that fails is replaced after 10, 20, 40 seconds', () =>
  withControllers(async (world) => {
    const { pods, end } = await run(world, { backoffLimit: 5 });
    for (const wait of [10_000, 20_000, 40_000]) {
      const running = (await pods()).find(({ status }) => status?.phase !== 'Failed')!;
      const count = (await pods()).length;
      await end(running.metadata.name!, 'Failed');
      await world.pass(wait - 1000);
      assert.equal((await pods()).length, count);
      await world.pass(2000);
      assert.equal((await pods()).length, count + 1);
    }
    assert.deepEqual(world.logged, []);
  }));
