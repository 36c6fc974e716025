import assert from 'node:assert/strict';
import type { V1Deployment, V1ReplicaSet, V1Scale } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { apps, isGone, isReady, nameOf, pods, readyPods, statusEndpoints, template, type Labels } from './workloads.ts';

const REVISION = 'deployment.kubernetes.io/revision';
const OTHER_IMAGE = IMAGES.shell;

const deployments = (world: World): string => apps(world, 'deployments');

function deployment(name: string, replicas: number, more: Partial<V1Deployment['spec']> = {}): V1Deployment {
  const labels = { name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: { replicas, selector: { matchLabels: labels }, template: template(labels), ...more },
  };
}

const create = (world: World, body: V1Deployment): Promise<V1Deployment> => rest(world).create<V1Deployment>(deployments(world), body);
const get = (world: World, name: string): Promise<V1Deployment> => rest(world).get<V1Deployment>(`${deployments(world)}/${name}`);
const replicaSets = (world: World): Promise<V1ReplicaSet[]> => rest(world).list<V1ReplicaSet>(apps(world, 'replicasets'));

/** Waits until the rollout of the latest spec is complete, as `kubectl rollout status` does. */
const complete = (world: World, name: string): Promise<V1Deployment> =>
  until(async () => {
    const object = await get(world, name);
    const { replicas = 1 } = object.spec!;
    const { observedGeneration = 0, updatedReplicas = 0, replicas: all = 0, availableReplicas = 0 } = object.status ?? {};
    return (
      observedGeneration >= object.metadata!.generation! &&
      updatedReplicas === replicas &&
      all === replicas &&
      availableReplicas === replicas &&
      object
    );
  }, `${name} is rolled out`);

/** Patches the template, so that a new revision is rolled out. */
const changeTemplate = (world: World, name: string, annotation: string): Promise<V1Deployment> =>
  rest(world).patch<V1Deployment>(`${deployments(world)}/${name}`, {
    spec: { template: { metadata: { annotations: { changed: annotation } } } },
  });

