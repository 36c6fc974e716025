import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { notReady, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { StatusError } from '../../api/status.ts';
import type { CustomResourceDefinition, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus, PodTemplateSpec } from '../../api/types.gen.ts';
import type { ResourceType } from '../../client/client.ts';
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS } from '../../client/resources.ts';
import { createDisruptionController } from './disruption-controller.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };
const labels = { app: 'web' };
const selector = { matchLabels: labels };

async function counts({ admin }: WorkloadWorld, name: string): Promise<unknown> {
  const { status = {} } = await admin.resource(POD_DISRUPTION_BUDGETS, NS).get(name);
  const { expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed, conditions = [] }: PodDisruptionBudgetStatus = status;
  return [expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed, conditions[0]?.reason];
}

test('budgets allow what their pods can spare, and evictions count', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const budgets = admin.resource(POD_DISRUPTION_BUDGETS, NS);
    const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } } as PodTemplateSpec;
    await admin.resource(DEPLOYMENTS, NS).create({ metadata: { name: 'web' }, spec: { replicas: 4, selector, template } });
    const specs: Record<string, PodDisruptionBudgetSpec> = {
      number: { minAvailable: 3 },
      share: { minAvailable: '70%' },
      most: { maxUnavailable: '30%' },
    };
    for (const [name, spec] of Object.entries(specs)) await budgets.create({ metadata: { name }, spec: { ...spec, selector } });
    await budgets.create({ metadata: { name: 'none' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'other' } } } });
    await eventually(async () => {
      assert.deepEqual(await counts(world, 'number'), [4, 3, 4, 1, 'SufficientPods']);
      assert.deepEqual(await counts(world, 'share'), [4, 3, 4, 1, 'SufficientPods']);
      assert.deepEqual(await counts(world, 'most'), [4, 2, 4, 2, 'SufficientPods']);
      assert.deepEqual(await counts(world, 'none'), [0, 1, 0, 0, 'InsufficientPods']);
    }, soon);
    for (const name of ['share', 'most']) await budgets.delete(name);
    await admin.resource(DEPLOYMENTS, NS).patch('web', 'merge', { spec: { paused: true } });
    world.behave = () => 'wait';
    const [victim, other] = (await admin.resource(PODS, NS).list()).items;
    const evict = (name: string) =>
      admin
        .resource(PODS, NS)
        .subresource(name, 'eviction', 'POST', { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NS } });
    await evict(victim!.metadata.name!);
    await assert.rejects(evict(other!.metadata.name!), /Cannot evict pod as it would violate the pod's disruption budget/);
    await eventually(async () => assert.deepEqual(await counts(world, 'number'), [4, 3, 3, 0, 'InsufficientPods']), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a share of pods that nobody controls counts none, and that is told', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    await admin.resource(PODS, NS).create({ metadata: { name: 'bare', labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } });
    await admin.resource(POD_DISRUPTION_BUDGETS, NS).create({ metadata: { name: 'share' }, spec: { minAvailable: '50%', selector } });
    await eventually(async () => assert.deepEqual(await counts(world, 'share'), [0, 0, 1, 0, 'InsufficientPods']), soon);
    const message =
      'Pods selected by this PodDisruptionBudget (selector: app=web) were found to be unmanaged. As a result, the status of the PDB cannot ' +
      'be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of ' +
      'the PDB to an integer value.';
    await eventually(async () => assert.ok((await world.events(NS, 'share')).includes(`Warning UnmanagedPods: ${message}`)), soon);
    assert.deepEqual(world.logged, []);
  }));

function definition(kind: string, subresources: object): CustomResourceDefinition {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema, subresources }],
    },
  };
}

test('any kind that can be scaled says how many pods there should be, and one that cannot makes the budget fail', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
    for (const each of [definition('Fleet', { scale }), definition('Ship', {})])
      await admin.resource(CUSTOM_RESOURCE_DEFINITIONS).create(each);
    for (const kind of ['Fleet', 'Ship']) {
      const type: ResourceType = { group: 'example.com', version: 'v1', resource: `${kind.toLowerCase()}s`, kind, namespaced: true };
      const owner = await eventually(() => admin.resource(type, NS).create({ metadata: { name: 'mine' }, spec: { replicas: 3 } }), soon);
      const ownerReferences = [{ apiVersion: 'example.com/v1', kind, name: 'mine', uid: owner.metadata.uid!, controller: true }];
      const own = { app: kind.toLowerCase() };
      for (const i of [0, 1]) {
        const metadata = { name: `${kind.toLowerCase()}-${i}`, labels: own, ownerReferences };
        await admin.resource(PODS, NS).create({ metadata, spec: { containers: [{ name: 'web', image: 'nginx' }] } });
      }
      await admin
        .resource(POD_DISRUPTION_BUDGETS, NS)
        .create({ metadata: { name: kind.toLowerCase() }, spec: { maxUnavailable: 2, selector: { matchLabels: own } } });
    }
    await eventually(async () => assert.deepEqual(await counts(world, 'fleet'), [3, 1, 2, 1, 'SufficientPods']), soon);
    await eventually(async () => assert.deepEqual(await counts(world, 'ship'), [0, 0, 0, 0, 'SyncFailed']), soon);
    const message = 'Failed to calculate the number of expected pods: ships.example.com does not implement the scale subresource';
    await eventually(
      async () => assert.ok((await world.events(NS, 'ship')).includes(`Warning CalculateExpectedPodCountFailed: ${message}`)),
      soon,
    );
    assert.deepEqual(world.logged, []);
  }));

