/** Columns of custom resources, from `additionalPrinterColumns`. */
import type { KubeObject } from '../meta.ts';
import { AGE, ageOf, NAME } from '../table/columns.ts';
import type { Cell, Printer, TableColumn } from '../table/columns.ts';
import { since } from '../table/duration.ts';
import type { CustomResourceColumnDefinition } from '../types.gen.ts';
import { jsonPath } from './json-path.ts';

/** Name and age when the definition names no columns; else the name and those. */
export function customPrinter(given: readonly CustomResourceColumnDefinition[] = []): Printer {
  if (given.length === 0) return { columns: [NAME, AGE], cells: (object, now) => [object.metadata.name ?? '', ageOf(object, now)] };
  const read = given.map(cellReader);
  return {
    columns: [NAME, ...given.map(columnOf)],
    cells: (object, now) => [object.metadata.name ?? '', ...read.map((cell) => cell(object, now))],
  };
}

function columnOf({ name, type, format = '', description, priority = 0, jsonPath: path }: CustomResourceColumnDefinition): TableColumn {
  return {
    name,
    type: type as TableColumn['type'],
    format: format as TableColumn['format'],
    description: description || `Custom resource definition column (in JSONPath format): ${path}`,
    priority,
  };
}

function cellReader({ type, jsonPath: path }: CustomResourceColumnDefinition): (object: KubeObject, now: number) => Cell {
  const read = jsonPath(path);
  return (object, now) => {
    // A column shows one value: the first that the path finds.
    const [value] = read(object);
    return value === undefined || value === null ? null : cellOf(type, value, now);
  };
}

/** A value of another type than the column's is not shown, but text is made of anything. */
function cellOf(type: string, value: unknown, now: number): Cell {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : since(value, now);
    default:
      return null;
  }
}
