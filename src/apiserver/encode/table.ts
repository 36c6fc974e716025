import { columnsFor, rowFor } from '../../api/table/table.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { ObjectView } from '../watch/entry.ts';
import { metadataJson } from './metadata.ts';

/** What a Table is made with. */
export interface TableOptions {
  version: string;
  /** `Metadata` unless the client asks for `Object` or `None`. */
  includeObject: string;
  now: number;
  /** Later events of a watch leave the columns out. */
  columns: boolean;
}

/** A metav1.Table with a row for each object. Columns and cells are upstream's printers'. */
export function tableJson(info: ResourceInfo, items: readonly ObjectView[], listMeta: string, options: TableOptions): Buffer {
  const columns = options.columns ? JSON.stringify(columnsFor(info)) : 'null';
  const rows = items.map((view) => rowJson(info, view, options));
  return Buffer.from(
    `{"kind":"Table","apiVersion":"meta.k8s.io/${options.version}","metadata":${listMeta},"columnDefinitions":${columns},"rows":[${rows.join(',')}]}`,
  );
}

function rowJson(info: ResourceInfo, view: ObjectView, { version, includeObject, now }: TableOptions): string {
  const { cells, conditions } = rowFor(info, view.object, now);
  return `{"cells":${JSON.stringify(cells)}${conditions ? `,"conditions":${JSON.stringify(conditions)}` : ''}${objectOf(view, includeObject, version)}}`;
}

function objectOf(view: ObjectView, includeObject: string, version: string): string {
  if (includeObject === 'None') return '';
  return `,"object":${includeObject === 'Object' ? view.json().toString() : metadataJson(view, version)}`;
}
