import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { Result } from '../registry/registry.ts';
import type { ObjectView } from '../watch/entry.ts';
import { listJson, listMeta, objectJson } from './json.ts';
import { metadataJson } from './metadata.ts';
import { CONTENT_TYPES, type OutputFormat } from './negotiate.ts';
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

/** The bytes of an answer in the form that the client accepts. */
export async function encodeResult(result: Exclude<Result, { kind: 'watch' }>, options: EncodeOptions): Promise<Encoded> {
  const { output } = options;
  const json = result.kind === 'value' ? valueJson(result.body) : result.kind === 'list' ? list(result, options) : object(result.info, result.view, options);
  if (output.format === 'yaml') return { bytes: await yamlOf(json), contentType: CONTENT_TYPES.yaml };
  return { bytes: output.pretty ? pretty(json) : json, contentType: CONTENT_TYPES.json };
}

export function valueJson(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function object(info: ResourceInfo, view: ObjectView, { output, query, now }: EncodeOptions): Buffer {
  if (output.as === 'Table') {
    const meta = `{"resourceVersion":"${view.object.metadata.resourceVersion ?? ''}"}`;
    return tableJson(info, [view], meta, { version: output.asVersion, includeObject: query.get('includeObject') ?? '', now, columns: true });
  }
  if (output.as !== '') return Buffer.from(metadataJson(view, output.asVersion));
  return objectJson(view);
}

function list(result: Extract<Result, { kind: 'list' }>, { output, query, now }: EncodeOptions): Buffer {
  if (output.as === '') return listJson(result);
  const { info, items } = result;
  const meta = listMeta(result);
  if (output.as === 'Table') return tableJson(info, items, meta, { version: output.asVersion, includeObject: query.get('includeObject') ?? '', now, columns: true });
  const rows = items.map((view) => metadataJson(view, output.asVersion));
  return Buffer.from(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/${output.asVersion}","metadata":${meta},"items":[${rows.join(',')}]}`);
}

function pretty(json: Buffer): Buffer {
  return Buffer.from(`${JSON.stringify(JSON.parse(json.toString()), null, 2)}\n`);
}

async function yamlOf(json: Buffer): Promise<Buffer> {
  const { stringify } = await import('yaml');
  return Buffer.from(stringify(JSON.parse(json.toString())));
}

