import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../test/fixtures/controller-world.ts';
import { EVENTS, NAMESPACES, NODES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { createControllers } from './registry.ts';

test('all controllers start, work and stop side by side, each writing as its own service account', () =>
  withControllers(async ({ api, context, start, pass }) => {
    const writes: Record<string, string[]> = {};
    const transportOf = (name: string) => (request: Parameters<typeof api.transport>[0]) => {
      if (request.method !== 'GET') (writes[name] ??= []).push(request.path);
      return api.transport(request);
    };
    const controllers = createControllers(context, { caCert: 'PEM', transportOf });
    assert.equal(new Set(controllers.map(({ name }) => name)).size, controllers.length);
    await start(controllers);
    await context.client.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
    await context.client.resource(NODES).create({ metadata: { name: 'n1' } });
    await pass(3000);
    assert.deepEqual(
      api.all(SERVICE_ACCOUNTS).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
      ['shop/default'],
    );
    assert.deepEqual(writes['service-account-controller'], ['/api/v1/namespaces/shop/serviceaccounts']);
    assert.deepEqual(writes['root-ca-cert-publisher'], ['/api/v1/namespaces/shop/configmaps']);
    const [event] = api.all(EVENTS);
    assert.deepEqual([event!.reason, event!.source!.component], ['RegisteredNode', 'node-controller']);
  }));
