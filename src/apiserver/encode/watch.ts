import { groupVersion } from '../../api/meta.ts';
import type { ServedResource } from '../resources.ts';
import { viewOf } from '../registry/convert.ts';
import type { VisibleEvent, WatchEncoder } from '../watch/channel.ts';
import { bookmarkJson, eventLine } from './json.ts';
import { metadataJson } from './metadata.ts';
import { CONTENT_TYPES, type OutputFormat } from './negotiate.ts';
import { bookmarkProtobuf, statusProtobuf, eventProtobuf, metadataProtobuf, objectProtobuf } from './protobuf.ts';
import { tableJson } from './table.ts';

export interface WatchEncoding {
  /** Equal keys give equal bytes. */
  key: string;
  contentType: string;
  make: () => WatchEncoder<Buffer>;
}

/** How a watch is written: one JSON document a line, or one length-prefixed protobuf frame an event. */
export function watchEncoding(
  served: ServedResource,
  { format, as, asVersion }: OutputFormat,
  includeObject: string,
  now: () => number,
): WatchEncoding {
  const version = groupVersion(served.info);
  const protobuf = format === 'protobuf' && as !== 'Table' && !(as === '' && served.info.custom);
  const key = `${protobuf ? 'protobuf' : 'json'} ${version} ${as} ${asVersion} ${includeObject}`;
  if (protobuf)
    return { key, contentType: `${CONTENT_TYPES.protobuf};stream=watch`, make: () => frames(served, as === '' ? '' : asVersion) };
  const contentType = CONTENT_TYPES.json;
  if (as === 'Table') return { key, contentType, make: () => tables(served, asVersion, includeObject, now) };
  if (as !== '') {
    const encode = ({ entry }: VisibleEvent): Buffer => Buffer.from(metadataJson(viewOf(served, entry), asVersion));
    return { key, contentType, make: () => lines(encode, 'PartialObjectMetadata', `meta.k8s.io/${asVersion}`) };
  }
  return { key, contentType, make: () => lines(({ entry }) => viewOf(served, entry).json(), served.info.kind, version) };
}

function lines(encode: (event: VisibleEvent) => Buffer, kind: string, apiVersion: string): WatchEncoder<Buffer> {
  return {
    error: (status) => Buffer.concat(eventLine('ERROR', Buffer.from(JSON.stringify(status)))),
    events: (events) => Buffer.concat(events.flatMap((event) => eventLine(event.type, encode(event)))),
    bookmark: (revision, initialEnd) => Buffer.concat(eventLine('BOOKMARK', bookmarkJson(apiVersion, kind, revision, initialEnd))),
  };
}

/** Every event of a Table watch is a Table of one row. Columns go with each: channels are shared, so nobody's event is the first. */
function tables(served: ServedResource, version: string, includeObject: string, now: () => number): WatchEncoder<Buffer> {
  const table = ({ entry }: VisibleEvent): Buffer => {
    const meta = `{"resourceVersion":"${entry.revision}"}`;
    return tableJson(served.info, [viewOf(served, entry)], meta, { version, includeObject, now: now(), columns: true });
  };
  return lines(table, served.info.kind, groupVersion(served.info));
}

/** `metadataVersion` is empty for whole objects. */
function frames(served: ServedResource, metadataVersion: string): WatchEncoder<Buffer> {
  const { info } = served;
  const encode = ({ entry }: VisibleEvent): Buffer =>
    metadataVersion ? metadataProtobuf(viewOf(served, entry), metadataVersion) : objectProtobuf(info, viewOf(served, entry));
  return {
    error: (status) => eventProtobuf('ERROR', statusProtobuf(status)),
    events: (events) => Buffer.concat(events.map((event) => eventProtobuf(event.type, encode(event)))),
    bookmark: (revision, initialEnd) => eventProtobuf('BOOKMARK', bookmarkProtobuf(info, revision, initialEnd)),
  };
}
