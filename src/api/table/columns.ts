/** The vocabulary of printers: columns, and how they write what is absent or long. */
import type { KubeObject } from '../meta.ts';
import { formatLabelSelector, SelectorError } from '../selectors.ts';
import type { LabelSelector, PodSpec } from '../types.gen.ts';
import { since } from './duration.ts';

/** A metav1.TableColumnDefinition. Priority 0 is always shown, 1 with `-o wide`. */
export interface TableColumn {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format: '' | 'name';
  description: string;
  priority: number;
}

export type Cell = string | number | boolean | null;

/** How one kind prints. `cells` answers one cell a column, in the columns' order. */
export interface Printer<T = KubeObject> {
  columns: readonly TableColumn[];
  cells(object: T, now: number): Cell[];
  /** Marks rows that are over, which `kubectl` may filter. */
  conditions?(object: T): RowCondition[] | undefined;
}

export interface RowCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export const NAME: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique in its namespace for its kind.',
  priority: 0,
};
export const AGE: TableColumn = column('Age', 'string', 'The time since the object was created.');

/** A column that is always shown. */
export function column(name: string, type: TableColumn['type'] = 'string', description = ''): TableColumn {
  return { name, type, format: '', description, priority: 0 };
}

/** A column of `-o wide`. */
export function wide(name: string, type: TableColumn['type'] = 'string'): TableColumn {
  return { name, type, format: '', description: '', priority: 1 };
}

export function ageOf(object: { metadata: { creationTimestamp?: string } }, now: number): string {
  return since(object.metadata.creationTimestamp, now);
}

export const NONE = '<none>';
export const UNSET = '<unset>';
export const UNKNOWN = '<unknown>';

/** `a,b`, or `<none>`. */
export function joined(items: readonly string[] | undefined, separator = ','): string {
  return items && items.length > 0 ? items.join(separator) : NONE;
}

/** The first `max` of the items, and how many more there are. */
export function firstOf(items: readonly string[], max: number, none: string): string {
  if (items.length === 0) return none;
  const shown = items.slice(0, max).join(',');
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown;
}

export function selectorText(selector: LabelSelector | undefined): string {
  try {
    return (selector && formatLabelSelector(selector)) || NONE;
  } catch (error) {
    if (error instanceof SelectorError) return '<error>';
    throw error;
  }
}

/** A plain map of labels: `a=b,c=d`. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return joined(
    Object.entries(labels ?? {})
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`),
  );
}

/** Names and images of a template's containers. */
export function containerCells(spec: PodSpec | undefined): [string, string] {
  const containers = spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(','), containers.map(({ image }) => image ?? '').join(',')];
}

export const CONTAINER_COLUMNS = [wide('Containers'), wide('Images')] as const;

/** `True`, `False`, or `<unset>`. */
export function boolText(value: boolean | undefined): string {
  return value === undefined ? UNSET : value ? 'True' : 'False';
}
