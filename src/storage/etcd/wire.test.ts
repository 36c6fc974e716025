import assert from 'node:assert/strict';
import { test } from 'node:test';
import protobuf from 'protobufjs/minimal.js';
import { bool, bytes, int, message, text } from './wire.ts';

interface Sample {
  number?: number;
  flag?: boolean;
  name?: string;
  data?: Uint8Array;
  inner?: { number?: number };
  list?: { number?: number }[];
}

const inner = message<{ number?: number }>({ number: { number: 1, one: int } });
const sample = message<Sample>({
  number: { number: 1, one: int },
  flag: { number: 2, one: bool },
  name: { number: 3, one: text },
  data: { number: 16, one: bytes },
  inner: { number: 5, one: inner },
  list: { number: 2000, list: inner },
});

for (const number of [
  0,
  1,
  127,
  128,
  300,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 35,
  2 ** 42 + 7,
  Number.MAX_SAFE_INTEGER,
  -1,
  -2,
  -(2 ** 40),
]) {
  test(`${number} is written as protobufjs writes it, and read back`, () => {
    assert.deepEqual(sample.decode(sample.encode({ number })), { number });
    const reference = protobuf.Writer.create().uint32(8).int64(number).finish();
    assert.deepEqual(sample.encode({ number }), Buffer.from(reference));
  });
}

test('every kind of field comes back', () => {
  const value: Sample = {
    number: 5,
    flag: true,
    name: 'é😀',
    data: Buffer.alloc(1000, 3),
    inner: {},
    list: [{ number: 1 }, {}, { number: 2 ** 40 }],
  };
  assert.deepEqual(sample.decode(sample.encode(value)), value);
  assert.equal(sample.encode({}).length, 0);
});

for (const size of [0, 120, 126, 127, 128, 16_000, 16_384, 3_000_000]) {
  test(`a message inside of a message, of about ${size} bytes, is written as protobufjs writes it, and read back`, () => {
    const outer = message<{ before?: number; inside?: Sample[]; after?: string }>({
      before: { number: 1, one: int },
      inside: { number: 2, list: sample },
      after: { number: 3, one: text },
    });
    const data = Buffer.alloc(size, 7);
    const value = { before: 1, inside: [{ name: 'ü', data }, { inner: { number: size } }], after: 'end' };
    const reference = protobuf.Writer.create().uint32(8).int64(1);
    reference.uint32(18).fork().uint32(26).string('ü').uint32(130).bytes(data).ldelim();
    reference.uint32(18).fork().uint32(42).fork().uint32(8).int64(size).ldelim().ldelim();
    assert.deepEqual(outer.encode(value), Buffer.from(reference.uint32(26).string('end').finish()));
    assert.deepEqual(outer.decode(outer.encode(value)), value);
  });
}

test('a message that goes past the end of the one around it is an error', () => {
  // Field 5 says that it is 2 bytes long, the number inside of it goes on into the next field.
  assert.throws(() => sample.decode(Buffer.from([42, 2, 8, 0x80, 1, 8, 1])), /malformed protobuf/);
});

test('unknown fields of every wire type are skipped', () => {
  const { Writer } = protobuf;
  const other = Writer.create()
    .uint32(7 << 3)
    .int64(9)
    .uint32((8 << 3) | 1)
    .fixed64(1)
    .uint32((9 << 3) | 2)
    .string('x')
    .uint32((10 << 3) | 5)
    .fixed32(1);
  assert.deepEqual(sample.decode(Buffer.from(other.uint32(8).int64(4).finish())), { number: 4 });
});

test('a message that ends inside a field is an error', () => {
  const whole = sample.encode({ name: 'some text' });
  for (let length = 1; length < whole.length; length++) assert.throws(() => sample.decode(whole.subarray(0, length)), /malformed protobuf/);
});
