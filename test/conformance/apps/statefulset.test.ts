import assert from 'node:assert/strict';
import type { V1Pod, V1Scale, V1StatefulSet } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest, type WatchLog } from '../rest.ts';
import { apps, core, isGone, isReady, nameOf, pods, readyPods, statusEndpoints, webSpec, type Labels } from './workloads.ts';

const LABELS: Labels = { app: 'set' };
const sets = (world: World): string => apps(world, 'statefulsets');
const set = (world: World): string => `${sets(world)}/set`;

/** Pods are ready exactly while their file is there: a behaviour can make each one unhealthy and healthy again. */
const breakable = webSpec({
  containers: [
    {
      name: 'web',
      image: IMAGES.shell,
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', 'touch /tmp/healthy; exec sleep 3600'],
      readinessProbe: { exec: { command: ['cat', '/tmp/healthy'] }, periodSeconds: 1, failureThreshold: 1, successThreshold: 1 },
    },
  ],
});

function statefulSet(replicas: number, more: Partial<V1StatefulSet['spec']> = {}): V1StatefulSet {
  return {
    metadata: { name: 'set', labels: LABELS },
    spec: {
      serviceName: 'set',
      replicas,
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: webSpec() },
      ...more,
    },
  };
}

async function create(world: World, body: V1StatefulSet): Promise<V1StatefulSet> {
  await rest(world).create(core(world, 'services'), {
    metadata: { name: 'set' },
    spec: { clusterIP: 'None', selector: LABELS, ports: [{ port: 80 }] },
  });
  return rest(world).create<V1StatefulSet>(sets(world), body);
}

const get = (world: World): Promise<V1StatefulSet> => rest(world).get<V1StatefulSet>(set(world));
const scaleTo = (world: World, replicas: number) => rest(world).patch(`${set(world)}/scale`, { spec: { replicas } });

const shell = (world: World, pod: string, text: string) => world.kubectl(['exec', pod, '--', 'sh', '-c', text]);
const setHealth = (world: World, pod: string, healthy: boolean) => shell(world, pod, healthy ? 'touch /tmp/healthy' : 'rm -f /tmp/healthy');

const podReady = (world: World, name: string, ready: boolean) =>
  until(
    async () => {
      const answer = await world.request({ path: `${core(world, 'pods')}/${name}` });
      return answer.status === 200 && isReady(answer.json<V1Pod>()) === ready;
    },
    `${name} is ${ready ? '' : 'not '}ready`,
  );

/** In which order pods came and went. */
const order = (log: WatchLog<V1Pod>, type: string): string[] =>
  log.events.filter((event) => event.type === type).map(({ object }) => nameOf(object));

/** Waits until the set says that all its pods are of the revision and ready. */
const rolled = (world: World, replicas: number): Promise<V1StatefulSet> =>
  until(async () => {
    const object = await get(world);
    const { observedGeneration = 0, currentRevision, updateRevision, readyReplicas, updatedReplicas } = object.status ?? {};
    return (
      observedGeneration >= object.metadata!.generation! &&
      currentRevision === updateRevision &&
      readyReplicas === replicas &&
      updatedReplicas === replicas &&
      object
    );
  }, 'the set is rolled out');

const revisions = async (world: World): Promise<Record<string, string>> =>
  Object.fromEntries((await pods(world, LABELS)).map((pod) => [nameOf(pod), pod.metadata!.labels!['controller-revision-hash']!]));

const setAnnotation = (world: World, value: string, more: object = {}) =>
  rest(world).patch<V1StatefulSet>(set(world), { spec: { template: { metadata: { annotations: { step: value } } }, ...more } });

/** The revision that the controller made of the latest template. */
const updateRevision = (world: World, not: string): Promise<string> =>
  until(async () => {
    const { status, metadata } = await get(world);
    return (status?.observedGeneration ?? 0) >= metadata!.generation! && status!.updateRevision !== not && status!.updateRevision;
  }, 'a new revision');

