import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, EndpointSlice } from '../../api/types.gen.ts';
import { endpointId, portsKey, type PortGroup } from './endpoints-of.ts';
import { planSlices, type SliceContent } from './slice-plan.ts';

const PORTS = [{ name: '', port: 80, protocol: 'TCP' }];

function endpoints(from: number, count: number): Endpoint[] {
  return Array.from({ length: count }, (_, i) => ({ addresses: [`10.0.0.${from + i}`], targetRef: { uid: `pod-${from + i}` } }));
}

function slice(name: string, of: readonly Endpoint[], ports = PORTS): EndpointSlice {
  return { metadata: { name }, addressType: 'IPv4', endpoints: [...of], ports };
}

function groups(wanted: Record<number, readonly Endpoint[]>): Map<string, PortGroup> {
  const entries = Object.entries(wanted).map(([port, of]) => ({ ports: [{ ...PORTS[0]!, port: Number(port) }], of }));
  return new Map(
    entries.map(({ ports, of }) => [portsKey(ports), { ports, endpoints: new Map(of.map((each) => [endpointId(each), each])) }]),
  );
}

const CASES: {
  name: string;
  existing: EndpointSlice[];
  wanted: Record<number, readonly Endpoint[]>;
  create: number[];
  update: [string, number][];
  delete: string[];
}[] = [
  { name: 'nothing gives one empty slice', existing: [], wanted: {}, create: [0], update: [], delete: [] },
  { name: 'the empty slice stays', existing: [slice('a', [], [])], wanted: {}, create: [], update: [], delete: [] },
  {
    name: 'the empty slice is put to use',
    existing: [slice('a', [], [])],
    wanted: { 80: endpoints(0, 2) },
    create: [],
    update: [['a', 2]],
    delete: [],
  },
  {
    name: 'the last endpoint leaves an empty slice',
    existing: [slice('a', endpoints(0, 1))],
    wanted: {},
    create: [],
    update: [['a', 0]],
    delete: [],
  },
  { name: 'no change', existing: [slice('a', endpoints(0, 3))], wanted: { 80: endpoints(0, 3) }, create: [], update: [], delete: [] },
  {
    name: 'one more fills the slice',
    existing: [slice('a', endpoints(0, 3))],
    wanted: { 80: endpoints(0, 4) },
    create: [],
    update: [['a', 4]],
    delete: [],
  },
  {
    name: 'a full slice gets a neighbour',
    existing: [slice('a', endpoints(0, 100))],
    wanted: { 80: endpoints(0, 101) },
    create: [1],
    update: [],
    delete: [],
  },
  {
    name: 'the fullest with room is taken',
    existing: [slice('a', endpoints(0, 10)), slice('b', endpoints(10, 90))],
    wanted: { 80: endpoints(0, 105) },
    create: [],
    update: [['b', 95]],
    delete: [],
  },
  {
    name: 'new ones go where something changes anyway',
    existing: [slice('a', endpoints(0, 90)), slice('b', endpoints(90, 90))],
    wanted: { 80: endpoints(1, 185) },
    create: [],
    update: [['a', 95]],
    delete: [],
  },
  {
    name: 'a slice that is emptied goes',
    existing: [slice('a', endpoints(0, 2)), slice('b', endpoints(2, 2))],
    wanted: { 80: endpoints(0, 2) },
    create: [],
    update: [],
    delete: ['b'],
  },
  {
    name: 'other ports take over the slice of the old',
    existing: [slice('a', endpoints(0, 2))],
    wanted: { 81: endpoints(0, 2) },
    create: [],
    update: [['a', 2]],
    delete: [],
  },
  {
    name: 'two groups of ports',
    existing: [],
    wanted: { 80: endpoints(0, 2), 81: endpoints(2, 3) },
    create: [2, 3],
    update: [],
    delete: [],
  },
];

for (const { name, existing, wanted, ...expected } of CASES) {
  test(`slices: ${name}`, () => {
    const plan = planSlices(existing, groups(wanted), { keepsEmpty: true });
    const size = ({ endpoints }: SliceContent): number => endpoints.length;
    assert.deepEqual(
      {
        create: plan.create.map(size),
        update: plan.update.map(({ slice, content }) => [slice.metadata.name, size(content)]),
        delete: plan.delete.map(({ metadata }) => metadata.name),
      },
      expected,
    );
  });
}

test('without an empty slice to keep, the last endpoint takes its slice along', () => {
  const plan = planSlices([slice('a', endpoints(0, 1))], new Map(), { keepsEmpty: false });
  assert.deepEqual([plan.create, plan.update, plan.delete.map(({ metadata }) => metadata.name)], [[], [], ['a']]);
});
