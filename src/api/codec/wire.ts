/**
 * The protobuf wire format, as much of it as Kubernetes uses: varint, fixed64 and length-delimited fields.
 */

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Writes from the end to the beginning: a message's length is known when its prefix is written, so nothing is measured twice. Callers
 * write fields from the highest number to the lowest, and a value before its tag.
 */
export class ReverseWriter {
  #buffer: Buffer;
  #start: number;

  constructor(size = 1024) {
    this.#buffer = Buffer.allocUnsafe(size);
    this.#start = size;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  varint(value: number): void {
    if (value < 0 || value > 0x7fffffff) return this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
    let size = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
    let at = this.#reserve(size);
    for (let rest = value; ; rest >>>= 7) {
      if (rest < 0x80) {
        this.#buffer[at] = rest;
        return;
      }
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
    }
  }

  #bigVarint(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value; ; rest >>= 7n) {
      if (rest < 0x80n) {
        bytes.push(Number(rest));
        break;
      }
      bytes.push(Number(rest & 0x7fn) | 0x80);
    }
    const at = this.#reserve(bytes.length);
    bytes.forEach((byte, index) => (this.#buffer[at + index] = byte));
  }

  /** A signed 64-bit value that may pass what a double holds. */
  int64(value: bigint): void {
    this.#bigVarint(BigInt.asUintN(64, value));
  }

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire);
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Length-delimited field with this text. */
  string(number: number, text: string): void {
    const size = Buffer.byteLength(text);
    const at = this.#reserve(size);
    this.#buffer.write(text, at, size, 'utf8');
    this.varint(size);
    this.tag(number, BYTES);
  }

  bytes(number: number, bytes: Uint8Array): void {
    this.raw(bytes);
    this.varint(bytes.length);
    this.tag(number, BYTES);
  }

  /** Ends the message that began when the writer's length was `mark`. */
  message(number: number, mark: number): void {
    this.varint(this.length - mark);
    this.tag(number, BYTES);
  }

  #reserve(size: number): number {
    if (size > this.#start) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + size));
      const start = grown.length - this.length;
      this.#buffer.copy(grown, start, this.#start);
      this.#buffer = grown;
      this.#start = start;
    }
    this.#start -= size;
    return this.#start;
  }

  /** What was written; the writer must not be used any more. */
  finish(): Buffer {
    return this.#buffer.subarray(this.#start);
  }
}

/** Reads one message. Throws RangeError on bytes that end too early. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  tag(): { number: number; wire: number } {
    const tag = this.#size();
    return { number: tag >>> 3, wire: tag & 7 };
  }

  /** A varint that fits 28 bits is read without bigints; nearly all do. -1: it does not, nothing was read. */
  #small(): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.#at = start;
    return -1;
  }

  #size(): number {
    const small = this.#small();
    return small >= 0 ? small : Number(this.varint());
  }

  /** An unsigned 64-bit value. */
  varint(): bigint {
    const small = this.#small();
    if (small >= 0) return BigInt(small);
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('proto: integer overflow');
  }

  /** A signed value, as far as a double holds it. */
  integer(): number {
    const small = this.#small();
    return small >= 0 ? small : Number(BigInt.asIntN(64, this.varint()));
  }

  double(): number {
    const at = this.#skip(8);
    return this.#view.getFloat64(at, true);
  }

  bytes(): Uint8Array {
    const size = this.#size();
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  string(): string {
    return TEXT.decode(this.bytes());
  }

  message(): Reader {
    const size = this.#size();
    const at = this.#skip(size);
    return new Reader(this.#bytes, at, at + size);
  }

  /** Passes over a field that is not known. */
  skip(wire: number): void {
    if (wire === VARINT) this.varint();
    else if (wire === FIXED64) this.#skip(8);
    else if (wire === FIXED32) this.#skip(4);
    else if (wire === BYTES) this.bytes();
    else throw new RangeError(`proto: illegal wireType ${wire}`);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new RangeError('unexpected EOF');
    return this.#bytes[this.#at++]!;
  }

  #skip(size: number): number {
    const at = this.#at;
    if (at + size > this.#end) throw new RangeError('unexpected EOF');
    this.#at = at + size;
    return at;
  }
}