conformance('apps', 'StatefulSet', { pods: true }, (behaviour) => {
  behaviour(
    'Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion even with unhealthy pods [Slow]',
    async (world) => {
      await create(world, statefulSet(1, { podManagementPolicy: 'Parallel', template: { metadata: { labels: LABELS }, spec: breakable } }));
      await readyPods(world, LABELS, 1);
      await setHealth(world, 'set-0', false);
      await podReady(world, 'set-0', false);
      await scaleTo(world, 3);
      await until(async () => (await pods(world, LABELS)).length === 3, 'unhealthy pods do not hold up the others');
      await setHealth(world, 'set-0', true);
      await readyPods(world, LABELS, 3);
      for (const pod of await pods(world, LABELS)) await setHealth(world, nameOf(pod), false);
      await scaleTo(world, 0);
      await until(async () => (await pods(world, LABELS)).length === 0, 'and none holds up the way down');
    },
  );

  behaviour(
    'Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable order and halt if any stateful pod is unhealthy [Slow]',
    async (world) => {
      const up = await rest(world).watch<V1Pod>(core(world, 'pods'), { labelSelector: 'app=set' });
      await create(world, statefulSet(1, { template: { metadata: { labels: LABELS }, spec: breakable } }));
      await readyPods(world, LABELS, 1);
      await setHealth(world, 'set-0', false);
      await podReady(world, 'set-0', false);
      await until(async () => (await get(world)).status?.readyReplicas !== 1, 'the set knows it');
      await scaleTo(world, 3);
      await until(async () => ((await get(world)).status?.observedGeneration ?? 0) >= 2, 'the set has seen its new size');
      assert.equal((await pods(world, LABELS)).length, 1);
      await setHealth(world, 'set-0', true);
      await readyPods(world, LABELS, 3);
      assert.deepEqual(order(up, 'ADDED'), ['set-0', 'set-1', 'set-2']);
      const names = (await pods(world, LABELS)).map(nameOf).toSorted();
      for (const name of names) await setHealth(world, name, false);
      for (const name of names) await podReady(world, name, false);
      await until(async () => !(await get(world)).status?.readyReplicas, 'the set knows it');
      const { metadata } = await get(world);
      await scaleTo(world, 0);
      await until(
        async () => ((await get(world)).status?.observedGeneration ?? 0) > metadata!.generation!,
        'the set has seen its new size',
      );
      assert.equal((await pods(world, LABELS)).length, 3);
      // The last one, unhealthy and alone, holds nobody up.
      for (const name of names.toReversed().slice(0, -1)) await setHealth(world, name, true);
      await until(async () => (await pods(world, LABELS)).length === 0, 'all are gone');
      await up.until(({ type, object }) => type === 'DELETED' && nameOf(object) === 'set-0', 'the last deletion');
      assert.deepEqual(order(up, 'DELETED'), ['set-2', 'set-1', 'set-0']);
    },
  );

  behaviour('Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset', async (world) => {
    // A pod holds a port of the node that the set's pod needs: the kubelet refuses the latter until the former is gone.
    const { items } = await rest(world).get<{ items: V1Pod[] }>('/api/v1/nodes');
    const nodeName = nameOf(items[0]!);
    const port = { name: 'conflict', containerPort: 21017, hostPort: 21017 };
    const container = { name: 'web', image: IMAGES.web, imagePullPolicy: 'IfNotPresent', ports: [port] };
    const spec = webSpec({ nodeName, containers: [container] });
    await rest(world).create(core(world, 'pods'), { metadata: { name: 'holder', labels: { holder: 'yes' } }, spec });
    await readyPods(world, { holder: 'yes' }, 1);
    const log = await rest(world).watch<V1Pod>(core(world, 'pods'), { fieldSelector: 'metadata.name=set-0' });
    await create(world, statefulSet(1, { template: { metadata: { labels: LABELS }, spec } }));
    const failed = await log.until(({ object }) => object.status?.phase === 'Failed', 'the pod is refused');
    await log.until(
      ({ type, object }) => type === 'DELETED' && object.metadata!.uid === failed.object.metadata!.uid,
      'the controller deletes it',
    );
    await rest(world).remove(`${core(world, 'pods')}/holder`);
    await isGone(world, `${core(world, 'pods')}/holder`);
    const [pod] = await readyPods(world, LABELS, 1);
    assert.equal(nameOf(pod!), 'set-0');
    assert.notEqual(pod!.metadata!.uid, failed.object.metadata!.uid);
  });

  behaviour('Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource', async (world) => {
    await create(world, statefulSet(1));
    await readyPods(world, LABELS, 1);
    const { get: read, replace, patch } = rest(world);
    const path = `${set(world)}/scale`;
    const scale = await read<V1Scale>(path);
    assert.equal(scale.spec!.replicas, 1);
    assert.equal(scale.status!.replicas, 1);
    scale.spec!.replicas = 2;
    delete scale.metadata!.resourceVersion; // whatever was written meanwhile
    assert.equal((await replace<V1Scale>(path, scale)).spec!.replicas, 2);
    assert.equal((await get(world)).spec!.replicas, 2);
    assert.equal((await patch<V1Scale>(path, { spec: { replicas: 4 } })).spec!.replicas, 4);
    assert.equal((await get(world)).spec!.replicas, 4);
  });

  behaviour(
    'Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets',
    async (world) => {
      await create(world, statefulSet(1));
      await readyPods(world, LABELS, 1);
      const { list, patch, remove } = rest(world);
      await patch(
        set(world),
        {
          metadata: { labels: { 'test-ss': 'patched' } },
          spec: { replicas: 2, template: { spec: { containers: [{ name: 'web', image: IMAGES.shell, command: ['sleep', '3600'] }] } } },
        },
        'strategic',
      );
      const patched = await rolled(world, 2);
      assert.equal(patched.metadata!.labels!['test-ss'], 'patched');
      assert.equal(patched.spec!.template.spec!.containers[0]!.image, IMAGES.shell);
      const found = await list('/apis/apps/v1/statefulsets?labelSelector=test-ss%3Dpatched');
      assert.equal(found.length, 1);
      await remove(`${sets(world)}?labelSelector=test-ss%3Dpatched`);
      await until(async () => (await list(sets(world))).length === 0, 'none is left');
    },
  );

  behaviour(
    'Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and phased rolling updates of template modifications',
    async (world) => {
      const strategy = (partition: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } });
      await create(world, statefulSet(3, strategy(3)));
      await readyPods(world, LABELS, 3);
      const old = (await rolled(world, 3)).status!.currentRevision!;
      await setAnnotation(world, 'canary');
      const fresh = await updateRevision(world, old);
      assert.deepEqual(await revisions(world), { 'set-0': old, 'set-1': old, 'set-2': old });
      await rest(world).patch(set(world), { spec: strategy(2) });
      const become = (expected: Record<string, string>) =>
        until(
          async () =>
            JSON.stringify(Object.entries(await revisions(world)).toSorted()) === JSON.stringify(Object.entries(expected).toSorted()),
          JSON.stringify(expected),
        );
      await become({ 'set-0': old, 'set-1': old, 'set-2': fresh });
      await readyPods(world, LABELS, 3);
      // Pods that are deleted come back in the revision of their side of the partition.
      for (const name of ['set-0', 'set-2']) await rest(world).remove(`${core(world, 'pods')}/${name}`);
      await readyPods(world, LABELS, 3);
      await become({ 'set-0': old, 'set-1': old, 'set-2': fresh });
      for (const [partition, expected] of [
        [1, { 'set-0': old, 'set-1': fresh, 'set-2': fresh }],
        [0, { 'set-0': fresh, 'set-1': fresh, 'set-2': fresh }],
      ] as const) {
        await rest(world).patch(set(world), { spec: strategy(partition) });
        await become(expected);
        await readyPods(world, LABELS, 3);
      }
      assert.equal((await rolled(world, 3)).status!.currentRevision, fresh);
    },
  );

  behaviour(
    'Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll backs of template modifications',
    async (world) => {
      await create(world, statefulSet(3));
      await readyPods(world, LABELS, 3);
      const old = (await rolled(world, 3)).status!.currentRevision!;
      const log = await rest(world).watch<V1Pod>(core(world, 'pods'), { labelSelector: 'app=set' });
      await setAnnotation(world, 'new');
      const fresh = await updateRevision(world, old);
      await rolled(world, 3);
      assert.deepEqual(new Set(Object.values(await revisions(world))), new Set([fresh]));
      assert.deepEqual(order(log, 'DELETED'), ['set-2', 'set-1', 'set-0']);
      // Rolled back: the revision of before counts again.
      await rest(world).patch(set(world), { spec: { template: { metadata: { annotations: { step: null } } } } });
      const back = await updateRevision(world, fresh);
      assert.equal(back, old);
      await rolled(world, 3);
      assert.deepEqual(new Set(Object.values(await revisions(world))), new Set([old]));
      assert.deepEqual(order(log, 'DELETED').slice(3), ['set-2', 'set-1', 'set-0']);
    },
  );

  behaviour('Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status endpoints', async (world) => {
    await create(world, statefulSet(1));
    await readyPods(world, LABELS, 1);
    await statusEndpoints(world, sets(world), 'set');
  });
});
