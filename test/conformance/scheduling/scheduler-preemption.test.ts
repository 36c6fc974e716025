import assert from 'node:assert/strict';
import { AppsV1Api, CoreV1Api, SchedulingV1Api, type V1PriorityClass, type V1ReplicaSet } from '@kubernetes/client-node';
import { conformance, isStatus, until, type World } from '../harness.ts';
import { create, read, readyNode, running, setCapacity, sleeper } from './cluster-nodes.ts';

const RESOURCE = 'scheduling.example.com/seat';

/** Priority classes of the behaviour's own; they and the resource on the node are gone afterwards. */
async function withClasses(
  world: World,
  values: Record<string, number>,
  work: (classes: Record<string, string>, node: string) => Promise<void>,
): Promise<void> {
  const scheduling = world.api(SchedulingV1Api);
  const node = (await readyNode(world)).metadata!.name!;
  const names = Object.fromEntries(Object.keys(values).map((key) => [key, `${world.namespace}-${key}`]));
  for (const [key, value] of Object.entries(values))
    await scheduling.createPriorityClass({ body: { metadata: { name: names[key]! }, value } });
  try {
    await work(names, node);
  } finally {
    await setCapacity(world, node, RESOURCE, undefined);
    for (const name of Object.values(names)) await scheduling.deletePriorityClass({ name });
  }
}

/** The pod is gone, or has been asked to go. */
function leaving(world: World, name: string): Promise<true> {
  return until(
    () =>
      read(world, name).then(
        ({ metadata }) => metadata!.deletionTimestamp !== undefined,
        (error: unknown) => {
          if (!isStatus(error, 404)) throw error;
          return true;
        },
      ) as Promise<true>,
    `pod ${name} preempted`,
  );
}

async function fillWithTwo(world: World, classes: Record<string, string>): Promise<void> {
  await create(world, { name: 'low', amounts: { [RESOURCE]: '2' }, spec: { priorityClassName: classes['low']! } });
  await create(world, { name: 'medium', amounts: { [RESOURCE]: '2' }, spec: { priorityClassName: classes['medium']! } });
  await running(world, 'low');
  await running(world, 'medium');
}

