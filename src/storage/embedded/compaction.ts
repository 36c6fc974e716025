import type { LogRecord } from './records.ts';
import type { Tables } from './tables.ts';

/** Rows looked at in one transaction, so that writes come through while years of history go. */
const ROWS_A_STEP = 2000;

/**
 * Forgets what nobody can ask for once `revision` is the oldest: a row that was replaced before it, and deletions before it.
 * The change at `revision` itself stays whole, with the value before it, so a watch from there misses nothing.
 *
 * Each step is one transaction. The mark for readers comes first and the mark of what is swept last: a crash in between leaves rows that
 * the next compaction looks at again, and never a row missing that a reader may still ask for.
 */
export function* compactionSteps(tables: Tables, revision: number): Generator<() => void> {
  yield () => tables.putMark('compacted', revision);
  for (let next = Math.max(tables.mark('swept'), 1); next < revision;) {
    const rows = tables.records(next, revision - 1, ROWS_A_STEP);
    const end = rows.length < ROWS_A_STEP ? revision : rows.at(-1)!.revision + 1;
    next = end;
    yield () => {
      for (const { revision: at, record } of rows) sweep(tables, at, record);
      tables.putMark('swept', end);
    };
  }
}

function sweep(tables: Tables, revision: number, record: LogRecord): void {
  if (record.previous > 0) void tables.log.remove(record.previous);
  if (record.type !== 'delete') return;
  void tables.log.remove(revision);
  if (tables.goneRevision(record.key) === revision) void tables.gone.remove(record.key);
}
