/** The little of DER (X.690) that certificates are made of: elements read and written, a tag at a time. */

export interface DerElement {
  tag: number;
  content: Buffer;
  /** Tag, length and content as they stand. */
  raw: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The elements that stand one after the other in `bytes`. Throws Error when they do not end where it ends. */
export function readDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const { length, size } = lengthAt(bytes, at + 1);
    const start = at + 1 + size;
    if (start + length > bytes.length) throw new Error('asn1: data truncated');
    elements.push({ tag: bytes[at]!, content: bytes.subarray(start, start + length), raw: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return elements;
}

/** What a constructed element holds. Throws Error when the element is missing or has another tag. */
export function childrenOf(element: DerElement | undefined, tag: number): DerElement[] {
  if (element?.tag !== tag) throw new Error('asn1: structure error: tags do not match');
  return readDer(element.content);
}

export function encode(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

/** `1.2.840.113549` */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return encode(TAG.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

export function oidText({ content }: DerElement): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const [joined = 0, ...rest] = numbers;
  const first = Math.min(2, Math.floor(joined / 40));
  return [first, joined - first * 40, ...rest].join('.');
}

export function bitString(bits: Uint8Array, unused = 0): Buffer {
  return encode(TAG.bitString, Buffer.from([unused]), bits);
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const year = new Date(ms).getUTCFullYear();
  return year < 2050 ? encode(TAG.utcTime, Buffer.from(digits.slice(2))) : encode(TAG.generalizedTime, Buffer.from(digits));
}

/** The first block of this label. undefined when there is none. */
export function fromPem(text: string, label: string): Buffer | undefined {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(text);
  return match ? Buffer.from(match[1]!, 'base64') : undefined;
}

export function toPem(bytes: Buffer, label: string): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function lengthAt(bytes: Buffer, at: number): { length: number; size: number } {
  const first = bytes[at];
  if (first === undefined) throw new Error('asn1: data truncated');
  if (first < 0x80) return { length: first, size: 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + count >= bytes.length) throw new Error('asn1: bad length');
  return { length: bytes.readUIntBE(at + 1, count), size: 1 + count };
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const significant = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([0x80 | significant.length]), significant]);
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}
