import assert from 'node:assert/strict';
import type { V1Job, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { batch, core, isGone, isReady, nameOf, pods, script, statusEndpoints } from './workloads.ts';

const NAME = 'task';
const SELECTOR = { job: NAME };
const jobs = (world: World): string => batch(world, 'jobs');
const path = (world: World, name = NAME): string => `${jobs(world)}/${name}`;

function job(text: string, spec: Partial<V1Job['spec']> = {}, pod: Partial<V1PodSpec> = {}): V1Job {
  return {
    metadata: { name: NAME },
    spec: { template: script(SELECTOR, text, { restartPolicy: 'Never', ...pod }), ...spec },
  };
}

const create = (world: World, body: V1Job): Promise<V1Job> => rest(world).create<V1Job>(jobs(world), body);
const get = (world: World): Promise<V1Job> => rest(world).get<V1Job>(path(world));
const conditionOf = (object: V1Job, type: string) =>
  object.status?.conditions?.find((each) => each.type === type && each.status === 'True');

const reaches = (world: World, type: 'Complete' | 'Failed'): Promise<V1Job> =>
  until(
    async () => {
      const object = await get(world);
      return conditionOf(object, type) && object;
    },
    `the job is ${type}`,
    120_000,
  );

const running = (world: World, count: number): Promise<V1Pod[]> =>
  until(async () => {
    const found = await pods(world, SELECTOR);
    return found.filter(({ status }) => status?.phase === 'Running').length === count && found;
  }, `${count} running pods`);

const STAYS = 'exec sleep 3600';

conformance('apps', 'Job', { pods: true }, (behaviour) => {
  behaviour('should adopt matching orphans and release non-matching pods', async (world) => {
    const owner = await create(world, job(STAYS, { parallelism: 2, completions: 4 }));
    const [pod] = await running(world, 2);
    const podPath = `${core(world, 'pods')}/${nameOf(pod!)}`;
    const { get: read, patch } = rest(world);
    const owners = async (): Promise<string[]> => ((await read<V1Pod>(podPath)).metadata!.ownerReferences ?? []).map(({ uid }) => uid);
    await patch(podPath, { metadata: { ownerReferences: null } });
    await until(async () => (await owners()).includes(owner.metadata!.uid!), 'the orphan is adopted');
    await patch(podPath, { metadata: { labels: null } });
    await until(async () => !(await owners()).includes(owner.metadata!.uid!), 'what does not match is released');
  });

  behaviour('should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition', async (world) => {
    const podFailurePolicy = { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] };
    await create(
      world,
      job('test -f /data/go && exit 0; trap "exit 143" TERM; while true; do sleep 0.2; done', {
        backoffLimit: 0,
        completions: 1,
        parallelism: 1,
        podFailurePolicy,
      }),
    );
    const [pod] = await running(world, 1);
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: nameOf(pod!), namespace: world.namespace } };
    const answer = await world.request({ method: 'POST', path: `${core(world, 'pods')}/${nameOf(pod!)}/eviction`, body: eviction });
    assert.equal(answer.status, 201, answer.text);
    // The evicted pod does not count against a limit of none: another takes its place.
    await until(
      async () => (await pods(world, SELECTOR)).some((each) => nameOf(each) !== nameOf(pod!) && each.status?.phase === 'Running'),
      'a replacement runs',
    );
    const object = await get(world);
    assert.equal(conditionOf(object, 'Failed'), undefined);
    assert.equal(object.status!.failed ?? 0, 0);
  });

  behaviour('should allow to use the pod failure policy on exit code to fail the job early', async (world) => {
    const podFailurePolicy = { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } }] };
    await create(world, job('exit 1', { backoffLimit: 3, completions: 4, parallelism: 2, podFailurePolicy }));
    const failed = conditionOf(await reaches(world, 'Failed'), 'Failed')!;
    assert.equal(failed.reason, 'PodFailurePolicy');
    assert.match(failed.message!, /^Container shell for pod \S+\/\S+ failed with exit code 1 matching FailJob rule at index 0$/);
  });

  behaviour('should apply changes to a job status', async (world) => {
    await create(world, job(STAYS, { parallelism: 1, completions: 1, backoffLimit: 0 }));
    await running(world, 1);
    await statusEndpoints(world, jobs(world), NAME);
  });

  behaviour('should create pods for an Indexed job with completion indexes and specified hostname', async (world) => {
    await create(world, job('echo $JOB_COMPLETION_INDEX $(hostname)', { completionMode: 'Indexed', completions: 4, parallelism: 2 }));
    const { status } = await reaches(world, 'Complete');
    assert.equal(status!.completedIndexes, '0-3');
    assert.equal(status!.succeeded, 4);
    const succeeded = (await pods(world, SELECTOR)).filter((pod) => pod.status?.phase === 'Succeeded');
    const index = ({ metadata }: V1Pod): string => metadata!.annotations!['batch.kubernetes.io/job-completion-index']!;
    assert.deepEqual(succeeded.map(index).toSorted(), ['0', '1', '2', '3']);
    for (const pod of succeeded) {
      assert.equal(pod.spec!.hostname, `${NAME}-${index(pod)}`);
      const { stdout } = await world.kubectl(['logs', nameOf(pod)]);
      assert.equal(stdout, `${index(pod)} ${NAME}-${index(pod)}`);
    }
  });

  behaviour('should delete a job', async (world) => {
    await create(world, job(STAYS, { parallelism: 2, completions: 4 }));
    await running(world, 2);
    await rest(world).remove(path(world), { propagationPolicy: 'Foreground' });
    await isGone(world, path(world));
    assert.deepEqual(await pods(world, SELECTOR), []);
  });

  behaviour('should manage the lifecycle of a job', async (world) => {
    const { list, patch, update, remove, watch } = rest(world);
    const log = await watch<V1Job>(jobs(world));
    const labels = { 'e2e-job-label': NAME };
    const body = job('exit 0', { parallelism: 1, completions: 1, suspend: true, backoffLimit: 6 });
    await create(world, { ...body, metadata: { ...body.metadata, labels } });
    await log.until(({ object }) => conditionOf(object, 'Suspended') !== undefined, 'it is suspended');
    assert.equal((await pods(world, SELECTOR)).length, 0);
    await patch(path(world), { metadata: { annotations: { patched: 'yes' } }, spec: { suspend: true } }, 'strategic');
    await log.until(({ object }) => object.metadata!.annotations?.['patched'] === 'yes', 'the patch');
    await update<V1Job>(path(world), (object) => {
      object.spec!.suspend = false;
      object.metadata!.annotations = { ...object.metadata!.annotations, updated: 'yes' };
    });
    await log.until(({ object }) => object.metadata!.annotations?.['updated'] === 'yes', 'the update');
    await reaches(world, 'Complete');
    const found = await list<V1Job>('/apis/batch/v1/jobs?labelSelector=e2e-job-label%3Dtask');
    assert.deepEqual(found.filter(({ metadata }) => metadata!.namespace === world.namespace).map(nameOf), [NAME]);
    await remove(`${jobs(world)}?labelSelector=e2e-job-label%3Dtask`, { propagationPolicy: 'Background' });
    await log.until(({ type }) => type === 'DELETED', 'the deletion');
    await until(async () => (await pods(world, SELECTOR)).length === 0, 'its pods are gone');
  });

  behaviour('should run a job to completion when tasks sometimes fail and are locally restarted', async (world) => {
    // The first run of each pod fails and leaves a note for the second on a volume that outlives the container.
    const container = {
      name: 'shell',
      image: IMAGES.shell,
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', 'if [ -f /data/ran ]; then exit 0; fi; touch /data/ran; exit 1'],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    };
    await create(
      world,
      job(
        '',
        { parallelism: 2, completions: 4, backoffLimit: 1000 },
        {
          restartPolicy: 'OnFailure',
          containers: [container],
          volumes: [{ name: 'data', emptyDir: {} }],
        },
      ),
    );
    const { status } = await reaches(world, 'Complete');
    assert.equal(status!.succeeded, 4);
    const done = await pods(world, SELECTOR);
    assert.equal(done.filter((pod) => pod.status?.phase === 'Succeeded').length, 4);
    for (const pod of done) {
      assert.equal(isReady(pod), false);
      assert.equal(pod.status!.containerStatuses![0]!.restartCount, 1);
    }
  });
});