conformance('apps', 'Deployment', { pods: true }, (behaviour) => {
  behaviour('Deployment should have a working scale subresource', async (world) => {
    await create(world, deployment('scaled', 1));
    await complete(world, 'scaled');
    const { get: read, replace, patch } = rest(world);
    const path = `${deployments(world)}/scaled/scale`;
    const scale = await read<V1Scale>(path);
    assert.equal(scale.spec!.replicas, 1);
    assert.equal(scale.status!.replicas, 1);
    assert.equal(scale.status!.selector, 'name=scaled');
    scale.spec!.replicas = 2;
    delete scale.metadata!.resourceVersion; // whatever was written meanwhile
    assert.equal((await replace<V1Scale>(path, scale)).spec!.replicas, 2);
    assert.equal((await get(world, 'scaled')).spec!.replicas, 2);
    assert.equal((await patch<V1Scale>(path, { spec: { replicas: 4 } })).spec!.replicas, 4);
    assert.equal((await get(world, 'scaled')).spec!.replicas, 4);
  });

  behaviour('RecreateDeployment should delete old pods and create new ones', async (world) => {
    await create(world, deployment('recreated', 1, { strategy: { type: 'Recreate' } }));
    await complete(world, 'recreated');
    const [old] = await pods(world, { name: 'recreated' });
    const log = await rest(world).watch(`/api/v1/namespaces/${world.namespace}/pods`, { labelSelector: 'name=recreated' });
    await changeTemplate(world, 'recreated', '2');
    await complete(world, 'recreated');
    // Never were old and new pods there together.
    const deleted = log.events.findIndex(({ type, object }) => type === 'DELETED' && nameOf(object) === nameOf(old!));
    const added = log.events.findIndex(({ type, object }) => type === 'ADDED' && nameOf(object) !== nameOf(old!));
    assert.ok(deleted >= 0 && added > deleted, log.events.map(({ type, object }) => `${type} ${nameOf(object)}`).join(', '));
  });

  behaviour('RollingUpdateDeployment should delete old pods and create new ones', async (world) => {
    const labels = { name: 'rolled' };
    await rest(world).create(apps(world, 'replicasets'), {
      metadata: { name: 'adopted', labels, annotations: { [REVISION]: '3546343826724305832' } },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: template(labels) },
    });
    const [old] = await readyPods(world, labels, 1);
    await create(world, deployment('rolled', 1, { template: template({ ...labels, step: 'new' }) }));
    const rolled = await complete(world, 'rolled');
    // The set of others was adopted, and the revision counts on from its number.
    const sets = await replicaSets(world);
    const adopted = sets.find((set) => nameOf(set) === 'adopted')!;
    assert.equal(adopted.metadata!.ownerReferences?.[0]?.name, 'rolled');
    assert.equal(adopted.spec!.replicas, 0);
    assert.equal(sets.find((set) => nameOf(set) !== 'adopted')!.metadata!.annotations![REVISION], '3546343826724305833');
    assert.equal(rolled.metadata!.annotations![REVISION], '3546343826724305833');
    await isGone(world, `/api/v1/namespaces/${world.namespace}/pods/${nameOf(old!)}`);
  });

  behaviour('deployment should delete old replica sets', async (world) => {
    await create(world, deployment('cleaned', 1, { revisionHistoryLimit: 0 }));
    await complete(world, 'cleaned');
    const [first] = await replicaSets(world);
    await changeTemplate(world, 'cleaned', '2');
    await complete(world, 'cleaned');
    await until(async () => {
      const left = await replicaSets(world);
      return left.length === 1 && nameOf(left[0]!) !== nameOf(first!);
    }, 'the old ReplicaSet is deleted');
  });

  behaviour('deployment should support proportional scaling', async (world) => {
    const body = deployment('proportional', 10, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } });
    await create(world, body);
    await complete(world, 'proportional');
    // A new revision that never becomes available: the rollout stops in between, at 8 of the old and 5 of the new.
    await rest(world).patch(
      `${deployments(world)}/proportional`,
      { spec: { template: { spec: { containers: [{ name: 'web', image: IMAGES.missing }] } } } },
      'strategic',
    );
    const bySize = async (): Promise<[number, number]> => {
      const sets = await replicaSets(world);
      const size = (fresh: boolean): number =>
        sets.find((set) => (set.spec!.template!.spec!.containers[0]!.image === IMAGES.missing) === fresh)?.spec!.replicas ?? 0;
      return [size(false), size(true)];
    };
    const sizes = (old: number, fresh: number) =>
      until(async () => {
        const [a, b] = await bySize();
        return a === old && b === fresh;
      }, `${old} old and ${fresh} new replicas`);
    await sizes(8, 5);
    await rest(world).patch(`${deployments(world)}/proportional/scale`, { spec: { replicas: 30 } });
    // 20 more are shared out in proportion: 30 + 3 pods may be there.
    await sizes(20, 13);
  });

  behaviour('deployment should support rollover', async (world) => {
    const labels = { name: 'rolled-over' };
    await rest(world).create(apps(world, 'replicasets'), {
      metadata: { name: 'first', labels },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: template(labels) },
    });
    await readyPods(world, labels, 1);
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    const stuck = { ...template({ ...labels, step: 'stuck' }), spec: { containers: [{ name: 'web', image: IMAGES.missing }] } };
    await create(world, deployment('rolled-over', 1, { strategy, minReadySeconds: 1, template: stuck }));
    await until(
      async () => (await replicaSets(world)).some(({ metadata, spec }) => metadata!.name !== 'first' && spec!.replicas === 1),
      'the stuck revision has its pod',
    );
    await rest(world).update<V1Deployment>(
      `${deployments(world)}/rolled-over`,
      (object) => (object.spec!.template = template({ ...labels, step: 'good' })),
    );
    await complete(world, 'rolled-over');
    await until(
      async () => (await replicaSets(world)).filter(({ spec }) => spec!.replicas !== 0).length === 1,
      'older ReplicaSets are scaled down',
    );
    const left = (await replicaSets(world)).find(({ spec }) => spec!.replicas === 1)!;
    assert.equal(left.spec!.template!.metadata!.labels!['step'], 'good');
  });

  behaviour('should run the lifecycle of a Deployment', async (world) => {
    const { patch, list, remove, replace, watch } = rest(world);
    const labels: Labels = { 'test-deployment-static': 'true' };
    const body = deployment('lifecycle', 2);
    body.metadata!.labels = { ...body.metadata!.labels, ...labels };
    const log = await watch<V1Deployment>(deployments(world), { labelSelector: 'test-deployment-static=true' });
    await create(world, body);
    await log.until(({ object }) => object.status?.readyReplicas === 2, 'two replicas are ready');
    await patch(
      `${deployments(world)}/lifecycle`,
      {
        metadata: { labels: { 'test-deployment': 'patched' } },
        spec: { replicas: 1, template: { spec: { containers: [{ name: 'web', image: OTHER_IMAGE, command: ['sleep', '3600'] }] } } },
      },
      'strategic',
    );
    await log.until(({ type, object }) => type === 'MODIFIED' && object.metadata!.labels!['test-deployment'] === 'patched', 'the patch');
    await complete(world, 'lifecycle');
    const everywhere = await list<V1Deployment>('/apis/apps/v1/deployments?labelSelector=test-deployment%3Dpatched');
    const own = everywhere.filter(({ metadata }) => metadata!.namespace === world.namespace);
    assert.deepEqual(
      own.map(({ spec }) => [spec!.replicas, spec!.template.spec!.containers[0]!.image]),
      [[1, OTHER_IMAGE]],
    );
    const status = await until(async () => {
      const object = await get(world, 'lifecycle');
      const answer = await world.request({
        method: 'PUT',
        path: `${deployments(world)}/lifecycle/status`,
        body: { ...object, status: { ...object.status, readyReplicas: 0, availableReplicas: 0 } },
      });
      return answer.status === 200 && answer.json<V1Deployment>();
    }, 'the status is written');
    assert.equal(status.status!.readyReplicas ?? 0, 0);
    await complete(world, 'lifecycle');
    const scale = await rest(world).get<V1Scale>(`${deployments(world)}/lifecycle/scale`);
    const before = log.events.length;
    await replace(`${deployments(world)}/lifecycle/scale`, {
      ...scale,
      metadata: { name: scale.metadata!.name, namespace: scale.metadata!.namespace },
      spec: { replicas: 2 },
    });
    await log.until(({ object }) => object.status?.readyReplicas === 2, 'two again', before);
    await remove(`${deployments(world)}?labelSelector=test-deployment-static%3Dtrue`);
    await log.until(({ type }) => type === 'DELETED', 'the deletion');
  });

  behaviour('should validate Deployment Status endpoints', async (world) => {
    await create(world, deployment('stated', 1));
    await complete(world, 'stated');
    assert.ok((await pods(world, { name: 'stated' })).every(isReady));
    await statusEndpoints(world, deployments(world), 'stated');
  });
});
