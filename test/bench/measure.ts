import { readFileSync, readdirSync } from 'node:fs';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/** One line of a table: our median (and span) beside the figure that it must beat. */
export interface Figure {
  name: string;
  values: readonly number[];
  unit: string;
  reference?: string;
  aim?: string;
  note?: string;
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n## ${title}`);
  console.log('| figure | median (min–max) | reference | aim | |\n| --- | --- | --- | --- | --- |');
  for (const { name, values, unit, reference = '', aim = '', note = '' } of figures) {
    const span = values.length > 1 ? ` (${shown(Math.min(...values))}–${shown(Math.max(...values))})` : '';
    console.log(`| ${name} | ${shown(median(values))}${span} ${unit} | ${reference} | ${aim} | ${note} |`);
  }
}

/** User and system CPU seconds of a process so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Proportional set size in MiB: shared pages are split between those who share them. */
export function pssMiB(pid: number): number {
  const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  return Number(match?.[1] ?? 0) / 1024;
}

export interface ProcessFacts {
  pid: number;
  parent: number;
  command: string;
}

/** Every process of this machine. */
export function processes(): ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        return [{ pid: Number(name), parent, command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch (error) {
        // It ended while we looked.
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
        throw error;
      }
    });
}

/** A process and all that came from it. */
export function withDescendants(root: number, all: readonly ProcessFacts[]): ProcessFacts[] {
  const own = all.filter(({ pid }) => pid === root);
  return [...own, ...all.filter(({ parent }) => parent === root).flatMap(({ pid }) => withDescendants(pid, all))];
}
