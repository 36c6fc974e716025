import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  Device,
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  ResourceSlice,
  ResourceV1ResourceClaim as ResourceClaim,
} from '../../../api/types.gen.ts';
import { NodeInfo } from '../../snapshot.ts';
import { allocate } from './allocator.ts';
import { poolsOf } from './pools.ts';
import { deviceMatcher } from './selectors.ts';
import { DeviceUsage } from './usage.ts';

const DRIVER = 'gpu.example.com';
const node = new NodeInfo({ metadata: { name: 'one', labels: { rack: 'r1' } } });
const classes: Record<string, DeviceClass> = {
  any: { metadata: { name: 'any' }, spec: {} },
  big: {
    metadata: { name: 'big' },
    spec: {
      selectors: [{ cel: { expression: `device.capacity["${DRIVER}"].memory.isGreaterThan(quantity("20Gi"))` } }],
      config: [{ opaque: { driver: DRIVER, parameters: { mode: 'big' } } }],
    },
  },
};

interface DeviceSketch {
  numa?: number;
  memory?: string;
  more?: Partial<Device>;
}

const device = (name: string, { numa = 0, memory = '10Gi', more = {} }: DeviceSketch = {}): Device => ({
  name,
  attributes: { 'example.com/numa': { int: numa }, model: { string: name.split('-')[0]! } },
  capacity: { memory: { value: memory } },
  ...more,
});

function slice(devices: Device[], spec: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  const pool = { name: 'pool', generation: 1, resourceSliceCount: 1 };
  return { metadata: { name: `slice-${devices[0]?.name}` }, spec: { driver: DRIVER, nodeName: 'one', pool, devices, ...spec } };
}

let uid = 0;
function claim(requests: DeviceRequest[], constraints: DeviceConstraint[] = []): ResourceClaim {
  return { metadata: { name: `claim-${uid}`, uid: String(uid++) }, spec: { devices: { requests, constraints } } };
}

const want = (name: string, more: Partial<NonNullable<DeviceRequest['exactly']>> = {}): DeviceRequest => ({
  name,
  exactly: { deviceClassName: 'any', allocationMode: 'ExactCount', count: 1, ...more },
});

const matches = deviceMatcher();

/** `gpu=a-0 gpu=a-1` by claim, or undefined. */
function devicesFor(claims: ResourceClaim[], slices: ResourceSlice[], usage = new DeviceUsage()): string[] | undefined {
  const result = allocate(claims, node, { pools: poolsOf(slices), usage, matches, classOf: (name) => classes[name], uuid: () => 'share' });
  return result?.results.map(({ devices }) => devices!.results!.map(({ request, device: name }) => `${request}=${name}`).join(' '));
}

