import assert from 'node:assert/strict';
import type { V1Pod, V1ReplicaSet, V1Scale } from '@kubernetes/client-node';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { apps, core, nameOf, pods, readyPods, statusEndpoints, template, webSpec, type Labels } from './workloads.ts';

const sets = (world: World): string => apps(world, 'replicasets');

const replicaSet = (name: string, replicas: number, labels: Labels = { name }): V1ReplicaSet => ({
  metadata: { name, labels },
  spec: { replicas, selector: { matchLabels: labels }, template: template(labels) },
});

const create = (world: World, body: V1ReplicaSet): Promise<V1ReplicaSet> => rest(world).create<V1ReplicaSet>(sets(world), body);

conformance('apps', 'ReplicaSet', { pods: true }, (behaviour) => {
  behaviour('Replace and Patch tests', async (world) => {
    await create(world, replicaSet('patched', 1));
    await readyPods(world, { name: 'patched' }, 1);
    const { patch, update } = rest(world);
    await patch(`${sets(world)}/patched/scale`, { spec: { replicas: 3 } });
    await readyPods(world, { name: 'patched' }, 3);
    const patched = await patch<V1ReplicaSet>(
      `${sets(world)}/patched`,
      { metadata: { labels: { 'test-rs': 'patched' } }, spec: { replicas: 2, template: { spec: { terminationGracePeriodSeconds: 0 } } } },
      'strategic',
    );
    assert.equal(patched.metadata!.labels!['test-rs'], 'patched');
    await readyPods(world, { name: 'patched' }, 2);
    const replaced = await update<V1ReplicaSet>(`${sets(world)}/patched`, (object) => (object.metadata!.labels = { replaced: 'yes' }));
    assert.deepEqual(replaced.metadata!.labels, { replaced: 'yes' });
  });

  behaviour('Replicaset should have a working scale subresource', async (world) => {
    await create(world, replicaSet('scaled', 1));
    await readyPods(world, { name: 'scaled' }, 1);
    const path = `${sets(world)}/scaled/scale`;
    const { get, replace, patch } = rest(world);
    const scale = await get<V1Scale>(path);
    assert.equal(scale.spec!.replicas, 1);
    scale.spec!.replicas = 2;
    delete scale.metadata!.resourceVersion; // whatever was written meanwhile
    assert.equal((await replace<V1Scale>(path, scale)).spec!.replicas, 2);
    assert.equal((await get<V1ReplicaSet>(`${sets(world)}/scaled`)).spec!.replicas, 2);
    assert.equal((await patch<V1Scale>(path, { spec: { replicas: 4 } })).spec!.replicas, 4);
    assert.equal((await get<V1ReplicaSet>(`${sets(world)}/scaled`)).spec!.replicas, 4);
  });

  behaviour('should adopt matching pods on creation and release no longer matching pods', async (world) => {
    const labels = { name: 'pod-adoption-release' };
    const orphan = await rest(world).create<V1Pod>(core(world, 'pods'), {
      metadata: { name: 'pod-adoption-release', labels },
      spec: webSpec(),
    });
    const set = await create(world, replicaSet('adopting', 1, labels));
    const read = (): Promise<V1Pod> => rest(world).get<V1Pod>(`${core(world, 'pods')}/${nameOf(orphan)}`);
    await until(async () => (await read()).metadata!.ownerReferences?.some(({ uid }) => uid === set.metadata!.uid), 'the pod is adopted');
    assert.equal((await pods(world, labels)).length, 1);
    await rest(world).patch(`${core(world, 'pods')}/${nameOf(orphan)}`, { metadata: { labels: { name: 'not-matching' } } });
    await until(async () => (await read()).metadata!.ownerReferences === undefined, 'the pod is released');
    await until(async () => (await pods(world, labels)).length === 1, 'another takes its place');
  });

  behaviour('should list and delete a collection of ReplicaSets', async (world) => {
    await create(world, replicaSet('collected', 3));
    await readyPods(world, { name: 'collected' }, 3);
    const { list, remove } = rest(world);
    const found = await list<V1ReplicaSet>('/apis/apps/v1/replicasets?labelSelector=name%3Dcollected');
    assert.equal(found.filter(({ metadata }) => metadata!.namespace === world.namespace).length, 1);
    await remove(`${sets(world)}?labelSelector=name%3Dcollected`);
    await until(async () => (await list(sets(world))).length === 0, 'the sets are gone');
  });

  behaviour('should serve a basic image on each replica with a public image', async (world) => {
    await create(world, replicaSet('serving', 2));
    for (const pod of await readyPods(world, { name: 'serving' }, 2)) {
      await until(
        async () => (await world.request({ path: `${core(world, 'pods')}/${nameOf(pod)}:80/proxy/` })).status === 200,
        `${nameOf(pod)} answers`,
      );
    }
  });

  behaviour('should validate Replicaset Status endpoints', async (world) => {
    await create(world, replicaSet('stated', 1));
    await readyPods(world, { name: 'stated' }, 1);
    await statusEndpoints(world, sets(world), 'stated');
  });
});
