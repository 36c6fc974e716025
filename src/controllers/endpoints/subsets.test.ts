import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointAddress, EndpointSubset } from '../../api/types.gen.ts';
import { MAX_ADDRESSES, truncate } from './subsets.ts';

const addresses = (count: number): EndpointAddress[] => Array.from({ length: count }, (_, i) => ({ ip: `10.0.${i >> 8}.${i & 255}` }));

function subset(port: number, ready: number, notReady: number): EndpointSubset {
  return { ports: [{ port }], addresses: addresses(ready), notReadyAddresses: addresses(notReady) };
}

const CASES: { name: string; subsets: EndpointSubset[]; expected: [ready: number, notReady: number][]; truncated: boolean }[] = [
  { name: 'all of a thousand', subsets: [subset(80, 700, 300)], expected: [[700, 300]], truncated: false },
  { name: 'those that are not ready go first', subsets: [subset(80, 900, 300)], expected: [[900, 100]], truncated: true },
  { name: 'no more than a thousand', subsets: [subset(80, 1500, 10)], expected: [[1000, 0]], truncated: true },
  {
    name: 'each subset its share',
    subsets: [subset(80, 1500, 0), subset(81, 500, 0)],
    expected: [
      [750, 0],
      [250, 0],
    ],
    truncated: true,
  },
  { name: 'a subset with nothing left goes', subsets: [subset(80, 1000, 0), subset(81, 0, 5)], expected: [[1000, 0]], truncated: true },
];

for (const { name, subsets, expected, truncated } of CASES) {
  test(`Endpoints hold ${MAX_ADDRESSES} addresses: ${name}`, () => {
    const result = truncate(subsets);
    const sizes = result.subsets.map(({ addresses = [], notReadyAddresses = [] }) => [addresses.length, notReadyAddresses.length]);
    assert.deepEqual([sizes, result.truncated], [expected, truncated]);
  });
}
