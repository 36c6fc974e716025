import assert from 'node:assert/strict';
import type { V1Deployment, V1Pod, V1ReplicaSet, V1ReplicationController } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

const core = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}`;
const apps = ({ namespace }: World): string => `/apis/apps/v1/namespaces/${namespace}`;

const template = (labels: Record<string, string>) => ({
  metadata: { labels },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: IMAGES.web, imagePullPolicy: 'IfNotPresent' }] },
});

function controller(name: string, replicas: number, selector: Record<string, string> = { app: name }) {
  return { metadata: { name }, spec: { replicas, selector, template: template(selector) } };
}

const createController = (world: World, ...body: Parameters<typeof controller>) =>
  rest(world).create<V1ReplicationController>(`${core(world)}/replicationcontrollers`, controller(...body));

const pods = (world: World): Promise<V1Pod[]> => rest(world).list<V1Pod>(`${core(world)}/pods`);

const created = (world: World, count: number) =>
  until(async () => {
    const found = await pods(world);
    return found.length === count && found;
  }, `${count} pods`);

/** Watches until something else is long past the point where a mistake would show: an unrelated chain of owners was collected. */
async function collectorHasPassed(world: World): Promise<void> {
  const { create, remove } = rest(world);
  const maps = `${core(world)}/configmaps`;
  const owner = await create(maps, { metadata: { generateName: 'marker-' } });
  const { name, uid } = owner.metadata!;
  const dependent = await create(maps, {
    metadata: { generateName: 'marked-', ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }] },
  });
  await remove(`${maps}/${name}`);
  await until(async () => (await world.request({ path: `${maps}/${dependent.metadata!.name}` })).status === 404, 'the marker is collected');
}

conformance('api-machinery', 'Garbage collector', { pods: true }, (behaviour) => {
  behaviour('should delete RS created by deployment when not orphaning', async (world) => {
    const { create, remove, list } = rest(world);
    const labels = { app: 'collected' };
    await create(`${apps(world)}/deployments`, {
      metadata: { name: 'collected' },
      spec: { replicas: 2, selector: { matchLabels: labels }, template: template(labels) },
    });
    await until(async () => (await list(`${apps(world)}/replicasets`)).length === 1, 'the ReplicaSet');
    await remove(`${apps(world)}/deployments/collected`, { propagationPolicy: 'Background' });
    await until(async () => (await list(`${apps(world)}/replicasets`)).length === 0, 'no ReplicaSet');
    await until(async () => (await pods(world)).length === 0, 'no pod');
  });

  behaviour('should delete pods created by rc when not orphaning', async (world) => {
    await createController(world, 'collected', 2);
    await created(world, 2);
    await rest(world).remove(`${core(world)}/replicationcontrollers/collected`, { propagationPolicy: 'Background' });
    await until(async () => (await pods(world)).length === 0, 'no pod');
  });

  behaviour('should keep the rc around until all its pods are deleted if the deleteOptions says so', async (world) => {
    const { patch, remove } = rest(world);
    await createController(world, 'foreground', 3);
    // A finalizer of somebody else's keeps a pod: so long the owner must stay.
    const [held] = await created(world, 3);
    const path = `${core(world)}/pods/${held!.metadata!.name}`;
    await patch(path, { metadata: { finalizers: ['example.com/held'] } });
    await remove(`${core(world)}/replicationcontrollers/foreground`, { propagationPolicy: 'Foreground' });
    await until(async () => (await pods(world)).length === 1, 'only the pod that is held');
    const owner = await rest(world).get<V1ReplicationController>(`${core(world)}/replicationcontrollers/foreground`);
    assert.deepEqual(owner.metadata!.finalizers, ['foregroundDeletion']);
    assert.ok(owner.metadata!.deletionTimestamp);
    await patch(path, { metadata: { finalizers: null } });
    await until(
      async () => (await world.request({ path: `${core(world)}/replicationcontrollers/foreground` })).status === 404,
      'the owner is gone',
    );
    assert.deepEqual(await pods(world), []);
  });

  behaviour('should not be blocked by dependency circle', async (world) => {
    const { create, patch, remove } = rest(world);
    const names = ['pod1', 'pod2', 'pod3'];
    const made = new Map<string, V1Pod>();
    for (const name of names) made.set(name, await create<V1Pod>(`${core(world)}/pods`, { metadata: { name }, spec: template({}).spec }));
    for (const [index, name] of names.entries()) {
      const owner = made.get(names[(index + 2) % 3]!)!;
      const { uid } = owner.metadata!;
      await patch(`${core(world)}/pods/${name}`, {
        metadata: {
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: owner.metadata!.name, uid, controller: true, blockOwnerDeletion: true }],
        },
      });
    }
    await remove(`${core(world)}/pods/pod1`, { propagationPolicy: 'Foreground' });
    await until(async () => (await pods(world)).length === 0, 'the circle is gone');
  });

  behaviour(
    "should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted",
    async (world) => {
      const { patch, remove } = rest(world);
      await createController(world, 'leaving', 4);
      const all = await created(world, 4);
      const staying = await createController(world, 'staying', 0, { app: 'staying' });
      const kept = all.slice(0, 2).map(({ metadata }) => metadata!.name!);
      const { name, uid } = staying.metadata!;
      for (const each of kept) {
        const extra = [
          { op: 'add', path: '/metadata/ownerReferences/-', value: { apiVersion: 'v1', kind: 'ReplicationController', name, uid } },
        ];
        await patch(`${core(world)}/pods/${each}`, extra, 'json');
      }
      await remove(`${core(world)}/replicationcontrollers/leaving`, { propagationPolicy: 'Foreground' });
      await until(
        async () => (await world.request({ path: `${core(world)}/replicationcontrollers/leaving` })).status === 404,
        'the first owner is gone',
      );
      await until(async () => (await pods(world)).length === 2, 'its own pods are gone');
      await collectorHasPassed(world);
      const left = await pods(world);
      assert.deepEqual(left.map(({ metadata }) => metadata!.name).toSorted(), kept.toSorted());
      for (const { metadata } of left) {
        assert.deepEqual(
          metadata!.ownerReferences!.map((owner) => owner.name),
          ['staying'],
        );
        assert.equal(metadata!.deletionTimestamp, undefined);
      }
    },
  );

  behaviour('should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan', async (world) => {
    const { create, remove, list } = rest(world);
    const labels = { app: 'orphaned' };
    await create(`${apps(world)}/deployments`, {
      metadata: { name: 'orphaned' },
      spec: { replicas: 2, selector: { matchLabels: labels }, template: template(labels) },
    });
    await until(
      async () => (await list<V1ReplicaSet>(`${apps(world)}/replicasets`)).some(({ status }) => status?.replicas === 2),
      'the ReplicaSet has its pods',
    );
    await remove(`${apps(world)}/deployments/orphaned`, { propagationPolicy: 'Orphan' });
    await until(async () => (await list<V1Deployment>(`${apps(world)}/deployments`)).length === 0, 'no Deployment');
    await collectorHasPassed(world);
    const [left] = await list<V1ReplicaSet>(`${apps(world)}/replicasets`);
    assert.equal(left?.metadata!.ownerReferences, undefined);
    assert.equal((await pods(world)).length, 2);
  });

  behaviour('should orphan pods created by rc if delete options say so', async (world) => {
    await createController(world, 'orphaning', 5);
    await created(world, 5);
    await rest(world).remove(`${core(world)}/replicationcontrollers/orphaning`, { propagationPolicy: 'Orphan' });
    await until(
      async () => (await world.request({ path: `${core(world)}/replicationcontrollers/orphaning` })).status === 404,
      'the owner is gone',
    );
    await collectorHasPassed(world);
    const left = await pods(world);
    assert.equal(left.length, 5);
    for (const { metadata } of left) {
      assert.equal(metadata!.ownerReferences, undefined);
      assert.equal(metadata!.deletionTimestamp, undefined);
    }
  });
});
