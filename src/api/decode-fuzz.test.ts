import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtobuf, encodeProtobuf } from './codec/protobuf.ts';
import { decodeObject } from './decode.ts';
import { StatusError } from './status.ts';
import { builtinResources, schemaOf } from './scheme.ts';

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  1.5,
  2 ** 40,
  '',
  'x',
  '1Gi',
  '2026-01-01T00:00:00Z',
  true,
  false,
  [],
  [null],
  {},
  { a: null },
  [[]],
  '__proto__',
];
const NAMES = [
  'metadata',
  'spec',
  'status',
  'template',
  'containers',
  'name',
  'labels',
  'ports',
  'resources',
  'limits',
  'selector',
  '__proto__',
  'constructor',
  'conditions',
  'data',
];

function anything(random: (below: number) => number, depth: number): unknown {
  if (depth === 0 || random(3) === 0) return VALUES[random(VALUES.length)];
  if (random(4) === 0) return Array.from({ length: random(3) }, () => anything(random, depth - 1));
  return Object.fromEntries(Array.from({ length: random(5) }, () => [NAMES[random(NAMES.length)]!, anything(random, depth - 1)]));
}

test('whatever is sent, decoding answers or refuses, leaves its input alone, and is done after one pass', () => {
  const resources = builtinResources();
  let accepted = 0;
  for (let seed = 0; seed < 4000; seed++) {
    const random = seeded(seed);
    const { schema, kind } = resources[random(resources.length)]!;
    const value = { kind, ...(anything(random, 6) as object) };
    const before = JSON.stringify(value);
    try {
      const { object } = decodeObject(value, schema, { fieldValidation: 'Ignore' });
      assert.equal(decodeObject(object, schema, { fieldValidation: 'Strict' }).object, object, `seed ${seed}`);
      accepted += 1;
    } catch (error) {
      assert.ok(error instanceof StatusError && error.code === 400, `seed ${seed}: ${String(error)}`);
    }
    assert.equal(JSON.stringify(value), before, `seed ${seed}`);
  }
  assert.ok(accepted > 500, `${accepted} accepted`);
});

test('damaged protobuf is read or refused', () => {
  const schema = schemaOf('', 'v1', 'Pod')!;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', labels: { b: 'c' } },
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }], nodeName: 'n' },
    status: {},
  };
  const whole = encodeProtobuf(pod, schema);
  for (let seed = 0; seed < 4000; seed++) {
    const random = seeded(seed);
    const bytes = Buffer.from(whole.subarray(0, whole.length - random(3) * random(20)));
    for (let count = random(3); count >= 0; count--) bytes[4 + random(bytes.length - 4)] = random(256);
    try {
      decodeProtobuf(bytes, schemaOf);
    } catch (error) {
      assert.ok(error instanceof StatusError && error.code === 400, `seed ${seed}: ${String(error)}`);
    }
  }
});
