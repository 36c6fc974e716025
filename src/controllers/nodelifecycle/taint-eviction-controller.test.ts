import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { Taint, Toleration } from '../../api/types.gen.ts';
import { NODES, PODS } from '../../client/resources.ts';
import { createTaintEvictionController } from './taint-eviction-controller.ts';

const TAINT: Taint = { key: 'broken', effect: 'NoExecute' };

async function prepare({ context, start }: ControllerWorld) {
  const { client } = context;
  const pods = client.resource(PODS, 'default');
  await client.resource(NODES).create({ metadata: { name: 'n1' } });
  await start(createTaintEvictionController(context));
  return {
    create: (name: string, tolerations: Toleration[] = []) =>
      pods.create({ metadata: { name }, spec: { containers: [], nodeName: 'n1', tolerations } }),
    taint: (taints: Taint[]) => client.resource(NODES).patch('n1', 'merge', { spec: { taints } }),
    terminating: async (): Promise<string[]> =>
      (await pods.list()).items
        .filter(({ metadata }) => metadata.deletionTimestamp)
        .map(({ metadata }) => metadata.name!)
        .toSorted(),
  };
}

test('pods leave at once, later or never, as they tolerate', () =>
  withControllers(async (world) => {
    const { create, taint, terminating } = await prepare(world);
    await create('none');
    await create('while', [{ key: 'broken', operator: 'Exists', tolerationSeconds: 30 }]);
    await create('always', [{ operator: 'Exists' }]);
    await world.pass(1000);
    assert.deepEqual(await terminating(), []);
    await taint([TAINT]);
    await world.pass(1000);
    assert.deepEqual(await terminating(), ['none']);
    await world.pass(28_000);
    assert.deepEqual(await terminating(), ['none']);
    await world.pass(2000);
    assert.deepEqual(await terminating(), ['none', 'while']);
    assert.ok(world.events.includes('Normal TaintManagerEviction while: Marking for deletion Pod default/while'));
    const [pod] = (await world.context.client.resource(PODS, 'default').list()).items.filter(({ metadata }) => metadata.name === 'none');
    assert.deepEqual(
      [pod!.status!.conditions![0]!.type, pod!.status!.conditions![0]!.reason],
      ['DisruptionTarget', 'DeletionByTaintManager'],
    );
  }));

test('a taint that goes in time spares the pod, and the time begins anew with the next', () =>
  withControllers(async (world) => {
    const { create, taint, terminating } = await prepare(world);
    await create('while', [{ key: 'broken', operator: 'Exists', tolerationSeconds: 30 }]);
    await taint([TAINT]);
    await world.pass(20_000);
    await taint([]);
    await world.pass(20_000);
    assert.ok(world.events.includes('Normal TaintManagerEviction while: Cancelling deletion of Pod default/while'));
    await taint([TAINT]);
    await world.pass(20_000);
    assert.deepEqual(await terminating(), []);
    await world.pass(11_000);
    assert.deepEqual(await terminating(), ['while']);
  }));

test('a pod that comes to a tainted node leaves too; NoSchedule moves nobody', () =>
  withControllers(async (world) => {
    const { create, taint, terminating } = await prepare(world);
    await taint([{ key: 'broken', effect: 'NoSchedule' }]);
    await create('first');
    await world.pass(1000);
    assert.deepEqual(await terminating(), []);
    await taint([TAINT]);
    await create('second');
    await world.pass(1000);
    assert.deepEqual(await terminating(), ['first', 'second']);
  }));
