import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { ended, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { Job, JobSpec, JobStatus, Pod } from '../../api/types.gen.ts';
import { JOBS, PODS } from '../../client/resources.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function job(spec: Partial<JobSpec> = {}, restartPolicy = 'Never'): Job {
  return {
    metadata: { name: 'pi' },
    spec: { template: { spec: { restartPolicy, containers: [{ name: 'main', image: 'busybox' }] } }, ...spec },
  };
}

const conditions = ({ conditions = [] }: JobStatus): string[] =>
  conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`);

async function statusWith({ admin }: WorkloadWorld, condition: string): Promise<JobStatus> {
  return eventually(async () => {
    const { status = {} } = await admin.resource(JOBS, NS).get('pi');
    assert.ok(
      status.conditions?.some(({ type, status }) => type === condition && status === 'True'),
      JSON.stringify(status),
    );
    return status;
  }, soon);
}

async function pods({ admin }: WorkloadWorld): Promise<Pod[]> {
  return (await admin.resource(PODS, NS).list()).items;
}

const indexOf = (pod: Pod): string => pod.metadata.labels?.['batch.kubernetes.io/job-completion-index'] ?? '';

test('a Job runs its pods, counts each once and completes', () =>
  withWorkloads(async (world) => {
    world.behave = () => ended(0);
    await world.admin.resource(JOBS, NS).create(job({ completions: 5, parallelism: 2 }));
    const { startTime, completionTime, conditions: _conditions, ...counts } = await statusWith(world, 'Complete');
    assert.deepEqual(counts, { succeeded: 5, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    assert.ok(startTime! <= completionTime!);
    assert.deepEqual(conditions(await statusWith(world, 'Complete')), [
      'SuccessCriteriaMet=True CompletionsReached: Reached expected number of succeeded pods',
      'Complete=True CompletionsReached: Reached expected number of succeeded pods',
    ]);
    const made = await pods(world);
    assert.equal(made.length, 5);
    assert.ok(made.every(({ metadata }) => /^pi-[a-z0-9]{5}$/.test(metadata.name!) && metadata.finalizers === undefined));
    const events = await eventually(async () => {
      const all = await world.events(NS, 'pi');
      assert.ok(all.includes('Normal Completed: Job completed'));
      return all;
    }, soon);
    assert.equal(events.filter((text) => text.startsWith('Normal SuccessfulCreate: Created pod: pi-')).length, 5);
    assert.deepEqual(world.logged, []);
  }));

test('an indexed Job gives each pod its index, and a success policy ends it early', () =>
  withWorkloads(async (world) => {
    world.behave = (pod) => (indexOf(pod) === '1' ? running(pod) : ended(0));
    await world.admin
      .resource(JOBS, NS)
      .create(job({ completions: 3, parallelism: 3, completionMode: 'Indexed', successPolicy: { rules: [{ succeededIndexes: '0,2' }] } }));
    const status = await statusWith(world, 'Complete');
    assert.deepEqual([status.completedIndexes, status.succeeded], ['0,2', 2]);
    assert.equal(conditions(status)[0], 'SuccessCriteriaMet=True SuccessPolicy: Matched rules at index 0');
    const first = (await pods(world)).find((pod) => indexOf(pod) === '0')!;
    assert.equal(first.spec!.hostname, 'pi-0');
    assert.deepEqual(
      first.spec!.containers[0]!.env![0]!.valueFrom!.fieldRef!.fieldPath,
      "metadata.labels['batch.kubernetes.io/job-completion-index']",
    );
    assert.deepEqual(world.logged, []);
  }));

const FAILURES: { name: string; spec: Partial<JobSpec>; exitCode: number; expected: string; failed: number }[] = [
  {
    name: 'no retries',
    spec: { backoffLimit: 0 },
    exitCode: 1,
    expected: 'Failed=True BackoffLimitExceeded: Job has reached the specified backoff limit',
    failed: 1,
  },
  {
    name: 'a failure policy',
    spec: { podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }] } },
    exitCode: 42,
    expected: 'Failed=True PodFailurePolicy: Container main for pod default/NAME failed with exit code 42 matching FailJob rule at index 0',
    failed: 1,
  },
  {
    name: 'an index that may not fail',
    spec: { completions: 2, parallelism: 2, completionMode: 'Indexed', backoffLimitPerIndex: 0 },
    exitCode: 1,
    expected: 'Failed=True FailedIndexes: Job has failed indexes',
    failed: 2,
  },
  {
    name: 'more failed indexes than it may have',
    spec: { completions: 3, parallelism: 1, completionMode: 'Indexed', backoffLimitPerIndex: 0, maxFailedIndexes: 0 },
    exitCode: 1,
    expected: 'Failed=True MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes',
    failed: 1,
  },
];

for (const { name, spec, exitCode, expected, failed } of FAILURES) {
  test(`a Job fails by ${name}`, () =>
    withWorkloads(async (world) => {
      world.behave = () => ended(exitCode);
      await world.admin.resource(JOBS, NS).create(job(spec));
      const status = await statusWith(world, 'Failed');
      assert.equal(
        conditions(status)
          .at(-1)!
          .replace(/pi-[a-z0-9]{5}/, 'NAME'),
        expected,
      );
      assert.equal(conditions(status)[0]!.split(' ')[0], 'FailureTarget=True');
      assert.equal(status.failed, failed);
      assert.deepEqual(world.logged, []);
    }));
}

test('a deadline ends the pods; what was deleted counts as failed', () =>
  withWorkloads(async (world) => {
    await world.admin.resource(JOBS, NS).create(job({ activeDeadlineSeconds: 1 }));
    const status = await statusWith(world, 'Failed');
    assert.deepEqual([status.failed, status.active, status.terminating], [1, undefined, 0]);
    assert.equal(conditions(status).at(-1), 'Failed=True DeadlineExceeded: Job was active longer than specified deadline');
    await eventually(async () => assert.deepEqual(await pods(world), []), soon);
    await eventually(
      async () =>
        assert.ok((await world.events(NS, 'pi')).includes('Warning DeadlineExceeded: Job was active longer than specified deadline')),
      soon,
    );
  }));

test('a suspended Job has no pods, and what it had does not count', () =>
  withWorkloads(async (world) => {
    const jobs = world.admin.resource(JOBS, NS);
    await jobs.create(job({ parallelism: 2, completions: 2 }));
    await eventually(async () => assert.equal((await jobs.get('pi')).status?.ready, 2), soon);
    await jobs.patch('pi', 'merge', { spec: { suspend: true } });
    await eventually(async () => {
      const { status = {} } = await jobs.get('pi');
      assert.deepEqual(
        [status.active, status.failed, status.terminating, conditions(status)],
        [undefined, undefined, 0, ['Suspended=True JobSuspended: Job suspended']],
      );
      assert.deepEqual(await pods(world), []);
    }, soon);
    world.behave = () => ended(0);
    await jobs.patch('pi', 'merge', { spec: { suspend: false } });
    const status = await statusWith(world, 'Complete');
    assert.equal(conditions(status)[0], 'Suspended=False JobResumed: Job resumed');
    assert.equal(status.succeeded, 2);
    await eventually(async () => {
      const events = (await world.events(NS, 'pi')).filter((text) => /Suspended|Resumed/.test(text));
      assert.deepEqual(events, ['Normal Suspended: Job suspended', 'Normal Resumed: Job resumed']);
    }, soon);
    assert.deepEqual(world.logged, []);
  }));

test('an indexed Job grows and shrinks with its completions', () =>
  withWorkloads(async (world) => {
    world.behave = (pod) => (['0', '3'].includes(indexOf(pod)) ? ended(0) : running(pod));
    const jobs = world.admin.resource(JOBS, NS);
    const counts = (expected: unknown[]): Promise<void> =>
      eventually(async () => {
        const { completedIndexes, succeeded, active } = (await jobs.get('pi')).status ?? {};
        assert.deepEqual([completedIndexes, succeeded, active], expected);
      }, soon);
    await jobs.create(job({ completionMode: 'Indexed', completions: 4, parallelism: 4 }));
    await counts(['0,3', 2, 2]);
    await jobs.patch('pi', 'merge', { spec: { completions: 2, parallelism: 2 } });
    await counts(['0', 1, 1]);
    await jobs.patch('pi', 'merge', { spec: { completions: 3, parallelism: 3 } });
    await counts(['0', 1, 2]);
    world.behave = () => ended(0);
    world.nudge();
    assert.deepEqual((await statusWith(world, 'Complete')).completedIndexes, '0-2');
    assert.deepEqual(world.logged, []);
  }));

test('pods of a Job that is deleted are let go', () =>
  withWorkloads(async (world) => {
    const jobs = world.admin.resource(JOBS, NS);
    await jobs.create(job());
    await eventually(async () => assert.equal((await jobs.get('pi')).status?.ready, 1), soon);
    await jobs.delete('pi', { propagationPolicy: 'Background' });
    await eventually(async () => assert.deepEqual(await pods(world), []), soon);
  }));
