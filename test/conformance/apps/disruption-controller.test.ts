import assert from 'node:assert/strict';
import type { V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import { conformance, until, type RawAnswer, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { core, isGone, nameOf, readyPods, webSpec } from './workloads.ts';

const LABELS = { foo: 'bar' };
const budgets = ({ namespace }: World): string => `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;

const budget = (name: string, spec: Partial<V1PodDisruptionBudget['spec']>, labels = {}) => ({
  metadata: { name, labels },
  spec: { selector: { matchLabels: LABELS }, ...spec },
});

const get = (world: World, name: string): Promise<V1PodDisruptionBudget> =>
  rest(world).get<V1PodDisruptionBudget>(`${budgets(world)}/${name}`);

/** Waits until the controller has looked at the budget as it is. */
const observed = (world: World, name: string): Promise<V1PodDisruptionBudget> =>
  until(async () => {
    const object = await get(world, name);
    return (object.status?.observedGeneration ?? 0) >= object.metadata!.generation! && object;
  }, `${name} is observed`);

async function createPods(world: World, count: number): Promise<V1Pod[]> {
  for (let index = 0; index < count; index += 1)
    await rest(world).create(core(world, 'pods'), { metadata: { name: `pod-${index}`, labels: LABELS }, spec: webSpec() });
  return readyPods(world, LABELS, count);
}

const evict = (world: World, { metadata }: V1Pod): Promise<RawAnswer> =>
  world.request({
    method: 'POST',
    path: `${core(world, 'pods')}/${metadata!.name}/eviction`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata!.name, namespace: world.namespace } },
  });

conformance('apps', 'DisruptionController', { pods: true }, (behaviour) => {
  behaviour(
    'Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets',
    async (world) => {
      const { create, list, remove } = rest(world);
      const other = await world.createNamespace();
      const labels = { collection: world.namespace };
      const elsewhere = `/apis/policy/v1/namespaces/${other}/poddisruptionbudgets`;
      await create(budgets(world), budget('first', { minAvailable: 1 }, labels));
      await create(budgets(world), budget('second', { minAvailable: '50%' }, labels));
      await create(elsewhere, budget('third', { minAvailable: 2 }, labels));
      const selector = `?labelSelector=collection%3D${world.namespace}`;
      assert.equal((await list(`/apis/policy/v1/poddisruptionbudgets${selector}`)).length, 3);
      assert.equal((await list(`${budgets(world)}${selector}`)).length, 2);
      await remove(`${budgets(world)}${selector}`);
      await until(async () => (await list(budgets(world))).length === 0, 'the collection is deleted');
      assert.equal((await list(elsewhere)).length, 1, 'and nothing else');
    },
  );

  behaviour('should block an eviction until the PDB is updated to allow it', async (world) => {
    const all = await createPods(world, 3);
    await rest(world).create(budgets(world), budget('blocking', { minAvailable: 3 }));
    await until(async () => (await get(world, 'blocking')).status?.currentHealthy === 3, 'the pods are counted');
    const refused = await evict(world, all[0]!);
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json<{ reason: string }>().reason, 'TooManyRequests');
    assert.match(refused.text, /DisruptionBudget/);
    await rest(world).patch(`${budgets(world)}/blocking`, { spec: { minAvailable: 2 } });
    await until(async () => (await get(world, 'blocking')).status?.disruptionsAllowed === 1, 'one may go');
    const allowed = await evict(world, all[0]!);
    assert.equal(allowed.status, 201, allowed.text);
    await isGone(world, `${core(world, 'pods')}/${nameOf(all[0]!)}`);
    // With one gone nothing more may go; without the budget all may.
    await until(async () => (await get(world, 'blocking')).status?.disruptionsAllowed === 0, 'none may go');
    assert.equal((await evict(world, all[1]!)).status, 429);
    await rest(world).remove(`${budgets(world)}/blocking`);
    assert.equal(
      (
        await until(async () => {
          const answer = await evict(world, all[1]!);
          return answer.status !== 429 && answer;
        }, 'the eviction goes through')
      ).status,
      201,
    );
  });

  behaviour('should create a PodDisruptionBudget', async (world) => {
    const { create, patch, update, remove } = rest(world);
    const created = await create<V1PodDisruptionBudget>(budgets(world), budget('made', { minAvailable: '1%' }));
    assert.equal(created.spec!.minAvailable, '1%');
    await observed(world, 'made');
    await update<V1PodDisruptionBudget>(`${budgets(world)}/made`, (object) => (object.spec!.minAvailable = '2%'));
    assert.equal((await observed(world, 'made')).spec!.minAvailable, '2%');
    await patch(`${budgets(world)}/made`, { spec: { minAvailable: '3%' } }, 'strategic');
    assert.equal((await observed(world, 'made')).spec!.minAvailable, '3%');
    await remove(`${budgets(world)}/made`);
    await isGone(world, `${budgets(world)}/made`);
  });

  behaviour('should observe PodDisruptionBudget status updated', async (world) => {
    await rest(world).create(budgets(world), budget('seen', { minAvailable: 1 }));
    await createPods(world, 3);
    const { status } = await until(async () => {
      const object = await get(world, 'seen');
      return object.status?.currentHealthy === 3 && object;
    }, 'three healthy pods');
    assert.equal(status!.disruptionsAllowed, 2);
    assert.equal(status!.desiredHealthy, 1);
    assert.equal(status!.expectedPods, 3);
  });

  behaviour('should update/patch PodDisruptionBudget status', async (world) => {
    await rest(world).create(budgets(world), budget('written', { minAvailable: 1 }));
    await createPods(world, 1);
    await until(async () => (await get(world, 'written')).status?.currentHealthy === 1, 'the pod is counted');
    const { namespace } = world;
    const disrupted = async (): Promise<string[]> => Object.keys((await get(world, 'written')).status?.disruptedPods ?? {});
    await until(async () => {
      const object = await get(world, 'written');
      object.status!.disruptedPods = { [`${namespace}-updated`]: new Date() };
      const { status } = await world.request({ method: 'PUT', path: `${budgets(world)}/written/status`, body: object });
      return status === 200;
    }, 'the status is replaced');
    const patched = await rest(world).patch<V1PodDisruptionBudget>(`${budgets(world)}/written/status`, {
      status: { disruptedPods: { [`${namespace}-patched`]: new Date() } },
    });
    assert.ok(Object.keys(patched.status!.disruptedPods!).includes(`${namespace}-patched`));
    await until(async () => (await disrupted()).length === 0, 'the controller knows no such pods');
  });
});
