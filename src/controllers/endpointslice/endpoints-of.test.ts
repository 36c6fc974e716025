import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Pod, Service, ServiceSpec } from '../../api/types.gen.ts';
import { portGroups } from './endpoints-of.ts';

const ADDRESSES = ['192.0.2.1', '2001:db8::1'];

interface Traits {
  ready?: boolean;
  deleted?: boolean;
  phase?: string;
  addresses?: string[];
  spec?: Partial<Pod['spec']>;
}

function pod({ ready = true, deleted = false, phase = 'Running', addresses = ADDRESSES, spec = {} }: Traits = {}): Pod {
  return {
    metadata: { name: 'web-1', namespace: 'default', uid: 'u1', ...(deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
    spec: { containers: [{ name: 'web', ports: [{ name: 'http', containerPort: 8080 }] }], nodeName: 'n1', ...spec },
    status: { phase, podIPs: addresses.map((ip) => ({ ip })), conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

function endpointsOf(subject: Pod, spec: Partial<ServiceSpec> = {}, family: 'IPv4' | 'IPv6' = 'IPv4'): Endpoint[] {
  const service: Service = { metadata: { name: 'web' }, spec: { ports: [{ port: 80, targetPort: 'http' }], ...spec } };
  const groups = portGroups({ service, pods: [subject], family, zoneOf: (node) => (node === 'n1' ? 'a' : undefined) });
  return [...groups.values()].flatMap(({ endpoints }) => [...endpoints.values()]);
}

const CONDITIONS: { name: string; pod: Traits; spec?: Partial<ServiceSpec>; expected: string }[] = [
  { name: 'ready', pod: {}, expected: 'ready serving' },
  { name: 'not ready', pod: { ready: false }, expected: '' },
  { name: 'not ready, published all the same', pod: { ready: false }, spec: { publishNotReadyAddresses: true }, expected: 'ready' },
  { name: 'going, still serving', pod: { deleted: true }, expected: 'serving terminating' },
  { name: 'going', pod: { deleted: true, ready: false }, expected: 'terminating' },
  {
    name: 'going, published all the same',
    pod: { deleted: true },
    spec: { publishNotReadyAddresses: true },
    expected: 'ready serving terminating',
  },
];

for (const { name, pod: traits, spec, expected } of CONDITIONS) {
  test(`conditions of an endpoint: ${name}`, () => {
    const [endpoint] = endpointsOf(pod(traits), spec);
    const set = Object.entries(endpoint!.conditions!).filter(([, value]) => value);
    assert.equal(set.map(([key]) => key).join(' '), expected);
  });
}

test('pods that have ended, or have no address of the family, are no endpoints', () => {
  assert.deepEqual(endpointsOf(pod({ phase: 'Succeeded' })), []);
  assert.deepEqual(endpointsOf(pod({ addresses: [] })), []);
  assert.deepEqual(endpointsOf(pod({ addresses: ['192.0.2.1'] }), {}, 'IPv6'), []);
});

test('each family has the pods by their address of it', () => {
  assert.deepEqual(endpointsOf(pod())[0]!.addresses, ['192.0.2.1']);
  assert.deepEqual(endpointsOf(pod(), {}, 'IPv6')[0]!.addresses, ['2001:db8::1']);
});

test('a pod has a name of its own within the Service that is its domain', () => {
  assert.equal(endpointsOf(pod({ spec: { hostname: 'first', subdomain: 'web' } }))[0]!.hostname, 'first');
  assert.equal(endpointsOf(pod({ spec: { hostname: 'first', subdomain: 'other' } }))[0]!.hostname, undefined);
  assert.equal(endpointsOf(pod())[0]!.hostname, undefined);
});

test('hints are for ready endpoints only', () => {
  const near = { trafficDistribution: 'PreferSameZone' };
  assert.deepEqual(endpointsOf(pod(), near)[0]!.hints, { forZones: [{ name: 'a' }] });
  assert.equal(endpointsOf(pod({ ready: false }), near)[0]!.hints, undefined);
});
