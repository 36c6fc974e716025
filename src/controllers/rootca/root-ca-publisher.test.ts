import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../client/resources.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';

test('the CA stands in every namespace and is put right when changed or deleted', () =>
  withControllers(async ({ context, start, pass }) => {
    const { client } = context;
    await start(createRootCaPublisher(context, { caCert: 'PEM' }));
    await client.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
    await pass(10);
    const maps = client.resource(CONFIG_MAPS, 'shop');
    const published = await maps.get('kube-root-ca.crt');
    assert.deepEqual(published.data, { 'ca.crt': 'PEM' });
    assert.match(published.metadata.annotations!['kubernetes.io/description']!, /^Contains a CA bundle/);

    await maps.patch('kube-root-ca.crt', 'merge', { data: { 'ca.crt': 'other', more: 'x' }, metadata: { labels: { mine: 'kept' } } });
    await pass(10);
    const restored = await maps.get('kube-root-ca.crt');
    assert.deepEqual([restored.data, restored.metadata.labels], [{ 'ca.crt': 'PEM' }, { mine: 'kept' }]);

    await maps.delete('kube-root-ca.crt');
    await pass(10);
    assert.deepEqual((await maps.get('kube-root-ca.crt')).data, { 'ca.crt': 'PEM' });
  }));

test('other config maps are left alone, and nothing is written when all is well', () =>
  withControllers(async ({ api, context, start, pass }) => {
    const { client } = context;
    await start(createRootCaPublisher(context, { caCert: 'PEM' }));
    await client.resource(NAMESPACES).create({ metadata: { name: 'shop' } });
    await client.resource(CONFIG_MAPS, 'shop').create({ metadata: { name: 'mine' }, data: { a: 'b' } });
    await pass(10);
    api.requests.length = 0;
    await client.resource(NAMESPACES).patch('shop', 'merge', { metadata: { labels: { a: 'b' } } });
    await pass(1000);
    assert.deepEqual(api.requests, ['PATCH /api/v1/namespaces/shop']);
  }));