describe('allocating devices', () => {
  const four = [slice([device('a-0'), device('a-1', { numa: 1 }), device('a-2', { numa: 1 }), device('b-3', { memory: '40Gi' })])];
  const cases: { name: string; claims: ResourceClaim[]; slices?: ResourceSlice[]; expected: string[] | undefined }[] = [
    { name: 'the first that fits', claims: [claim([want('gpu')])], expected: ['gpu=a-0'] },
    { name: 'a number of them', claims: [claim([want('gpu', { count: 3 })])], expected: ['gpu=a-0 gpu=a-1 gpu=a-2'] },
    { name: 'more than there are', claims: [claim([want('gpu', { count: 5 })])], expected: undefined },
    { name: 'all', claims: [claim([want('gpu', { allocationMode: 'All' })])], expected: ['gpu=a-0 gpu=a-1 gpu=a-2 gpu=b-3'] },
    { name: 'the selector of the class', claims: [claim([want('gpu', { deviceClassName: 'big' })])], expected: ['gpu=b-3'] },
    {
      name: 'the selector of the request',
      claims: [claim([want('gpu', { selectors: [{ cel: { expression: `device.attributes["${DRIVER}"].model == "b"` } }] })])],
      expected: ['gpu=b-3'],
    },
    {
      name: 'a capacity',
      claims: [claim([want('gpu', { capacity: { requests: { memory: '11Gi' } } })])],
      expected: ['gpu=b-3'],
    },
    {
      name: 'an attribute in common: goes back on its first choice',
      claims: [
        claim(
          [want('x'), want('y', { selectors: [{ cel: { expression: 'device.attributes["example.com"].numa == 1' } }] })],
          [{ matchAttribute: 'example.com/numa' }],
        ),
      ],
      expected: ['x=a-1 y=a-2'],
    },
    {
      name: 'an attribute that differs',
      claims: [claim([want('x', { count: 2 })], [{ distinctAttribute: 'example.com/numa' }])],
      expected: ['x=a-0 x=a-1'],
    },
    {
      name: 'the first alternative that can be had',
      claims: [
        claim([
          {
            name: 'gpu',
            firstAvailable: [
              { name: 'many', deviceClassName: 'big', allocationMode: 'ExactCount', count: 2 },
              { name: 'one', deviceClassName: 'big', allocationMode: 'ExactCount', count: 1 },
            ],
          },
        ]),
      ],
      expected: ['gpu/one=b-3'],
    },
    {
      name: 'claims do not share',
      claims: [claim([want('x', { count: 3 })]), claim([want('y')])],
      expected: ['x=a-0 x=a-1 x=a-2', 'y=b-3'],
    },
    {
      name: 'nothing of a pool that is not complete',
      claims: [claim([want('gpu')])],
      slices: [slice([device('a-0')], { pool: { name: 'pool', generation: 2, resourceSliceCount: 2 } })],
      expected: undefined,
    },
    {
      name: 'only the newest generation',
      claims: [claim([want('gpu')])],
      slices: [...four, slice([device('new-0')], { pool: { name: 'pool', generation: 2, resourceSliceCount: 1 } })],
      expected: ['gpu=new-0'],
    },
    {
      name: 'not of another node',
      claims: [claim([want('gpu')])],
      slices: [slice([device('a-0')], { nodeName: 'two' })],
      expected: undefined,
    },
    {
      name: 'a taint that is not tolerated',
      claims: [claim([want('gpu')])],
      slices: [slice([device('a-0', { more: { taints: [{ key: 'broken', effect: 'NoSchedule' }] } }), device('a-1')])],
      expected: ['gpu=a-1'],
    },
    {
      name: 'a taint that is tolerated',
      claims: [claim([want('gpu', { tolerations: [{ key: 'broken', operator: 'Exists' }] })])],
      slices: [slice([device('a-0', { more: { taints: [{ key: 'broken', effect: 'NoSchedule' }] } })])],
      expected: ['gpu=a-0'],
    },
  ];
  for (const { name, claims, slices = four, expected } of cases) it(name, () => assert.deepEqual(devicesFor(claims, slices), expected));

  it('leaves the usage as it was', () => {
    const usage = new DeviceUsage();
    for (let i = 0; i < 3; i++) assert.deepEqual(devicesFor([claim([want('gpu', { count: 4 })])], four, usage)?.length, 1);
  });

  it('gives what is allocated to nobody else, but to administrators', () => {
    const usage = new DeviceUsage();
    const pools = poolsOf(four);
    const results = ['a-0', 'a-1', 'a-2', 'b-3'].map((name) => ({ request: 'gpu', driver: DRIVER, pool: 'pool', device: name }));
    usage.addAllocation({ devices: { results } }, pools.all);
    assert.equal(devicesFor([claim([want('gpu')])], four, usage), undefined);
    assert.deepEqual(devicesFor([claim([want('gpu', { adminAccess: true })])], four, usage), ['gpu=a-0']);
  });

  it('shares the capacity of a device that allows it, by the policy of its steps', () => {
    const requestPolicy = { default: '2Gi', validRange: { min: '2Gi', step: '2Gi' } };
    const shared = device('s-0', { more: { allowMultipleAllocations: true, capacity: { memory: { value: '10Gi', requestPolicy } } } });
    const pools = poolsOf([slice([shared])]);
    const usage = new DeviceUsage();
    const options = { pools, usage, matches, classOf: (name: string) => classes[name], uuid: () => 'share' };
    const asked = claim([want('gpu', { capacity: { requests: { memory: '3Gi' } } })]);
    for (let i = 0; i < 2; i++) {
      const [result] = allocate([asked], node, options)!.results;
      assert.deepEqual(result!.devices!.results![0]!.consumedCapacity, { memory: '4Gi' });
      usage.addAllocation(result!, pools.all);
    }
    assert.equal(allocate([asked], node, options), undefined, '8 of 10 Gi are taken');
    assert.ok(allocate([claim([want('gpu')])], node, options), 'the default of 2 Gi still fits');
  });

  it('counts what partitions of one device take of it', () => {
    const part = (name: string, memory: string): Device =>
      device(name, { more: { consumesCounters: [{ counterSet: 'card', counters: { memory: { value: memory } } }] } });
    const pool = { name: 'pool', generation: 1, resourceSliceCount: 2 };
    const slices = [
      slice([part('whole', '10Gi'), part('half-0', '5Gi'), part('half-1', '5Gi')], { pool }),
      slice([], { pool, sharedCounters: [{ name: 'card', counters: { memory: { value: '10Gi' } } }] }),
    ];
    const half = (name: string): DeviceRequest =>
      want(name, { selectors: [{ cel: { expression: `device.attributes["${DRIVER}"].model == "half"` } }] });
    assert.deepEqual(devicesFor([claim([half('x'), half('y')])], slices), ['x=half-0 y=half-1']);
    assert.equal(devicesFor([claim([half('x'), half('y'), want('z')])], slices), undefined);
    assert.deepEqual(devicesFor([claim([want('z')])], slices), ['z=whole']);
  });

  it('names where the devices are, and the configuration of classes before the claim’s own', () => {
    const own = claim([want('gpu', { deviceClassName: 'big' })]);
    own.spec.devices!.config = [{ requests: ['gpu'], opaque: { driver: DRIVER, parameters: { mode: 'mine' } } }];
    const nodeSelector = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'rack', operator: 'In', values: ['r1'] }] }] };
    const slices = [slice([device('b-3', { memory: '40Gi' })], { nodeName: undefined, nodeSelector })];
    const options = {
      pools: poolsOf(slices),
      usage: new DeviceUsage(),
      matches,
      classOf: (name: string) => classes[name],
      uuid: () => 'share',
    };
    assert.deepEqual(allocate([own], node, options)!.results[0], {
      nodeSelector,
      devices: {
        results: [{ request: 'gpu', driver: DRIVER, pool: 'pool', device: 'b-3' }],
        config: [
          { source: 'FromClass', requests: ['gpu'], opaque: { driver: DRIVER, parameters: { mode: 'big' } } },
          { source: 'FromClaim', requests: ['gpu'], opaque: { driver: DRIVER, parameters: { mode: 'mine' } } },
        ],
      },
    });
  });
});

