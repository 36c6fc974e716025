import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { Pod } from '../../api/types.gen.ts';
import { NODES, PODS } from '../../client/resources.ts';
import { createPodGarbageCollector } from './pod-garbage-collector.ts';

function pods({ context }: ControllerWorld) {
  const client = context.client.resource(PODS, 'default');
  return {
    client,
    create: (name: string, nodeName?: string): Promise<Pod> =>
      client.create({ metadata: { name }, spec: { containers: [], ...(nodeName ? { nodeName } : {}) } }),
    end: async (name: string, phase: string): Promise<Pod> => client.patch(name, 'merge', { status: { phase } }, 'status'),
    names: async (): Promise<string[]> => (await client.list()).items.map(({ metadata }) => metadata.name!).toSorted(),
  };
}

test('pods of a node that is gone are failed and deleted after the quarantine, others stay', () =>
  withControllers(async (world) => {
    const { api, context, start, pass } = world;
    const { create, names } = pods(world);
    for (const name of ['n1', 'n2']) await context.client.resource(NODES).create({ metadata: { name } });
    await create('on-n1', 'n1');
    await create('on-n2', 'n2');
    await create('nowhere');
    await start(createPodGarbageCollector(context));
    await context.client.resource(NODES).delete('n1');
    await pass(39_000);
    assert.deepEqual(await names(), ['nowhere', 'on-n1', 'on-n2']);
    let last: unknown;
    api.refuse = ({ method, path, body }) => {
      if (method === 'PATCH' && path.endsWith('/on-n1/status')) last = (body as { status: unknown }).status;
    };
    await pass(2000);
    assert.deepEqual(await names(), ['nowhere', 'on-n2']);
    const { phase, conditions } = last as { phase: string; conditions: { type: string; reason: string; message: string }[] };
    assert.deepEqual(
      [phase, conditions[0]!.type, conditions[0]!.reason, conditions[0]!.message],
      ['Failed', 'DisruptionTarget', 'DeletionByPodGC', 'PodGC: node no longer exists'],
    );
  }));

test('a node that comes back within the quarantine keeps its pods', () =>
  withControllers(async (world) => {
    const { context, start, pass } = world;
    const { create, names } = pods(world);
    await create('early', 'n1');
    await start(createPodGarbageCollector(context));
    await pass(20_000);
    await context.client.resource(NODES).create({ metadata: { name: 'n1' } });
    await pass(60_000);
    assert.deepEqual(await names(), ['early']);
  }));

test('the oldest terminated pods beyond the threshold go, evicted ones first', () =>
  withControllers(async (world) => {
    const { context, clock, start, pass } = world;
    const { client, create, end, names } = pods(world);
    await context.client.resource(NODES).create({ metadata: { name: 'n1' } });
    await start(createPodGarbageCollector(context, { terminatedPodThreshold: 2 }));
    for (const name of ['a', 'b', 'c', 'd', 'running']) {
      await create(name, 'n1');
      await clock.advance(1000);
      if (name !== 'running') await end(name, 'Succeeded');
    }
    await client.patch('d', 'merge', { status: { phase: 'Failed', reason: 'Evicted' } }, 'status');
    await pass(25_000);
    assert.deepEqual(await names(), ['b', 'c', 'running']);
  }));

test('a pod that terminates before it had a node is failed and deleted at once', () =>
  withControllers(async (world) => {
    const { api, context, start, pass } = world;
    const { client } = pods(world);
    await client.create({ metadata: { name: 'held', finalizers: ['example.com/x'] }, spec: { containers: [] } });
    await start(createPodGarbageCollector(context));
    await client.delete('held');
    await pass(100);
    assert.equal((await client.get('held')).status?.phase, 'Failed');
    assert.equal(api.requests.filter((line) => line === 'DELETE /api/v1/namespaces/default/pods/held').length, 2);
  }));

test('terminating pods of a node out of service go at once', () =>
  withControllers(async (world) => {
    const { context, start, pass } = world;
    const { client, create, names } = pods(world);
    await context.client.resource(NODES).create({ metadata: { name: 'n1' } });
    await create('leaving', 'n1');
    await create('staying', 'n1');
    await start(createPodGarbageCollector(context));
    await client.delete('leaving');
    await pass(1000);
    assert.deepEqual(await names(), ['leaving', 'staying']);
    await context.client
      .resource(NODES)
      .patch('n1', 'merge', { spec: { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] } });
    await pass(100);
    assert.deepEqual(await names(), ['staying']);
  }));
