import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { statusError } from '../../api/status.ts';
import type { Namespace } from '../../api/types.gen.ts';
import { CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS } from '../../client/resources.ts';
import { createNamespaceController } from './namespace-controller.ts';

async function fill({ context }: ControllerWorld): Promise<void> {
  const { client } = context;
  for (const namespace of ['shop', 'other']) {
    await client.resource(NAMESPACES).create({ metadata: { name: namespace } });
    await client.resource(CONFIG_MAPS, namespace).create({ metadata: { name: 'settings' } });
    await client.resource(DEPLOYMENTS, namespace).create({ metadata: { name: 'web' } });
    await client.resource(PODS, namespace).create({ metadata: { name: 'web-1' }, spec: { containers: [], nodeName: 'n1' } });
  }
  await client.resource(NODES).create({ metadata: { name: 'n1' } });
}

const conditionsOf = (namespace: Namespace): Record<string, string> =>
  Object.fromEntries((namespace.status?.conditions ?? []).map(({ type, status, message }) => [type, `${status} ${message}`]));

test('a deleted namespace loses its pods, then its other content, then itself; the rest of the cluster stays', () =>
  withControllers(async (world) => {
    const { api, context, start, pass } = world;
    await fill(world);
    await start(createNamespaceController(context));
    await context.client.resource(NAMESPACES).delete('shop');
    await pass(1000);
    // The pod waits for its kubelet, and everything else for the pod.
    assert.equal((await context.client.resource(PODS, 'shop').get('web-1')).metadata.deletionTimestamp !== undefined, true);
    assert.equal((await context.client.resource(CONFIG_MAPS, 'shop').list()).items.length, 1);
    assert.equal(
      conditionsOf(await context.client.resource(NAMESPACES).get('shop'))['NamespaceContentRemaining'],
      'True Some resources are remaining: pods. has 1 resource instances',
    );

    await context.client.resource(PODS, 'shop').delete('web-1', { gracePeriodSeconds: 0 });
    await pass(50);
    assert.deepEqual(
      api.all(NAMESPACES).map(({ metadata }) => metadata.name),
      ['other'],
    );
    for (const type of [CONFIG_MAPS, DEPLOYMENTS, PODS] as const)
      assert.deepEqual(
        api.all(type as typeof PODS).map(({ metadata }) => metadata.namespace),
        ['other'],
      );
    assert.equal(api.all(NODES).length, 1);
  }));

test('content with a finalizer is named in the conditions and waited for', () =>
  withControllers(async ({ api, context, start, pass }) => {
    const { client } = context;
    await client.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
    await client.resource(CONFIG_MAPS, 'shop').create({ metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    await start(createNamespaceController(context));
    await client.resource(NAMESPACES).delete('shop');
    await pass(10_000);
    const conditions = conditionsOf(await client.resource(NAMESPACES).get('shop'));
    assert.equal(
      conditions['NamespaceFinalizersRemaining'],
      'True Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
    );
    assert.equal(conditions['NamespaceDeletionContentFailure'], 'False All content successfully deleted, may be waiting on finalization');
    const writes = api.requests.filter((line) => line.startsWith('PUT')).length;
    await pass(20_000);
    assert.equal(api.requests.filter((line) => line.startsWith('PUT')).length, writes, 'conditions that did not change are not written');
    await client.resource(CONFIG_MAPS, 'shop').patch('held', 'merge', { metadata: { finalizers: null } });
    await pass(6000);
    assert.deepEqual(api.all(NAMESPACES), []);
  }));

test('a kind that cannot be deleted is told, and the namespace stays until it can', () =>
  withControllers(async ({ api, context, logged, start, pass }) => {
    const { client } = context;
    await client.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
    await start(createNamespaceController(context));
    api.refuse = ({ path }) => {
      if (path.startsWith('/apis/apps/v1/namespaces/shop/deployments')) throw statusError('InternalError', 'webhook is down');
    };
    await client.resource(NAMESPACES).delete('shop');
    await pass(1000);
    const conditions = conditionsOf(await client.resource(NAMESPACES).get('shop'));
    assert.match(
      conditions['NamespaceDeletionContentFailure']!,
      /^True Failed to delete all resource types, 1 remaining: deployments\.apps\/v1: webhook is down/,
    );
    assert.ok(logged.length > 0);
    api.refuse = () => undefined;
    await pass(60_000);
    assert.deepEqual(api.all(NAMESPACES), []);
  }));