const CONDITIONS: { name: string; reason: string; phase: string; taken: boolean }[] = [
  { name: 'of an eviction that did not come', reason: 'EvictionByEvictionAPI', phase: 'Running', taken: true },
  { name: 'of the kubelet', reason: 'TerminationByKubelet', phase: 'Running', taken: false },
  { name: 'of a pod that has ended', reason: 'EvictionByEvictionAPI', phase: 'Failed', taken: false },
];

for (const { name, reason, phase, taken } of CONDITIONS) {
  test(`a condition DisruptionTarget ${name} ${taken ? 'is taken back' : 'stays'}`, () =>
    withControllers(async ({ context, clock, start, pass }) => {
      const pods = context.client.resource(PODS, NS);
      const lastTransitionTime = new Date(clock.now()).toISOString();
      const conditions = [{ type: 'DisruptionTarget', status: 'True', reason, lastTransitionTime }];
      await pods.create({ metadata: { name: 'web' }, spec: { containers: [] }, status: { phase, conditions } });
      await start(createDisruptionController(context));
      const condition = async () => (await pods.get('web')).status!.conditions![0]!;
      await pass(119_000);
      assert.equal((await condition()).status, 'True');
      await pass(2000);
      assert.deepEqual([(await condition()).status, (await condition()).reason], taken ? ['False', undefined] : ['True', reason]);
    }));
}

test('an eviction that did not delete its pod is given up, and the pod may be evicted again', () =>
  withControllers(async ({ context, clock, events, start, pass }) => {
    const budgets = context.client.resource(POD_DISRUPTION_BUDGETS, NS);
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await context.client.resource(PODS, NS).create({ metadata: { name: 'web', labels }, spec: { containers: [] }, status });
    const since = new Date(clock.now()).toISOString();
    const before = { currentHealthy: 1, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 1, disruptedPods: { web: since } };
    await budgets.create({ metadata: { name: 'one' }, spec: { minAvailable: 0, selector }, status: before });
    await start(createDisruptionController(context));
    await pass(119_000);
    assert.deepEqual((await budgets.get('one')).status!.disruptedPods, { web: since });
    await pass(2000);
    const after = (await budgets.get('one')).status!;
    assert.deepEqual([after.disruptedPods, after.disruptionsAllowed], [undefined, 1]);
    assert.ok(events.includes("Warning NotDeleted web: Pod was expected by PDB default/default to be deleted but it wasn't"));
  }));

const EVICTIONS: { policy: string; minAvailable: number; expected: boolean[] }[] = [
  { policy: 'IfHealthyBudget', minAvailable: 2, expected: [false, false] },
  { policy: 'IfHealthyBudget', minAvailable: 1, expected: [true, false] },
  { policy: 'AlwaysAllow', minAvailable: 2, expected: [true, false] },
];

for (const { policy, minAvailable, expected } of EVICTIONS) {
  test(`with ${policy}, and ${minAvailable} to stay, a pod that is not ready may${expected[0] ? '' : ' not'} go, one that is may not`, () =>
    withWorkloads(async (world) => {
      const { admin } = world;
      world.behave = (pod) => (pod.metadata.name === 'unready' ? notReady(pod) : running(pod));
      for (const name of ['unready', 'ready'])
        await admin.resource(PODS, NS).create({ metadata: { name, labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } });
      await admin
        .resource(POD_DISRUPTION_BUDGETS, NS)
        .create({ metadata: { name: 'some' }, spec: { minAvailable, selector, unhealthyPodEvictionPolicy: policy } });
      await eventually(async () => assert.deepEqual(await counts(world, 'some'), [2, minAvailable, 1, 0, 'InsufficientPods']), soon);
      await eventually(async () => assert.equal((await admin.resource(PODS, NS).get('unready')).status?.phase, 'Running'), soon);
      const allowed: boolean[] = [];
      for (const name of ['unready', 'ready']) {
        const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NS } };
        const outcome = await admin
          .resource(PODS, NS)
          .subresource(name, 'eviction', 'POST', eviction)
          .then(
            () => 201,
            (error: unknown) => (error as StatusError).code,
          );
        assert.ok(outcome === 201 || outcome === 429, String(outcome));
        allowed.push(outcome === 201);
      }
      assert.deepEqual(allowed, expected);
    }));
}