conformance('scheduling', 'SchedulerPreemption', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] validates basic preemption works', (world) =>
    withClasses(world, { low: 1, medium: 100, high: 1000 }, async (classes, node) => {
      await setCapacity(world, node, RESOURCE, '4');
      await fillWithTwo(world, classes);
      await create(world, { name: 'preemptor', amounts: { [RESOURCE]: '2' }, spec: { priorityClassName: classes['high']! } });
      await leaving(world, 'low');
      assert.equal((await running(world, 'preemptor')).spec!.nodeName, node);
      assert.equal((await read(world, 'medium')).metadata!.deletionTimestamp, undefined);
    }),
  );

  behaviour('[Serial] validates lower priority pod preemption by critical pod', (world) =>
    withClasses(world, { low: 1, medium: 100 }, async (classes, node) => {
      await setCapacity(world, node, RESOURCE, '4');
      await fillWithTwo(world, classes);
      const core = world.api(CoreV1Api);
      const body = sleeper({
        name: `critical-${world.namespace}`,
        amounts: { [RESOURCE]: '2' },
        spec: { priorityClassName: 'system-cluster-critical' },
      });
      await core.createNamespacedPod({ namespace: 'kube-system', body });
      try {
        await leaving(world, 'low');
        await until(async () => {
          const { status } = await core.readNamespacedPod({ namespace: 'kube-system', name: body.metadata!.name! });
          return status?.phase === 'Running';
        }, 'the critical pod running');
        assert.equal((await read(world, 'medium')).metadata!.deletionTimestamp, undefined);
      } finally {
        await core.deleteNamespacedPod({ namespace: 'kube-system', name: body.metadata!.name!, gracePeriodSeconds: 0 });
      }
    }),
  );

  behaviour('[Serial] validates pod disruption condition is added to the preempted pod', (world) =>
    withClasses(world, { low: 1, high: 1000 }, async (classes, node) => {
      await setCapacity(world, node, RESOURCE, '1');
      // Its finalizer keeps the victim to be looked at.
      const victim = sleeper({ name: 'victim', amounts: { [RESOURCE]: '1' }, spec: { priorityClassName: classes['low']! } });
      victim.metadata!.finalizers = ['example.com/test-finalizer'];
      await world.api(CoreV1Api).createNamespacedPod({ namespace: world.namespace, body: victim });
      await running(world, 'victim');
      try {
        await create(world, { name: 'preemptor', amounts: { [RESOURCE]: '1' }, spec: { priorityClassName: classes['high']! } });
        await leaving(world, 'victim');
        const { status } = await read(world, 'victim');
        const condition = status!.conditions!.find(({ type }) => type === 'DisruptionTarget');
        assert.equal(condition?.status, 'True');
        assert.equal(condition?.reason, 'PreemptionByScheduler');
      } finally {
        const patch = {
          method: 'PATCH',
          path: `/api/v1/namespaces/${world.namespace}/pods/victim`,
          body: { metadata: { finalizers: null } },
        } as const;
        await world.request({ ...patch, headers: { 'content-type': 'application/merge-patch+json' } });
      }
    }),
  );

  behaviour('[Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption running path', (world) =>
    withClasses(world, { p1: 1, p2: 2, p3: 3, p4: 4 }, async (classes, node) => {
      const apps = world.api(AppsV1Api);
      const { namespace } = world;
      const set = (name: string, replicas: number, seats: string): V1ReplicaSet => {
        const labels = { name };
        const { spec } = sleeper({
          name,
          amounts: { [RESOURCE]: seats },
          spec: { priorityClassName: classes[name]!, nodeSelector: { 'kubernetes.io/hostname': node } },
        });
        return {
          metadata: { name, labels },
          spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: spec! } },
        };
      };
      const ready = (name: string, count: number) =>
        until(
          async () => ((await apps.readNamespacedReplicaSet({ namespace, name })).status?.readyReplicas ?? 0) === count,
          `${count} of ${name}`,
        );
      await setCapacity(world, node, RESOURCE, '1000');
      // The first three fill the node but for 50 seats.
      const rows = [
        ['p1', 5, '40'],
        ['p2', 4, '50'],
        ['p3', 4, '95'],
      ] as const;
      for (const [name, replicas, seats] of rows) {
        await apps.createNamespacedReplicaSet({ namespace, body: set(name, replicas, seats) });
        await ready(name, replicas);
      }
      // The most important one takes the place of pods of the least important set only.
      await apps.createNamespacedReplicaSet({ namespace, body: set('p4', 1, '400') });
      await ready('p4', 1);
      await ready('p3', 4);
      await until(async () => {
        const left = (await apps.readNamespacedReplicaSet({ namespace, name: 'p1' })).status?.readyReplicas ?? 0;
        return left < 5;
      }, 'pods of the least important set gone');
    }),
  );

  behaviour(
    '[Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods',
    async (world) => {
      await withClasses(world, { p1: 1, p2: 2 }, async (names) => {
        const scheduling = world.api(SchedulingV1Api);
        const change = async (name: string, edit: (found: V1PriorityClass) => void): Promise<V1PriorityClass> => {
          const body = await scheduling.readPriorityClass({ name });
          edit(body);
          return scheduling.replacePriorityClass({ name, body });
        };
        // The value is for good; the description is not.
        for (const name of Object.values(names)) {
          await assert.rejects(
            change(name, (found) => (found.value = 10 * found.value!)),
            (error) => isStatus(error, 422, 403),
          );
          assert.equal((await change(name, (found) => (found.description = 'updated'))).description, 'updated');
          const path = `/apis/scheduling.k8s.io/v1/priorityclasses/${name}`;
          const patch = (value: unknown) =>
            world.request({ method: 'PATCH', path, body: value, headers: { 'content-type': 'application/merge-patch+json' } });
          assert.equal((await patch({ value: 77 })).status, 422);
          assert.equal((await patch({ description: 'patched' })).json<V1PriorityClass>().description, 'patched');
        }
        const { items } = await scheduling.listPriorityClass();
        const own = items.filter(({ metadata }) => Object.values(names).includes(metadata!.name!));
        assert.deepEqual(own.map(({ value, description }) => [value, description]).toSorted(), [
          [1, 'patched'],
          [2, 'patched'],
        ]);
      });
    },
  );
});
