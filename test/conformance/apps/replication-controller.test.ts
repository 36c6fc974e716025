import assert from 'node:assert/strict';
import type { V1Pod, V1ReplicationController, V1Scale } from '@kubernetes/client-node';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { core, nameOf, readyPods, template, webSpec, type Labels } from './workloads.ts';

const controllers = (world: World): string => core(world, 'replicationcontrollers');

const controller = (name: string, replicas: number, labels: Labels = { name }): V1ReplicationController => ({
  metadata: { name, labels },
  spec: { replicas, selector: labels, template: template(labels) },
});

const create = (world: World, body: V1ReplicationController): Promise<V1ReplicationController> =>
  rest(world).create<V1ReplicationController>(controllers(world), body);

const ownedBy = (pod: V1Pod, { metadata }: V1ReplicationController): boolean =>
  pod.metadata!.ownerReferences?.some(({ uid, controller: managing }) => uid === metadata!.uid && managing === true) ?? false;

conformance('apps', 'ReplicationController', { pods: true }, (behaviour) => {
  behaviour('should adopt matching pods on creation', async (world) => {
    const labels = { name: 'pod-adoption' };
    await rest(world).create(core(world, 'pods'), { metadata: { name: 'pod-adoption', labels }, spec: webSpec() });
    const owner = await create(world, controller('adopting', 1, labels));
    await until(async () => ownedBy(await rest(world).get<V1Pod>(`${core(world, 'pods')}/pod-adoption`), owner), 'the pod is adopted');
    assert.equal((await readyPods(world, labels, 1))[0]!.metadata!.name, 'pod-adoption');
  });

  behaviour('should get and update a ReplicationController scale', async (world) => {
    await create(world, controller('scaled', 1));
    await readyPods(world, { name: 'scaled' }, 1);
    const { get, replace } = rest(world);
    const scale = await get<V1Scale>(`${controllers(world)}/scaled/scale`);
    assert.equal(scale.status!.replicas, 1);
    await replace(`${controllers(world)}/scaled/scale`, {
      ...scale,
      metadata: { name: scale.metadata!.name, namespace: scale.metadata!.namespace },
      spec: { replicas: 2 },
    });
    await readyPods(world, { name: 'scaled' }, 2);
    assert.equal((await get<V1ReplicationController>(`${controllers(world)}/scaled`)).spec!.replicas, 2);
  });

  behaviour('should release no longer matching pods', async (world) => {
    const owner = await create(world, controller('releasing', 1));
    const [pod] = await readyPods(world, { name: 'releasing' }, 1);
    const path = `${core(world, 'pods')}/${nameOf(pod!)}`;
    await rest(world).patch(path, { metadata: { labels: { name: 'not-matching' } } });
    await until(async () => !ownedBy(await rest(world).get<V1Pod>(path), owner), 'the pod is released');
    await readyPods(world, { name: 'releasing' }, 1);
  });

  behaviour('should serve a basic image on each replica with a public image', async (world) => {
    await create(world, controller('serving', 2));
    for (const pod of await readyPods(world, { name: 'serving' }, 2)) {
      await until(
        async () => (await world.request({ path: `${core(world, 'pods')}/${nameOf(pod)}:80/proxy/` })).status === 200,
        `${nameOf(pod)} answers`,
      );
    }
  });

  behaviour('should surface a failure condition on a common issue like exceeded quota', async (world) => {
    await rest(world).create(core(world, 'resourcequotas'), { metadata: { name: 'condition-test' }, spec: { hard: { pods: '2' } } });
    await until(
      async () =>
        (await rest(world).get<{ status?: { hard?: Labels } }>(`${core(world, 'resourcequotas')}/condition-test`)).status?.hard?.[
          'pods'
        ] === '2',
      'the quota is in force',
    );
    await create(world, controller('limited', 3));
    const failure = async () =>
      (await rest(world).get<V1ReplicationController>(`${controllers(world)}/limited`)).status?.conditions?.find(
        ({ type }) => type === 'ReplicaFailure',
      );
    const condition = await until(failure, 'a failure condition');
    assert.equal(condition.status, 'True');
    assert.equal(condition.reason, 'FailedCreate');
    assert.match(condition.message!, /exceeded quota: condition-test/);
    await rest(world).patch(`${controllers(world)}/limited/scale`, { spec: { replicas: 2 } });
    await until(async () => (await failure()) === undefined, 'the condition is gone');
  });

  behaviour('should test the lifecycle of a ReplicationController', async (world) => {
    const { patch, list, remove, update, get, watch } = rest(world);
    const path = `${controllers(world)}/lifecycle`;
    const labels = { 'test-rc-static': 'true' };
    const log = await watch<V1ReplicationController>(controllers(world), { labelSelector: 'test-rc-static=true' });
    await create(world, controller('lifecycle', 1, labels));
    await log.until(({ type }) => type === 'ADDED', 'it is there');
    await log.until(({ object }) => object.status?.readyReplicas === 1, 'its pod is ready');
    const labelled = await patch<V1ReplicationController>(path, { metadata: { labels: { 'test-rc': 'patched' } } });
    assert.equal(labelled.metadata!.labels!['test-rc'], 'patched');
    const before = log.events.length;
    const status = await patch<V1ReplicationController>(`${path}/status`, { status: { readyReplicas: 0, availableReplicas: 0 } });
    assert.equal(status.status!.readyReplicas ?? 0, 0);
    assert.equal((await get<V1ReplicationController>(`${path}/status`)).metadata!.name, 'lifecycle');
    const reset = await log.until(({ object }) => (object.status?.readyReplicas ?? 0) === 0, 'the patched status', before);
    await log.until(({ object }) => object.status?.readyReplicas === 1, 'the controller corrects it', log.events.indexOf(reset));
    await patch(`${path}/scale`, { spec: { replicas: 2 } });
    await log.until(({ object }) => object.status?.readyReplicas === 2, 'two are ready');
    await update<V1ReplicationController>(path, (object) => (object.metadata!.annotations = { updated: 'yes' }));
    await log.until(({ object }) => object.metadata!.annotations?.['updated'] === 'yes', 'the update');
    assert.equal((await list('/api/v1/replicationcontrollers?labelSelector=test-rc%3Dpatched')).length, 1);
    await remove(`${controllers(world)}?labelSelector=test-rc-static%3Dtrue`);
    await log.until(({ type }) => type === 'DELETED', 'the deletion');
  });
});