describe('device selectors', () => {
  const one = device('a-0', { more: { attributes: { flag: { bool: true }, version: { version: '1.10.0' }, 'other.com/n': { int: 7 } } } });
  const cases: [string, boolean][] = [
    [`device.driver == "${DRIVER}"`, true],
    [`device.attributes["${DRIVER}"].flag`, true],
    [`device.attributes["${DRIVER}"].version.isGreaterThan(semver("1.9.0"))`, true],
    ['device.attributes["other.com"].n > 6', true],
    ['"n" in device.attributes["nobody.com"]', false],
    ['has(device.attributes["other.com"].n)', true],
    ['has(device.attributes["other.com"].m)', false],
    [`cel.bind(own, device.attributes["${DRIVER}"], own.flag && own.version.major() == 1)`, true],
    [`device.capacity["${DRIVER}"].memory.compareTo(quantity("10Gi")) == 0`, true],
    ['device.allowMultipleAllocations', false],
  ];
  for (const [expression, expected] of cases) it(expression, () => assert.equal(matches(expression, DRIVER, one), expected));

  it('an attribute that is not there is an error, and so is what is no boolean', () => {
    assert.throws(() => matches(`device.attributes["${DRIVER}"].missing == 1`, DRIVER, one), /No such key: missing/);
    assert.throws(() => matches('device.driver', DRIVER, one), /a boolean was expected/);
    assert.throws(() => matches('device.driver ==', DRIVER, one), /compilation failed/);
  });
});
