import { setOwn } from '../api/patch/json.ts';
import { statusError } from '../api/status.ts';
import { decodeProtobuf } from '../api/codec/protobuf.ts';
import { schemaOf } from '../api/scheme.ts';
import type { BodyReader } from './contract.ts';
import { checkDepth, SHALLOW_BYTES } from './depth.ts';
import { jsonFault } from './json-fault.ts';
import { isYaml, parseYaml } from './yaml.ts';

/** Largest body of a request, bytes; kube-apiserver's limit. */
export const BODY_LIMIT = 3 * 1024 * 1024;

/** A body with what is known of its form. The value that `json()` gives is the reader's to change; it is the same one every time. */
export interface RequestBody extends BodyReader {
  /** Without parameters, lower case: `application/json` unless the client said otherwise. */
  readonly contentType: string;
  /** True when the value comes from this process: it was never text, so it has no duplicate fields. */
  readonly inProcess: boolean;
}

/** The body of a loopback request: a copy, since the value may share parts with the cache. */
export function valueBody(value: unknown, contentType = 'application/json'): RequestBody {
  let copy: unknown;
  return {
    contentType,
    inProcess: true,
    bytes: () => Promise.resolve(value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value))),
    json: () => Promise.resolve((copy ??= jsonCopy(value))),
  };
}

/** What JSON would carry over: no undefined, and null in its place in lists. */
function jsonCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => (item === undefined ? null : jsonCopy(item)));
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (item !== undefined) setOwn(copy, key, jsonCopy(item));
  return copy;
}

/** The body of an HTTP request, read when first asked for. `read` collects at most the limit and throws StatusError 413 beyond. */
export function streamBody(contentType: string | undefined, read: (limit: number) => Promise<Buffer>): RequestBody {
  const type = mediaType(contentType);
  let collected: Promise<Buffer> | undefined;
  let parsed: Promise<unknown> | undefined;
  const bytes = (limit = BODY_LIMIT): Promise<Buffer> => (collected ??= read(limit));
  return { contentType: type, inProcess: false, bytes, json: () => (parsed ??= bytes().then((buffer) => parseShallow(buffer, type))) };
}

const OBJECT_TYPES: readonly string[] = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** Throws StatusError 415 for a body that is to be an object and says that it is something else. */
export function requireObjectType({ contentType }: RequestBody): void {
  if (!OBJECT_TYPES.includes(contentType)) throw unknownFormat(OBJECT_TYPES);
}

/** 415, with what would have been read. */
export function unknownFormat(accepted: readonly string[]): Error {
  return statusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

function mediaType(contentType: string | undefined): string {
  if (!contentType) return 'application/json';
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

async function parseShallow(buffer: Buffer, type: string): Promise<unknown> {
  const value = await parseBody(buffer, type);
  if (buffer.length > SHALLOW_BYTES) checkDepth(value);
  return value;
}

async function parseBody(buffer: Buffer, type: string): Promise<unknown> {
  if (buffer.length === 0) return undefined;
  if (isYaml(type)) return parseYaml(buffer);
  if (type === PROTOBUF) return decodeProtobuf(buffer, schemaOf).object;
  const text = buffer.toString();
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const fault = jsonFault(text);
    throw statusError('BadRequest', fault, undefined, new SyntaxError(fault, { cause: error }));
  }
}

/** What upstream shows of a body that it cannot read. */
export function summaryOf(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>';
  const head = bytes.subarray(0, SUMMARY_BYTES);
  const text = bytes[0] === OPENING_BRACE ? head.toString() : head.toString('hex');
  return bytes.length > SUMMARY_BYTES ? `${text} ...` : text;
}

const SUMMARY_BYTES = 30;
const OPENING_BRACE = 0x7b;

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';
