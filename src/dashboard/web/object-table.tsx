import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { type ObjectWithMeta, keyOf } from '../../api/meta.ts';
import type { Cell } from '../../api/table/columns.ts';
import type { Event } from '../../api/types.gen.ts';
import { Badge } from './badge.tsx';
import { type Kind, kindNamed } from './kinds.ts';
import { useNow } from './now.ts';
import { href } from './route.ts';
import { type Sort, Table } from './table.tsx';

export interface ObjectTableProps {
  kind: Kind;
  items: readonly ObjectWithMeta[];
  caption: string;
  /** The namespace that is chosen; '' for all, which are then a column. */
  namespace: string;
  fill?: boolean;
}

const NAMESPACE_COLUMN = 'Namespace';

/** Objects of one kind with kubectl's columns, sorted as the person likes. */
export function ObjectTable({ kind, items, caption, namespace, fill }: ObjectTableProps) {
  const now = useNow();
  const columns = useMemo(() => columnsOf(kind, namespace), [kind, namespace]);
  const [sort, setSort] = useState<Sort>(FIRST_SORT[kind.type.resource] ?? { column: 'Name', descending: false });
  const rows = useMemo(() => sorted(items, kind, columns, sort), [items, kind, columns, sort]);
  const cells = (object: ObjectWithMeta): ComponentChildren[] => {
    const printed = kind.printer.cells(object, now);
    return columns.map(({ title, index }) =>
      show({ kind, object, title, cell: index < 0 ? object.metadata.namespace! : printed[index]!, namespace }),
    );
  };
  return <Table caption={caption} columns={columns} rows={rows} keyOf={keyOf} cells={cells} sort={sort} onSort={setSort} fill={fill} />;
}

const FIRST_SORT: Readonly<Record<string, Sort>> = { events: { column: 'Last Seen', descending: false } };
const NUMERIC = new Set(['Desired', 'Current', 'Up-to-date', 'Available', 'Active', 'Data', 'Restarts']);
const WIDE = new Set(['Message', 'Images']);
const BADGES = new Set(['Status', 'Ready']);

interface TableColumn {
  title: string;
  /** Among the printer's cells; -1 for the namespace. */
  index: number;
  numeric: boolean;
  wide: boolean;
}

function columnsOf({ type, printer, columns }: Kind, namespace: string): TableColumn[] {
  const titles = type.kind === 'Event' ? columns : ['Name', ...columns];
  const all = titles.map((title) => ({
    title,
    index: printer.columns.findIndex(({ name }) => name === title),
    numeric: NUMERIC.has(title) && type.kind !== 'ConfigMap',
    wide: WIDE.has(title),
  }));
  if (type.namespaced && !namespace) all.splice(1, 0, { title: NAMESPACE_COLUMN, index: -1, numeric: false, wide: false });
  return all;
}

function show({
  kind,
  object,
  title,
  cell,
  namespace,
}: {
  kind: Kind;
  object: ObjectWithMeta;
  title: string;
  cell: Cell;
  namespace: string;
}): ComponentChildren {
  const text = cell === null || cell === '<none>' ? '–' : String(cell);
  if (title === 'Name') {
    const { name, namespace: within = '' } = object.metadata;
    return <a href={href({ page: 'object', kind: kind.type.resource, in: within, name: name!, tab: 'summary', namespace })}>{name}</a>;
  }
  if (title === 'Object') return <AboutLink event={object as Event} text={text} namespace={namespace} />;
  if (title === 'Type' && kind.type.kind === 'Event') return <Badge text={text} />;
  // Counts of single containers say less than the status beside them.
  if (BADGES.has(title) && !(title === 'Ready' && (kind.type.kind === 'Pod' || typeof cell === 'number'))) return <Badge text={text} />;
  return text;
}

/** What an event is about, when the page shows its kind. */
export function AboutLink({ event: { involvedObject: about }, text, namespace }: { event: Event; text: string; namespace: string }) {
  const kind = kindNamed(about.kind ?? '');
  if (!kind || !about.name) return <>{text}</>;
  const within = kind.type.namespaced ? (about.namespace ?? '') : '';
  return <a href={href({ page: 'object', kind: kind.type.resource, in: within, name: about.name, tab: 'summary', namespace })}>{text}</a>;
}

/** Ages sort by their times, numbers as numbers; ties, and names, by namespace and name. */
function sorted(
  items: readonly ObjectWithMeta[],
  kind: Kind,
  columns: readonly TableColumn[],
  { column, descending }: Sort,
): ObjectWithMeta[] {
  const value = sortValue(kind, columns, column);
  const sign = descending ? -1 : 1;
  return items
    .map((object) => ({ object, value: value(object), key: keyOf(object) }))
    .sort((a, b) => sign * (compare(a.value, b.value) || compare(a.key, b.key)))
    .map(({ object }) => object);
}

function sortValue(kind: Kind, columns: readonly TableColumn[], column: string): (object: ObjectWithMeta) => string | number {
  if (column === 'Age') return ({ metadata }) => -Date.parse(metadata.creationTimestamp ?? '');
  if (column === 'Last Seen') return (object) => -lastSeen(object as Event);
  const index = columns.find(({ title }) => title === column)?.index ?? -1;
  if (index < 0) return ({ metadata }) => metadata.namespace ?? '';
  return (object) => {
    const cell = kind.printer.cells(object, 0)[index];
    if (typeof cell === 'number') return cell;
    const number = Number.parseFloat(String(cell));
    return NUMERIC.has(column) && !Number.isNaN(number) ? number : String(cell);
  };
}

/** Milliseconds since the epoch. */
export function lastSeen({ series, lastTimestamp, eventTime, firstTimestamp, metadata }: Event): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? firstTimestamp ?? metadata.creationTimestamp ?? '');
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'string' && typeof b === 'string') return COLLATOR.compare(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `web-10` comes after `web-9`. */
const COLLATOR = new Intl.Collator('en', { numeric: true });
