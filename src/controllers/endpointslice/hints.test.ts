import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Node, Service } from '../../api/types.gen.ts';
import { allocateZones, distributionHints, isTopologyAware } from './hints.ts';
import { sharesOf } from './node-zones.ts';

const ZONE = 'topology.kubernetes.io/zone';

const HALVES = new Map([
  ['a', 0.5],
  ['b', 0.5],
]);
const THIRDS = new Map([
  ['a', 1 / 3],
  ['b', 1 / 3],
  ['c', 1 / 3],
]);
const LARGE_AND_SMALL = new Map([
  ['a', 0.75],
  ['b', 0.25],
]);
const UNEVEN = new Map([
  ['a', 0.4],
  ['b', 0.4],
  ['c', 0.2],
]);

const ALLOCATIONS: { name: string; shares: ReturnType<typeof sharesOf>; ready: string; expected: string }[] = [
  { name: 'each its own', shares: HALVES, ready: 'aabb', expected: 'aabb' },
  { name: 'a full zone gives', shares: HALVES, ready: 'aaaabb', expected: 'baaabb' },
  { name: 'not for less than a whole one', shares: HALVES, ready: 'aaaabbb', expected: 'aaaabbb' },
  { name: 'by size', shares: LARGE_AND_SMALL, ready: 'aabb', expected: 'aaab' },
  { name: 'to several', shares: THIRDS, ready: 'aaaaab', expected: 'ccbaab' },
  { name: 'a zone without nodes that count gives all', shares: HALVES, ready: 'abzz', expected: 'abab' },
  {
    name: 'no nodes',
    shares: undefined,
    ready: 'aabb',
    expected: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes',
  },
  { name: 'one zone', shares: new Map([['a', 1]]), ready: 'aabb', expected: 'Nodes only ready in one zone' },
  { name: 'too few', shares: THIRDS, ready: 'ab', expected: 'Insufficient number of endpoints (2 endpoints, 3 zones)' },
  {
    name: 'too uneven',
    shares: UNEVEN,
    ready: 'abca',
    expected: 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)',
  },
  { name: 'one without a zone', shares: HALVES, ready: 'aab ', expected: 'One or more endpoints do not have a zone specified' },
];

for (const { name, shares, ready, expected } of ALLOCATIONS) {
  test(`endpoints are shared out among zones: ${name}`, () => {
    const endpoints = Array.from(ready, (zone): Endpoint => ({ addresses: ['192.0.2.1'], ...(zone === ' ' ? {} : { zone }) }));
    const allocation = allocateZones(endpoints, shares);
    assert.equal('refusal' in allocation ? allocation.refusal : allocation.zones.join(''), expected);
  });
}

const DISTRIBUTIONS: { wanted: string; endpoint: Partial<Endpoint>; expected: unknown }[] = [
  { wanted: 'PreferClose', endpoint: { zone: 'a', nodeName: 'n' }, expected: { forZones: [{ name: 'a' }] } },
  { wanted: 'PreferSameZone', endpoint: { zone: 'a', nodeName: 'n' }, expected: { forZones: [{ name: 'a' }] } },
  { wanted: 'PreferSameNode', endpoint: { zone: 'a', nodeName: 'n' }, expected: { forZones: [{ name: 'a' }], forNodes: [{ name: 'n' }] } },
  { wanted: 'PreferSameNode', endpoint: { nodeName: 'n' }, expected: { forNodes: [{ name: 'n' }] } },
  { wanted: 'PreferClose', endpoint: { nodeName: 'n' }, expected: undefined },
  { wanted: '', endpoint: { zone: 'a', nodeName: 'n' }, expected: undefined },
];

for (const { wanted, endpoint, expected } of DISTRIBUTIONS) {
  test(`"${wanted}" of ${JSON.stringify(endpoint)}`, () => {
    const service: Service = { metadata: { name: 'web' }, spec: { trafficDistribution: wanted } };
    assert.deepEqual(distributionHints(service, { addresses: ['192.0.2.1'], ...endpoint }), expected);
  });
}

test('the annotation under both its names, the older one first', () => {
  const of = (annotations: Record<string, string>): boolean => isTopologyAware({ metadata: { name: 'web', annotations } });
  assert.equal(of({ 'service.kubernetes.io/topology-mode': 'Auto' }), true);
  assert.equal(of({ 'service.kubernetes.io/topology-aware-hints': 'auto' }), true);
  assert.equal(of({ 'service.kubernetes.io/topology-mode': 'Auto', 'service.kubernetes.io/topology-aware-hints': 'Disabled' }), false);
  assert.equal(of({ 'service.kubernetes.io/topology-mode': 'example.com/mine' }), false);
  assert.equal(of({}), false);
});

function node(
  zone: string | undefined,
  cpu: string,
  { ready = 'True', labels = {} }: { ready?: string; labels?: Record<string, string> } = {},
): Node {
  return {
    metadata: { name: 'n', labels: { ...labels, ...(zone ? { [ZONE]: zone } : {}) } },
    status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: ready }] },
  };
}

const SHARES: { name: string; nodes: Node[]; expected: Record<string, number> | undefined }[] = [
  { name: 'by CPU', nodes: [node('a', '2'), node('b', '500m'), node('a', '1500m')], expected: { a: 0.875, b: 0.125 } },
  { name: 'without those that are not ready', nodes: [node('a', '2'), node('b', '2', { ready: 'False' })], expected: { a: 1 } },
  {
    name: 'without the control plane',
    nodes: [node('a', '2'), node(undefined, '2', { labels: { 'node-role.kubernetes.io/control-plane': '' } })],
    expected: { a: 1 },
  },
  { name: 'a node without a zone', nodes: [node('a', '2'), node(undefined, '2')], expected: undefined },
  { name: 'a node without CPU', nodes: [node('a', '2'), node('b', '0')], expected: undefined },
  { name: 'no node', nodes: [], expected: undefined },
];

for (const { name, nodes, expected } of SHARES) {
  test(`parts of the zones: ${name}`, () => {
    const shares = sharesOf(nodes);
    assert.deepEqual(shares && Object.fromEntries(shares), expected);
  });
}
