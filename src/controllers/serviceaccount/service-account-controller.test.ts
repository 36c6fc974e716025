import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { statusError } from '../../api/status.ts';
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import { createServiceAccountController } from './service-account-controller.ts';

const names = (objects: readonly { metadata: { namespace?: string; name?: string } }[]): string[] =>
  objects.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted();

test('each namespace gets a default service account, and gets it back', () =>
  withControllers(async ({ api, context, start, pass }) => {
    const { client } = context;
    await client.resource(NAMESPACES).create({ metadata: { name: 'before' } });
    await start(createServiceAccountController(context));
    await client.resource(NAMESPACES).create({ metadata: { name: 'after' } });
    await pass(10);
    assert.deepEqual(names(api.all(SERVICE_ACCOUNTS)), ['after/default', 'before/default']);
    await client.resource(SERVICE_ACCOUNTS, 'after').delete('default');
    await pass(10);
    assert.deepEqual(names(api.all(SERVICE_ACCOUNTS)), ['after/default', 'before/default']);
  }));

test('a namespace that is going away gets none, and the refusal of one that began to is no failure', () =>
  withControllers(async ({ api, context, logged, start, pass }) => {
    const { client } = context;
    await client.resource(NAMESPACES).create({ metadata: { name: 'leaving' } });
    await client.resource(NAMESPACES).delete('leaving');
    await start(createServiceAccountController(context));
    api.refuse = ({ method, path }) => {
      if (method !== 'POST' || !path.includes('serviceaccounts')) return;
      throw statusError('Forbidden', 'unable to create new content', { causes: [{ reason: 'NamespaceTerminating' }] });
    };
    await client.resource(NAMESPACES).create({ metadata: { name: 'racing' } });
    await pass(1000);
    assert.deepEqual(api.all(SERVICE_ACCOUNTS), []);
    assert.deepEqual(logged, []);
  }));
