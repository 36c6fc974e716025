/**
 * Protobuf's wire format (proto3) for messages described as small tables: a few kilobytes instead of the 13 MB that a
 * reflection library costs in every node. Types of the messages are inferred from the tables.
 *
 * Integers are JavaScript numbers. Values beyond 2^53 (nanosecond timestamps) lose their last bits, which nobody reads.
 */
export interface Field<T> {
  readonly id: number;
  readonly kind: 'string' | 'bytes' | 'int' | 'bool' | 'message' | 'map';
  readonly repeated: boolean;
  readonly message?: Message<MessageFields>;
  /** For inference only; never set. */
  readonly __type?: T;
}

export type MessageFields = Readonly<Record<string, Field<unknown>>>;

export interface Message<F extends MessageFields> {
  readonly fields: F;
  readonly byId: ReadonlyMap<number, { name: string; field: Field<unknown> }>;
}

type TypeOf<F> = F extends Field<infer T> ? T : never;
/** What decoding gives: absent scalars have proto3's zero value, absent messages are undefined. */
export type Decoded<M> = M extends Message<infer F> ? { [K in keyof F]: TypeOf<F[K]> } : never;
type Input<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? readonly Input<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Input<T[K]> }
      : T;
/** What encoding takes: anything may be left out. */
export type Encodable<M> = Input<Decoded<M>>;

export const string = (id: number): Field<string> => ({ id, kind: 'string', repeated: false });
export const bytes = (id: number): Field<Buffer> => ({ id, kind: 'bytes', repeated: false });
/** int32, int64, uint32, uint64 and enums: one form on the wire. */
export const int = (id: number): Field<number> => ({ id, kind: 'int', repeated: false });
export const bool = (id: number): Field<boolean> => ({ id, kind: 'bool', repeated: false });
export const map = (id: number): Field<Record<string, string>> => ({ id, kind: 'map', repeated: false });
export const sub = <F extends MessageFields>(id: number, message: Message<F>): Field<Decoded<Message<F>> | undefined> => ({
  id,
  kind: 'message',
  repeated: false,
  message,
});
export const list = <T>(field: Field<T>): Field<NonNullable<T>[]> => ({
  id: field.id,
  kind: field.kind,
  repeated: true,
  message: field.message,
});

/** A message by its fields; both directions are driven by this table. */
export function message<F extends MessageFields>(fields: F): Message<F> {
  return { fields, byId: new Map(Object.entries(fields).map(([name, field]) => [field.id, { name, field }])) };
}

/** Fields with their type's zero value are left out, as proto3 asks. */
export function encode<F extends MessageFields>(type: Message<F>, value: Encodable<Message<F>>): Buffer {
  return Buffer.concat(encodeFields(type, value as Readonly<Record<string, unknown>>));
}

/** Throws RangeError on bytes that are no protobuf. Unknown fields are skipped. */
export function decode<F extends MessageFields>(type: Message<F>, buffer: Buffer): Decoded<Message<F>> {
  return decodeFields(type, buffer) as Decoded<Message<F>>;
}

function encodeFields(type: Message<MessageFields>, value: Readonly<Record<string, unknown>>): Buffer[] {
  const out: Buffer[] = [];
  for (const [name, field] of Object.entries(type.fields)) {
    const given = value[name];
    if (given === undefined || given === null) continue;
    if (field.repeated) {
      for (const element of given as readonly unknown[]) encodeOne(out, field, element, true);
    } else if (field.kind === 'map') {
      for (const [key, text] of Object.entries(given as Record<string, string>)) lengthDelimited(out, field.id, mapEntry(key, text));
    } else {
      encodeOne(out, field, given, false);
    }
  }
  return out;
}

