import { groupVersion } from '../../api/meta.ts';
import type { ServedResource } from '../resources.ts';
import { viewOf } from '../registry/convert.ts';
import type { VisibleEvent, WatchEncoder } from '../watch/channel.ts';
import { bookmarkJson, eventLine } from './json.ts';
import { metadataJson } from './metadata.ts';
import type { OutputFormat } from './negotiate.ts';
import { tableJson } from './table.ts';

export interface WatchEncoding {
  /** Equal keys give equal bytes. */
  key: string;
  make: () => WatchEncoder<Buffer>;
}

/** How a watch is written: one JSON document a line. */
export function watchEncoding(served: ServedResource, output: OutputFormat, includeObject: string, now: () => number): WatchEncoding {
  const version = groupVersion(served.info);
  const key = `json ${version} ${output.as} ${output.asVersion} ${includeObject}`;
  if (output.as === 'Table') return { key, make: () => tableEncoder(served, output.asVersion, includeObject, now) };
  if (output.as !== '') return { key, make: () => lines((event) => Buffer.from(metadataJson(viewOf(served, event.entry), output.asVersion)), 'PartialObjectMetadata', `meta.k8s.io/${output.asVersion}`) };
  return { key, make: () => lines(({ entry }) => viewOf(served, entry).json(), served.info.kind, version) };
}

function lines(encode: (event: VisibleEvent) => Buffer, kind: string, apiVersion: string): WatchEncoder<Buffer> {
  return {
    events: (events) => Buffer.concat(events.flatMap((event) => eventLine(event.type, encode(event)))),
    bookmark: (revision, initialEnd) => Buffer.concat(eventLine('BOOKMARK', bookmarkJson(apiVersion, kind, revision, initialEnd))),
  };
}

/** Every event of a Table watch is a Table of one row. Columns go with each: channels are shared, so nobody's event is the first. */
function tableEncoder(served: ServedResource, version: string, includeObject: string, now: () => number): WatchEncoder<Buffer> {
  const table = (event: VisibleEvent): Buffer => {
    const meta = `{"resourceVersion":"${event.entry.revision}"}`;
    return tableJson(served.info, [viewOf(served, event.entry)], meta, { version, includeObject, now: now(), columns: true });
  };
  return lines(table, served.info.kind, groupVersion(served.info));
}
