import type { ResourceInfo } from '../../api/schema/schema.ts';
import { statusError } from '../../api/status.ts';
import type { Result } from '../registry/registry.ts';
import type { ObjectView } from '../watch/entry.ts';
import { listJson, listMeta } from './json.ts';
import { metadataJson } from './metadata.ts';
import { CONTENT_TYPES, type OutputFormat } from './negotiate.ts';
import { listProtobuf, metadataListProtobuf, metadataProtobuf, objectProtobuf } from './protobuf.ts';
import { tableJson } from './table.ts';

export interface Encoded {
  bytes: Buffer;
  contentType: string;
}

export interface EncodeOptions {
  output: OutputFormat;
  query: URLSearchParams;
  now: number;
}

type Encodable = Exclude<Result, { kind: 'watch' }>;

/** Throws StatusError where the client asks for a form that this answer cannot have. */
function checkForm(result: Encodable, { output: { as }, query }: EncodeOptions): void {
  if (as === '' || result.kind === 'value') return;
  const { kind } = result.info;
  if (as === 'PartialObjectMetadata' && result.kind === 'list')
    throw notThisForm(`you requested PartialObjectMetadata, but the requested object is a list (*${kind}List)`);
  if (as === 'PartialObjectMetadataList' && result.kind === 'object')
    throw notThisForm(`you requested PartialObjectMetadataList, but the requested object is not a list (*${kind})`);
  const include = query.get('includeObject') ?? '';
  if (as === 'Table' && !INCLUDES.includes(include)) {
    const why = `includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`;
    throw statusError('BadRequest', `Unable to convert to Table as requested: ${why}`);
  }
}

const INCLUDES: readonly string[] = ['', 'Metadata', 'None', 'Object'];

function notThisForm(message: string): Error {
  return statusError('NotAcceptable', message);
}

/** The bytes of an answer in the form that the client accepts. */
export async function encodeResult(result: Encodable, options: EncodeOptions): Promise<Encoded> {
  const { output } = options;
  checkForm(result, options);
  if (output.format === 'protobuf') {
    const bytes = protobufOf(result, output);
    if (bytes) return { bytes, contentType: CONTENT_TYPES.protobuf };
  }
  const json = jsonOf(result, options);
  if (output.format === 'yaml') return { bytes: await yamlOf(json), contentType: CONTENT_TYPES.yaml };
  return { bytes: output.pretty ? pretty(json) : json, contentType: CONTENT_TYPES.json };
}

export function valueJson(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** undefined for what has no message of its own (Status, Scale, Tables, custom resources): clients that take protobuf take JSON as well. */
function protobufOf(result: Encodable, { as, asVersion }: OutputFormat): Buffer | undefined {
  if (result.kind === 'value' || as === 'Table' || (as === '' && result.info.custom)) return undefined;
  if (result.kind === 'object') return as === '' ? objectProtobuf(result.info, result.view) : metadataProtobuf(result.view, asVersion);
  return as === '' ? listProtobuf(result) : metadataListProtobuf(result, asVersion);
}

function jsonOf(result: Encodable, options: EncodeOptions): Buffer {
  if (result.kind === 'value') return valueJson(result.body);
  return result.kind === 'list' ? list(result, options) : object(result.info, result.view, options);
}

function object(info: ResourceInfo, view: ObjectView, { output, query, now }: EncodeOptions): Buffer {
  if (output.as === 'Table') {
    const meta = `{"resourceVersion":"${view.object.metadata.resourceVersion ?? ''}"}`;
    return tableJson(info, [view], meta, {
      version: output.asVersion,
      includeObject: query.get('includeObject') ?? '',
      now,
      columns: true,
    });
  }
  return output.as === '' ? view.line() : Buffer.from(metadataJson(view, output.asVersion));
}

function list(result: Extract<Result, { kind: 'list' }>, { output, query, now }: EncodeOptions): Buffer {
  if (output.as === '') return listJson(result);
  const { info, items } = result;
  const meta = listMeta(result);
  if (output.as === 'Table')
    return tableJson(info, items, meta, { version: output.asVersion, includeObject: query.get('includeObject') ?? '', now, columns: true });
  const rows = items.map((view) => metadataJson(view, output.asVersion));
  return Buffer.from(
    `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/${output.asVersion}","metadata":${meta},"items":[${rows.join(',')}]}`,
  );
}

function pretty(json: Buffer): Buffer {
  return Buffer.from(`${JSON.stringify(JSON.parse(json.toString()), null, 2)}\n`);
}

/** As Go clients read and write it: YAML 1.1, in which times and `yes` are quoted where text is meant; lists stand below their key's column. */
const YAML_FORM = { version: '1.1', indentSeq: false, lineWidth: 0 } as const;

async function yamlOf(json: Buffer): Promise<Buffer> {
  const { stringify } = await import('yaml');
  return Buffer.from(stringify(JSON.parse(json.toString()), YAML_FORM));
}