function encodeOne(out: Buffer[], field: Field<unknown>, value: unknown, keepZero: boolean): void {
  switch (field.kind) {
    case 'string':
      if (keepZero || value !== '') lengthDelimited(out, field.id, Buffer.from(value as string));
      break;
    case 'bytes':
      if (keepZero || (value as Uint8Array).length > 0) lengthDelimited(out, field.id, value as Uint8Array);
      break;
    case 'message':
      lengthDelimited(out, field.id, Buffer.concat(encodeFields(field.message!, value as Readonly<Record<string, unknown>>)));
      break;
    case 'int':
    case 'bool': {
      const number = Number(value);
      if (keepZero || number !== 0) out.push(varint(field.id * 8), varint(number));
      break;
    }
    default:
      throw new RangeError(`a map cannot be repeated (field ${field.id})`);
  }
}

function mapEntry(key: string, value: string): Buffer {
  const out: Buffer[] = [];
  lengthDelimited(out, 1, Buffer.from(key));
  lengthDelimited(out, 2, Buffer.from(value));
  return Buffer.concat(out);
}

function lengthDelimited(out: Buffer[], id: number, data: Uint8Array): void {
  out.push(varint(id * 8 + 2), varint(data.length), Buffer.from(data.buffer, data.byteOffset, data.length));
}

/** Negative numbers are ten bytes of two's complement, as for int32 and int64 in proto3. */
function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value);
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Buffer.from(out);
}

function zeroOf(field: Field<unknown>): unknown {
  if (field.repeated) return [];
  switch (field.kind) {
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'int':
      return 0;
    case 'bool':
      return false;
    case 'map':
      return {};
    default:
      return undefined;
  }
}

function decodeFields(type: Message<MessageFields>, buffer: Buffer): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(type.fields)) result[name] = zeroOf(field);
  const reader = new Reader(buffer);
  while (!reader.done) {
    const tag = reader.varint();
    const known = type.byId.get(Math.floor(tag / 8));
    if (known) decodeField(result, known, reader, tag % 8);
    else reader.skip(tag % 8);
  }
  return result;
}

function decodeField(
  result: Record<string, unknown>,
  { name, field }: { name: string; field: Field<unknown> },
  reader: Reader,
  wireType: number,
): void {
  if (field.kind === 'map') {
    const entry = decodeFields(MAP_ENTRY, reader.chunk());
    (result[name] as Record<string, string>)[entry.key as string] = entry.value as string;
    return;
  }
  if (field.repeated && wireType === 2 && (field.kind === 'int' || field.kind === 'bool')) {
    const packed = new Reader(reader.chunk());
    while (!packed.done) (result[name] as unknown[]).push(scalar(field, packed));
    return;
  }
  const value = scalar(field, reader);
  if (field.repeated) (result[name] as unknown[]).push(value);
  else result[name] = value;
}

function scalar(field: Field<unknown>, reader: Reader): unknown {
  switch (field.kind) {
    case 'string':
      return reader.chunk().toString('utf8');
    case 'bytes':
      return reader.chunk();
    case 'message':
      return decodeFields(field.message!, reader.chunk());
    case 'bool':
      return reader.varint() !== 0;
    default:
      return reader.varint();
  }
}

const MAP_ENTRY = message({ key: string(1), value: string(2) });

class Reader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  /** Signed 64 bits, as int64 reads them; what is unsigned here never uses the top bit. */
  varint(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 127) << shift;
      if (byte < 128) return low;
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new RangeError('varint of more than ten bytes');
  }

  chunk(): Buffer {
    const length = this.varint();
    const end = this.#at + length;
    if (length < 0 || end > this.#buffer.length) throw new RangeError('message ends too early');
    const data = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return data;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#at += 8;
    else if (wireType === 2) this.chunk();
    else if (wireType === 5) this.#at += 4;
    else throw new RangeError(`wire type ${wireType} is unknown`);
  }

  #byte(): number {
    const byte = this.#buffer[this.#at++];
    if (byte === undefined) throw new RangeError('message ends too early');
    return byte;
  }
}
