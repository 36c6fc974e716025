/** Objects to protobuf messages and back, along their schema. */
import type { Field, Schema } from '../schema/schema.ts';
import { definition } from '../schema/table.ts';
import { formatDuration, parseDuration } from './scalars.ts';
import { BYTES, FIXED64, VARINT } from './wire.ts';
import type { Reader, ReverseWriter } from './wire.ts';

type JsonRecord = Record<string, unknown>;
/** What the bytes of a RawExtension mean. */
export type RawReader = (bytes: Uint8Array) => unknown;

/** The fields of a message by number: a field of ours, or the message that holds what Go embeds inline. */
type Layout = Map<number, { name: string; field: Field } | { inline: Layout }>;

const layouts = new WeakMap<Schema, Layout>();

function layoutOf(schema: Schema): Layout {
  let layout = layouts.get(schema);
  if (!layout) {
    layout = new Map();
    for (const [name, field] of Object.entries(schema.fields ?? {})) {
      if (!field.protobuf) continue;
      let target = layout;
      for (const number of field.protobuf.path ?? []) target = inlineLayout(target, number);
      target.set(field.protobuf.number, { name, field });
    }
    layout = descending(layout);
    layouts.set(schema, layout);
  }
  return layout;
}

function inlineLayout(layout: Layout, number: number): Layout {
  const known = layout.get(number);
  if (known && 'inline' in known) return known.inline;
  const inline: Layout = new Map();
  layout.set(number, { inline });
  return inline;
}

function descending(layout: Layout): Layout {
  return new Map(
    [...layout]
      .toSorted(([a], [b]) => b - a)
      .map(([number, entry]) => [number, 'inline' in entry ? { inline: descending(entry.inline) } : entry]),
  );
}

export function writeMessage(writer: ReverseWriter, object: JsonRecord, schema: Schema): void {
  writeLayout(writer, object, layoutOf(schema));
}

function writeLayout(writer: ReverseWriter, object: JsonRecord, layout: Layout): void {
  for (const [number, entry] of layout) {
    if ('inline' in entry) {
      const mark = writer.length;
      writeLayout(writer, object, entry.inline);
      writer.message(number, mark);
      continue;
    }
    const value = object[entry.name];
    if (value !== undefined && value !== null) writeField(writer, number, value, entry.field.schema);
  }
}

function writeField(writer: ReverseWriter, number: number, value: unknown, schema: Schema): void {
  switch (schema.type) {
    case 'string':
      return writer.string(number, value as string);
    case 'integer':
      writer.varint(value as number);
      return writer.tag(number, VARINT);
    case 'boolean':
      writer.varint(value ? 1 : 0);
      return writer.tag(number, VARINT);
    case 'number':
      writer.double(value as number);
      return writer.tag(number, FIXED64);
    case 'bytes':
      return writer.bytes(number, Buffer.from(value as string, 'base64'));
    case 'array':
      return writeArray(writer, number, value as readonly unknown[], schema);
    case 'map':
      return writeMap(writer, number, value as JsonRecord, schema.items!);
    default: {
      const mark = writer.length;
      writeContent(writer, value, schema);
      writer.message(number, mark);
    }
  }
}

function writeArray(writer: ReverseWriter, number: number, values: readonly unknown[], schema: Schema): void {
  const mark = writer.length;
  const inner = schema.name ? 1 : number;
  for (let at = values.length - 1; at >= 0; at--) writeField(writer, inner, values[at], schema.items!);
  if (schema.name) writer.message(number, mark);
}

function writeMap(writer: ReverseWriter, number: number, map: JsonRecord, items: Schema): void {
  // Go sorts by bytes, and so does the order of UTF-16 units but for characters past U+FFFF.
  for (const key of Object.keys(map).toSorted().toReversed()) {
    const mark = writer.length;
    writeField(writer, 2, map[key], items);
    writer.string(1, key);
    writer.message(number, mark);
  }
}

/** The inside of a message. */
function writeContent(writer: ReverseWriter, value: unknown, schema: Schema): void {
  switch (schema.type) {
    case 'object':
      return writeMessage(writer, value as JsonRecord, schema);
    case 'quantity':
      return writer.string(1, value as string);
    case 'time':
    case 'microTime':
      return writeTime(writer, value as string | null);
    case 'duration':
      writer.int64(parseDuration(value as string));
      return writer.tag(1, VARINT);
    case 'intOrString':
      return writeIntOrString(writer, value as number | string);
    default:
      return writeAny(writer, value, schema);
  }
}

function writeTime(writer: ReverseWriter, text: string | null): void {
  // The zero time is an empty message.
  if (text === null) return;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  writer.varint(Number(fraction.padEnd(9, '0').slice(0, 9)));
  writer.tag(2, VARINT);
  writer.varint(Math.floor(Date.parse(text) / 1000));
  writer.tag(1, VARINT);
}

function writeIntOrString(writer: ReverseWriter, value: number | string): void {
  const isText = typeof value === 'string';
  writer.string(3, isText ? value : '');
  writer.varint(isText ? 0 : value);
  writer.tag(2, VARINT);
  writer.varint(isText ? 1 : 0);
  writer.tag(1, VARINT);
}

const SCHEMA_PROPS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

function writeAny(writer: ReverseWriter, value: unknown, schema: Schema): void {
  const props = (): Schema => definition(SCHEMA_PROPS)!;
  switch (schema.name?.slice(SCHEMA_PROPS.length)) {
    case 'OrArray':
      if (Array.isArray(value)) for (const item of value.toReversed()) writeField(writer, 2, item, props());
      else writeField(writer, 1, value, props());
      return;
    case 'OrBool':
      if (typeof value !== 'boolean') writeField(writer, 2, value, props());
      writer.varint(value === false ? 0 : 1);
      return writer.tag(1, VARINT);
    case 'OrStringArray':
      if (Array.isArray(value)) for (const item of value.toReversed()) writer.string(2, item as string);
      else writeField(writer, 1, value, props());
      return;
    default:
      return writer.bytes(1, Buffer.from(JSON.stringify(value)));
  }
}

