import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { PodDisruptionBudgetSpec, PodDisruptionBudgetStatus, PodTemplateSpec } from '../../api/types.gen.ts';
import { DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS } from '../../client/resources.ts';

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

test('a share of pods that nobody controls cannot be told', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    await admin.resource(PODS, NS).create({ metadata: { name: 'bare', labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } });
    await admin.resource(POD_DISRUPTION_BUDGETS, NS).create({ metadata: { name: 'share' }, spec: { minAvailable: '50%', selector } });
    await eventually(async () => assert.deepEqual(await counts(world, 'share'), [0, 0, 0, 0, 'SyncFailed']), soon);
    const message = 'Failed to calculate the number of expected pods: found no controller ref for pod "bare"';
    await eventually(
      async () => assert.ok((await world.events(NS, 'share')).includes(`Warning CalculateExpectedPodCountFailed: ${message}`)),
      soon,
    );
    assert.deepEqual(world.logged, []);
  }));
