import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface Sort {
  column: string;
  descending: boolean;
}

export interface TableProps<Row> {
  /** What the table holds, for who hears it. */
  caption: string;
  columns: readonly { title: string; numeric?: boolean; wide?: boolean }[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  /** The cells of a row, one a column. Asked for the rows in view only. */
  cells(row: Row): ComponentChildren[];
  sort?: Sort;
  onSort?(sort: Sort): void;
  /** Takes the height that is left, instead of growing with its rows. */
  fill?: boolean;
}

/** `--row` in styles/base.css. */
const ROW_PX = 40;
/** Rows above and below what is in view, so that scrolling shows no gap. */
const MARGIN_ROWS = 12;

/** A table whose rows exist while they are in view: a thousand cost what thirty do. */
export function Table<Row>({ caption, columns, rows, keyOf, cells, sort, onSort, fill = false }: TableProps<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);
  const first = Math.max(0, Math.min(Math.floor(view.top / ROW_PX) - MARGIN_ROWS, rows.length - 1));
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + MARGIN_ROWS);
  return (
    <div class={fill ? 'table-box fill' : 'table-box'} ref={box} tabIndex={0} role="region" aria-label={caption}>
      <table aria-rowcount={rows.length + 1}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric }) => (
              <th key={title} scope="col" class={numeric ? 'numeric' : undefined} aria-sort={ariaSort(title, sort)}>
                {onSort ? <SortButton title={title} sort={sort} onSort={onSort} /> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} columns={columns.length} />
          {rows.slice(first, last).map((row, index) => (
            <tr key={keyOf(row)} aria-rowindex={first + index + 2}>
              {cells(row).map((cell, at) => (
                <td
                  key={at}
                  class={columns[at]!.numeric ? 'numeric' : columns[at]!.wide ? 'wide' : undefined}
                  title={typeof cell === 'string' ? cell : undefined}
                >
                  {cell}
                </td>
              ))}
            </tr>
          ))}
          <Gap rows={rows.length - last} columns={columns.length} />
        </tbody>
      </table>
    </div>
  );
}

/** The room of the rows that are not there. */
function Gap({ rows, columns }: { rows: number; columns: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden="true" class="gap">
      <td colSpan={columns} style={{ height: `${rows * ROW_PX}px` }} />
    </tr>
  );
}

function SortButton({ title, sort, onSort }: { title: string; sort: Sort | undefined; onSort: (sort: Sort) => void }) {
  const active = sort?.column === title;
  return (
    <button type="button" class="sort" onClick={() => onSort({ column: title, descending: active && !sort.descending })}>
      {title}
      <span aria-hidden="true">{active ? (sort.descending ? ' ↓' : ' ↑') : ''}</span>
    </button>
  );
}

function ariaSort(title: string, sort: Sort | undefined): 'ascending' | 'descending' | undefined {
  if (sort?.column !== title) return undefined;
  return sort.descending ? 'descending' : 'ascending';
}
