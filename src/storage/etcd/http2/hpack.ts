import { decodeHuffman } from './huffman.ts';

/**
 * Header compression of HTTP/2 (RFC 7541) without its memory: we tell the server to keep no table for us, and write nothing into the one that it
 * would keep. So a block of headers means the same whenever it comes.
 */
export type HeaderFields = ReadonlyMap<string, string>;

/** RFC 7541, appendix A, from index 1. */
const STATIC: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status) => [':status', status] as const),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...(
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control content-disposition ' +
    'content-encoding content-language content-length content-location content-range content-type cookie date etag expect expires from ' +
    'host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards ' +
    'proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security ' +
    'transfer-encoding user-agent vary via www-authenticate'
  )
    .split(' ')
    .map((name) => [name, ''] as const),
];

/** How a field begins: an index alone, a literal that is to be remembered, a change of the table's size; everything else is a literal too. */
const INDEXED = 0x80;
const REMEMBERED = 0x40;
const RESIZED = 0x20;
const HUFFMAN = 0x80;

export function encodeHeaders(fields: Iterable<readonly [name: string, value: string]>): Buffer {
  const out: number[] = [];
  for (const [name, value] of fields) {
    const known = STATIC.findIndex((row) => row[0] === name && row[1] === value);
    if (known >= 0) {
      pushInt(out, INDEXED, 7, known + 1);
      continue;
    }
    const named = STATIC.findIndex((row) => row[0] === name) + 1;
    pushInt(out, 0, 4, named);
    if (named === 0) pushText(out, name);
    pushText(out, value);
  }
  return Buffer.from(out);
}

/** Throws for what is malformed, or refers to a memory that the server was told not to keep. The last of two fields of one name counts. */
export function decodeHeaders(block: Buffer): HeaderFields {
  const fields = new Map<string, string>();
  const input = { block, at: 0 };
  while (input.at < block.length) {
    const first = block[input.at]!;
    if (first & INDEXED) {
      const [name, value] = row(readInt(input, 7));
      fields.set(name, value);
    } else if (!(first & REMEMBERED) && first & RESIZED) {
      if (readInt(input, 5) > 0) throw new Error('the server keeps a table of headers that was not asked for');
    } else {
      const index = readInt(input, first & REMEMBERED ? 6 : 4);
      const name = index === 0 ? readText(input) : row(index)[0];
      fields.set(name, readText(input));
    }
  }
  return fields;
}

function row(index: number): readonly [string, string] {
  const found = STATIC[index - 1];
  if (!found) throw new Error(`a header refers to row ${index}, which does not exist`);
  return found;
}

interface Input {
  block: Buffer;
  at: number;
}

function pushInt(out: number[], pattern: number, bits: number, value: number): void {
  const most = 2 ** bits - 1;
  if (value < most) return void out.push(pattern | value);
  out.push(pattern | most);
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}

function readInt(input: Input, bits: number): number {
  const most = 2 ** bits - 1;
  let value = next(input) & most;
  if (value < most) return value;
  for (let unit = 1; unit <= 2 ** 21; unit *= 128) {
    const byte = next(input);
    value += (byte & 127) * unit;
    if (byte < 128) return value;
  }
  throw new Error('malformed headers: a number that is too large');
}

function pushText(out: number[], text: string): void {
  const bytes = Buffer.from(text);
  pushInt(out, 0, 7, bytes.length);
  out.push(...bytes);
}

function readText(input: Input): string {
  const coded = (input.block[input.at] ?? 0) & HUFFMAN;
  const length = readInt(input, 7);
  const end = input.at + length;
  if (end > input.block.length) throw new Error('malformed headers: they end inside a text');
  const bytes = input.block.subarray(input.at, end);
  input.at = end;
  return coded ? decodeHuffman(bytes) : bytes.toString('latin1');
}

function next(input: Input): number {
  const byte = input.block[input.at++];
  if (byte === undefined) throw new Error('malformed headers: they end inside a number');
  return byte;
}
