import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads } from '../../../test/fixtures/workload-world.ts';
import { ENDPOINT_SLICES, ENDPOINTS, SERVICES } from '../../client/resources.ts';

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
