import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads } from '../../../test/fixtures/workload-world.ts';
import { ENDPOINT_SLICES, ENDPOINTS, SERVICES } from '../../client/resources.ts';
import { createEndpointSliceMirroringController } from './endpoint-slice-mirroring-controller.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

test('Endpoints of a Service without a selector are mirrored, change by change', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const endpoints = admin.resource(ENDPOINTS, NS);
    const mirrored = async () => {
      const { items } = await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=outside' });
      return items.map(({ metadata, addressType, endpoints = [], ports = [] }) => ({
        by: metadata.labels!['endpointslice.kubernetes.io/managed-by'],
        addressType,
        ports: ports.map(({ port }) => port),
        endpoints: endpoints.map(({ addresses, conditions }) => `${addresses[0]} ${conditions!.ready}`),
      }));
    };
    await admin.resource(SERVICES, NS).create({ metadata: { name: 'outside' }, spec: { ports: [{ port: 80 }] } });
    const subsets = [{ addresses: [{ ip: '192.0.2.1' }], notReadyAddresses: [{ ip: '192.0.2.2' }], ports: [{ port: 8080 }] }];
    await endpoints.create({ metadata: { name: 'outside' }, subsets });
    const by = 'endpointslicemirroring-controller.k8s.io';
    await eventually(
      async () =>
        assert.deepEqual(await mirrored(), [{ by, addressType: 'IPv4', ports: [8080], endpoints: ['192.0.2.1 true', '192.0.2.2 false'] }]),
      soon,
    );
    await endpoints.patch('outside', 'merge', { subsets: [{ addresses: [{ ip: '2001:db8::1' }], ports: [{ port: 8080 }] }] });
    await eventually(
      async () => assert.deepEqual(await mirrored(), [{ by, addressType: 'IPv6', ports: [8080], endpoints: ['2001:db8::1 true'] }]),
      soon,
    );
    // From now on the addresses are those of pods.
    await admin.resource(SERVICES, NS).patch('outside', 'merge', { spec: { selector: { app: 'inside' } } });
    await eventually(
      async () =>
        assert.deepEqual(await mirrored(), [{ by: 'endpointslice-controller.k8s.io', addressType: 'IPv4', ports: [], endpoints: [] }]),
      soon,
    );
    const { items } = await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=kubernetes' });
    assert.equal(items.length, 1, 'what the API server writes for itself is not mirrored');
    assert.deepEqual(world.logged, []);
  }));

test('labels and annotations come along, and a label keeps Endpoints from being mirrored', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const endpoints = admin.resource(ENDPOINTS, NS);
    const slices = async () =>
      (await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=outside' })).items;
    await admin.resource(SERVICES, NS).create({ metadata: { name: 'outside' }, spec: { ports: [{ port: 80 }] } });
    const annotations = { note: 'mine', 'kubectl.kubernetes.io/last-applied-configuration': '{}' };
    const subsets = [{ addresses: [{ ip: '192.0.2.1', hostname: 'first' }], ports: [{ port: 8080 }] }];
    await endpoints.create({ metadata: { name: 'outside', labels: { team: 'a' }, annotations }, subsets });
    const [slice] = await eventually(async () => {
      const found = await slices();
      assert.equal(found.length, 1);
      return found;
    }, soon);
    assert.deepEqual([slice!.metadata.labels!['team'], slice!.metadata.annotations], ['a', { note: 'mine' }]);
    assert.equal(slice!.endpoints![0]!.hostname, 'first');
    await endpoints.patch('outside', 'merge', { metadata: { labels: { team: 'b' }, annotations: { note: null, other: 'yours' } } });
    await eventually(async () => {
      const [relabelled] = await slices();
      assert.deepEqual([relabelled?.metadata.labels!['team'], relabelled?.metadata.annotations], ['b', { other: 'yours' }]);
    }, soon);
    await endpoints.patch('outside', 'merge', { metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } });
    await eventually(async () => assert.deepEqual(await slices(), []), soon);
    assert.deepEqual(world.logged, []);
  }));

test('what is more than a thousand addresses is left out, and that is told', () =>
  withControllers(async ({ api, context, events, logged, start, pass }) => {
    const { client } = context;
    await client.resource(SERVICES, NS).create({ metadata: { name: 'outside' }, spec: { ports: [{ port: 80 }] } });
    const addresses = Array.from({ length: 1002 }, (_, i) => ({ ip: `10.1.${i >> 8}.${i & 255}` }));
    await client.resource(ENDPOINTS, NS).create({ metadata: { name: 'outside' }, subsets: [{ addresses, ports: [{ port: 8080 }] }] });
    await start(createEndpointSliceMirroringController(context));
    await pass(100);
    assert.equal(api.all(ENDPOINT_SLICES).flatMap(({ endpoints }) => endpoints ?? []).length, 1000);
    const most = 'A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset.';
    assert.ok(events.includes(`Warning TooManyAddressesToMirror outside: ${most} 2 addresses were skipped`));
    assert.deepEqual(logged, []);
  }));
