/**
 * application/vnd.kubernetes.protobuf, from the fact table: a `k8s\0` prefix, then runtime.Unknown with the type and the message.
 *
 * `encodeMessage` gives an object's bare message, as it stands in a list's `items`; `envelope` wraps it; `encodeList` joins messages that
 * were encoded before. Bytes are those that Go writes, but that Go also writes empty strings and the like of fields that are not set.
 */
import type { KubeObject } from '../meta.ts';
import { parseGroupVersion } from '../meta.ts';
import type { Schema } from '../schema/schema.ts';
import { definition } from '../schema/table.ts';
import { statusError } from '../status.ts';
import { readMessage, writeMessage } from './message.ts';
import { Reader, ReverseWriter } from './wire.ts';

const MAGIC = Buffer.from('k8s\0', 'latin1');

/** Looks a kind's schema up: `schemaOf` of the scheme. Undefined for kinds that have no protobuf form. */
export type SchemaLookup = (group: string, version: string, kind: string) => Schema | undefined;

/** The whole answer for one object: prefix, type and message. `object` must carry apiVersion and kind. */
export function encodeProtobuf(object: KubeObject, schema: Schema): Buffer {
  return envelope(object.apiVersion ?? '', object.kind ?? '', encodeMessage(object, schema));
}

/** The bare message of an object. */
export function encodeMessage(object: object, schema: Schema): Buffer {
  const writer = new ReverseWriter();
  writeMessage(writer, object as Record<string, unknown>, schema);
  return writer.finish();
}

/** Wraps a message that `encodeMessage` made. */
export function envelope(apiVersion: string, kind: string, message: Uint8Array): Buffer {
  const writer = new ReverseWriter(message.length + apiVersion.length + kind.length + 32);
  // contentType and contentEncoding, which Go writes although they are empty.
  writer.string(4, '');
  writer.string(3, '');
  writer.bytes(2, message);
  const mark = writer.length;
  writer.string(2, kind);
  writer.string(1, apiVersion);
  writer.message(1, mark);
  writer.raw(MAGIC);
  return writer.finish();
}

/** A list of messages that were encoded before: every list kind has its metadata as field 1 and its items as field 2. */
export function encodeList(apiVersion: string, kind: string, metadata: object, items: readonly Uint8Array[]): Buffer {
  const size = items.reduce((sum, item) => sum + item.length + 8, 256);
  const writer = new ReverseWriter(size);
  for (let at = items.length - 1; at >= 0; at--) writer.bytes(2, items[at]!);
  const mark = writer.length;
  writeMessage(writer, metadata as Record<string, unknown>, definition('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta')!);
  writer.message(1, mark);
  return envelope(apiVersion, kind, writer.finish());
}

/** One frame of a watch: four bytes of length (big-endian), then a WatchEvent around an object that `encodeProtobuf` made. */
export function watchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new ReverseWriter(object.length + 64);
  const mark = writer.length;
  writer.bytes(1, object);
  writer.message(2, mark);
  writer.string(1, type);
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(writer.length);
  writer.raw(prefix);
  return writer.finish();
}

/** Whether the bytes begin as Kubernetes' protobuf does: also what tells JSON from protobuf in a store. */
export function isProtobuf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;
}

/**
 * The JSON value of an enveloped object, to be passed through `decodeObject` like any other: zero values are still in it. Throws
 * StatusError 400 when the bytes are not protobuf, name a kind that `lookup` does not know, or end too early.
 */
export function decodeProtobuf(bytes: Uint8Array, lookup: SchemaLookup): { object: KubeObject; schema: Schema } {
  try {
    return decode(bytes, lookup);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    throw statusError('BadRequest', `the object provided is unrecognized: ${error.message}`, undefined, error);
  }
}

function decode(bytes: Uint8Array, lookup: SchemaLookup): { object: KubeObject; schema: Schema } {
  if (!isProtobuf(bytes)) throw new RangeError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  const { apiVersion, kind, raw } = readUnknown(new Reader(bytes, MAGIC.length));
  const { group, version } = parseGroupVersion(apiVersion);
  const schema = lookup(group, version, kind);
  if (!schema) throw new RangeError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const message = readMessage(new Reader(raw), schema, (nested) =>
    isProtobuf(nested) ? decode(nested, lookup).object : parseJson(nested),
  );
  return { object: { apiVersion, kind, ...message } as unknown as KubeObject, schema };
}

function parseJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
}

function readUnknown(reader: Reader): { apiVersion: string; kind: string; raw: Uint8Array } {
  let apiVersion = '';
  let kind = '';
  let raw = new Uint8Array();
  while (!reader.done) {
    const { number, wire } = reader.tag();
    if (number === 1) {
      const type = reader.message();
      while (!type.done) {
        const { number: part, wire: partWire } = type.tag();
        if (part === 1) apiVersion = type.string();
        else if (part === 2) kind = type.string();
        else type.skip(partWire);
      }
    } else if (number === 2) raw = new Uint8Array(reader.bytes());
    else reader.skip(wire);
  }
  return { apiVersion, kind, raw };
}
