/**
 * As much of the protobuf encoding as etcd's dozen messages need: a message is a table of numbered fields. Loading etcd's .proto files at
 * start-up would cost more than everything else that the client does.
 */
export interface Codec<T> {
  readonly wire: typeof VARINT | typeof BYTES;
  write(out: Output, value: T): void;
  read(input: Input): T;
}

export interface Message<T> extends Codec<T> {
  readonly encode: (value: T) => Buffer;
  readonly decode: (bytes: Buffer) => T;
}

/** A field: its number and how its value is written. Lists hold the codec of one element. */
type Field<V> = [V] extends [(infer E)[]] ? { number: number; list: Codec<E> } : { number: number; one: Codec<V> };
type Fields<T> = { [K in keyof T]-?: Field<NonNullable<T[K]>> };

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const TWO_32 = 2 ** 32;

/** int64, uint64, int32 and enums. Exact up to 2^53, which no revision reaches. */
export const int: Codec<number> = { wire: VARINT, write: (out, value) => out.varint(value), read: (input) => input.varint() };
export const bool: Codec<boolean> = {
  wire: VARINT,
  write: (out, value) => out.varint(value ? 1 : 0),
  read: (input) => input.varint() !== 0,
};
export const bytes: Codec<Uint8Array> = { wire: BYTES, write: (out, value) => out.bytes(value), read: (input) => input.bytes() };
export const text: Codec<string> = {
  wire: BYTES,
  write: (out, value) => out.text(value),
  read: (input) => input.text(),
};

/** Fields that are undefined are not written; fields that are not known are skipped, as proto3 wants. */
export function message<T extends object>(fields: Fields<T>): Message<T> {
  const table = Object.entries<Row>(fields as Record<string, Row>).map(([name, field]) => ({ name, ...field }));
  const byNumber = new Map(table.map((row) => [row.number, row]));

  const writeFields = (out: Output, value: T): void => {
    for (const { name, number, one, list } of table) {
      const field = (value as Record<string, unknown>)[name];
      if (field === undefined) continue;
      if (one) out.field(number, one, field);
      else for (const element of field as unknown[]) out.field(number, list!, element);
    }
  };
  const readFields = (input: Input, end: number): T => {
    const value: Record<string, unknown> = {};
    while (input.before(end)) {
      const tag = input.varint();
      const row = byNumber.get(tag >>> 3);
      if (!row) input.skip(tag & 7);
      else if (row.one) value[row.name] = row.one.read(input);
      else ((value[row.name] ??= []) as unknown[]).push(row.list!.read(input));
    }
    return value as T;
  };
  return {
    wire: BYTES,
    encode: (value) => {
      const out = new Output();
      writeFields(out, value);
      return out.finish();
    },
    decode: (buffer) => readFields(new Input(buffer), buffer.length),
    write: (out, value) => {
      const start = out.begin();
      writeFields(out, value);
      out.end(start);
    },
    read: (input) => readFields(input, input.end()),
  };
}

const ENDS_INSIDE = 'malformed protobuf: it ends inside a field';

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

interface Row {
  number: number;
  one?: Codec<unknown>;
  list?: Codec<unknown>;
}

class Output {
  #buffer = Buffer.allocUnsafe(128);
  #length = 0;

  field(number: number, codec: Codec<unknown>, value: unknown): void {
    this.varint(number * 8 + codec.wire);
    codec.write(this, value);
  }

  varint(value: number): void {
    this.#reserve(10);
    // Two's complement in 64 bits, as protobuf writes negative numbers.
    let low = value >>> 0;
    let high = Math.floor(value / TWO_32) >>> 0;
    while (high > 0 || low > 127) {
      this.#buffer[this.#length++] = (low & 127) | 128;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#buffer[this.#length++] = low;
  }

  bytes(value: Uint8Array): void {
    this.varint(value.byteLength);
    this.#reserve(value.byteLength);
    this.#buffer.set(value, this.#length);
    this.#length += value.byteLength;
  }

  text(value: string): void {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#reserve(size);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** A message inside of this one begins; hand what is returned to `end`. */
  begin(): number {
    this.#reserve(1);
    return this.#length++;
  }

  /** Writes the length in front of what was written since `begin`: most often the one byte that was left for it is enough. */
  end(start: number): void {
    const size = this.#length - start - 1;
    if (size < 128) {
      this.#buffer[start] = size;
      return;
    }
    const more = varintLength(size) - 1;
    this.#reserve(more);
    this.#buffer.copyWithin(start + 1 + more, start + 1, this.#length);
    this.#length = start;
    this.varint(size);
    this.#length += size;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more + 16));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

class Input {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Whether there is more before `end`. Throws when a field went past it. */
  before(end: number): boolean {
    if (this.#position > end) throw new Error(ENDS_INSIDE);
    return this.#position < end;
  }

  /** Reads a length; where what it measures ends. */
  end(): number {
    const length = this.varint();
    const end = this.#position + length;
    if (end > this.#buffer.length) throw new Error(ENDS_INSIDE);
    return end;
  }

  varint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#next();
      const digits = byte & 127;
      if (shift < 28) low |= digits << shift;
      else if (shift === 28) [low, high] = [low | (digits << 28), digits >>> 4];
      else high |= digits << (shift - 32);
      if (byte < 128) return high * TWO_32 + (low >>> 0);
    }
    throw new Error('malformed protobuf: a number of more than ten bytes');
  }

  bytes(): Buffer {
    const end = this.end();
    const found = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return found;
  }

  text(): string {
    const end = this.end();
    const found = this.#buffer.toString('utf8', this.#position, end);
    this.#position = end;
    return found;
  }

  skip(wire: number): void {
    if (wire === VARINT) this.varint();
    else if (wire === BYTES) this.#position = this.end();
    else if (wire === FIXED64) this.#advance(8);
    else if (wire === FIXED32) this.#advance(4);
    else throw new Error(`malformed protobuf: wire type ${wire}`);
  }

  #next(): number {
    const byte = this.#buffer[this.#position++];
    if (byte === undefined) throw new Error(ENDS_INSIDE);
    return byte;
  }

  #advance(length: number): void {
    this.#position += length;
    if (this.#position > this.#buffer.length) throw new Error(ENDS_INSIDE);
  }
}