/** Reads a message into a JSON value; absent fields stay absent. */
export function readMessage(reader: Reader, schema: Schema, raw: RawReader): JsonRecord {
  const object: JsonRecord = {};
  readLayout(reader, layoutOf(schema), object, raw);
  return object;
}

function readLayout(reader: Reader, layout: Layout, object: JsonRecord, raw: RawReader): void {
  while (!reader.done) {
    const { number, wire } = reader.tag();
    const entry = layout.get(number);
    if (!entry) reader.skip(wire);
    else if ('inline' in entry) readLayout(reader.message(), entry.inline, object, raw);
    else readField(reader, wire, entry.name, entry.field.schema, object, raw);
  }
}

function readField(reader: Reader, wire: number, name: string, schema: Schema, object: JsonRecord, raw: RawReader): void {
  if (schema.type === 'array') {
    const list = (object[name] ??= []) as unknown[];
    if (schema.name) list.push(...readWrapped(reader.message(), schema.items!, raw));
    else if (wire === BYTES && isNumeric(schema.items!)) readPacked(reader.message(), schema.items!, list);
    else list.push(readValue(reader, schema.items!, raw));
  } else if (schema.type === 'map') readEntry(reader.message(), schema.items!, (object[name] ??= {}) as JsonRecord, raw);
  else object[name] = readValue(reader, schema, raw);
}

const isNumeric = (schema: Schema): boolean => schema.type === 'integer' || schema.type === 'boolean' || schema.type === 'number';

function readPacked(reader: Reader, items: Schema, list: unknown[]): void {
  while (!reader.done) list.push(readValue(reader, items, () => undefined));
}

function readWrapped(reader: Reader, items: Schema, raw: RawReader): unknown[] {
  const list: unknown[] = [];
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === 1) list.push(readValue(reader, items, raw));
    else reader.skip(wire);
  }
  return list;
}

function readEntry(reader: Reader, items: Schema, map: JsonRecord, raw: RawReader): void {
  const entry: JsonRecord = {};
  let key = '';
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === 1) key = reader.string();
    else if (number === 2) readField(reader, wire, 'value', items, entry, raw);
    else reader.skip(wire);
  }
  // Defined, not assigned: `__proto__` is a key like any other.
  Object.defineProperty(map, key, {
    value: 'value' in entry ? entry['value'] : emptyOf(items),
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function emptyOf(items: Schema): unknown {
  if (items.type === 'array') return [];
  if (items.type === 'time' || items.type === 'microTime') return null;
  return items.type === 'string' || items.type === 'bytes' ? '' : {};
}

function readValue(reader: Reader, schema: Schema, raw: RawReader): unknown {
  switch (schema.type) {
    case 'string':
      return reader.string();
    case 'integer':
      return reader.integer();
    case 'boolean':
      return reader.varint() !== 0n;
    case 'number':
      return reader.double();
    case 'bytes': {
      const bytes = reader.bytes();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    }
    case 'object':
      return readMessage(reader.message(), schema, raw);
    case 'any':
      return readAny(reader.message(), schema, raw);
    default:
      return readSpecial(readNumbered(reader.message()), schema);
  }
}

/** The small messages of meta/v1 by field number; strings as bytes. */
function readNumbered(reader: Reader): Map<number, bigint | Uint8Array> {
  const values = new Map<number, bigint | Uint8Array>();
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (wire === VARINT) values.set(number, reader.varint());
    else if (wire === BYTES) values.set(number, reader.bytes());
    else reader.skip(wire);
  }
  return values;
}

function readSpecial(values: Map<number, bigint | Uint8Array>, schema: Schema): unknown {
  const text = (number: number): string => Buffer.from((values.get(number) as Uint8Array | undefined) ?? []).toString('utf8');
  const integer = (number: number): bigint => BigInt.asIntN(64, (values.get(number) as bigint | undefined) ?? 0n);
  switch (schema.type) {
    case 'quantity':
      return text(1);
    case 'intOrString':
      return integer(1) === 1n ? text(3) : Number(BigInt.asIntN(32, integer(2)));
    case 'duration':
      return formatDuration(integer(1));
    default:
      // An empty message is the zero time, which JSON writes as null.
      return values.size === 0 ? null : timeText(Number(integer(1)), integer(2), schema);
  }
}

function timeText(seconds: number, nanos: bigint, schema: Schema): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return schema.type === 'time' ? `${whole}Z` : `${whole}.${String(nanos / 1000n).padStart(6, '0')}Z`;
}

function readAny(reader: Reader, schema: Schema, raw: RawReader): unknown {
  const union = schema.name?.startsWith(SCHEMA_PROPS) ? schema.name.slice(SCHEMA_PROPS.length) : '';
  const list: unknown[] = [];
  let value: unknown = null;
  let isList = false;
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (union === '' && number === 1) value = raw(reader.bytes());
    else if (union === 'OrBool' && number === 1) value = reader.varint() !== 0n;
    else if (union === 'OrBool' && number === 2) value = readMessage(reader.message(), definition(SCHEMA_PROPS)!, raw);
    else if (union !== '' && number === 1) value = readMessage(reader.message(), definition(SCHEMA_PROPS)!, raw);
    else if (union !== '' && number === 2) {
      isList = true;
      list.push(union === 'OrArray' ? readMessage(reader.message(), definition(SCHEMA_PROPS)!, raw) : reader.string());
    } else reader.skip(wire);
  }
  return isList ? list : value;
}
