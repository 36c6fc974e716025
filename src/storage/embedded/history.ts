import { StorageError, type KeyValue, type RangeOptions, type RangeResult, type StorageEvent } from '../storage.ts';
import type { LogRecord } from './records.ts';
import { keyRange, type KeyRange, type Tables } from './tables.ts';
import { storageEvent } from './writer.ts';

/** What stands under `prefix` now. `revision` is the newest one. */
export function currentRange(tables: Tables, prefix: string, options: RangeOptions, revision: number): RangeResult {
  const range = keyRange(prefix, options.after);
  const entries = tables.entries('live', range, options.limit || undefined);
  const items = entries.map((entry) => keyValue(entry.revision, mustHave(tables, entry.revision)));
  const last = entries.at(-1);
  const remaining =
    last && options.limit && entries.length === options.limit ? tables.liveCount({ ...range, start: last.key, exclusiveStart: true }) : 0;
  return { items, more: remaining > 0, remaining, revision };
}

/** What stood under `prefix` at `revision`. Walks over every key that is left, to count them: slower than the present. */
export function pastRange(tables: Tables, prefix: string, options: RangeOptions, revision: number): RangeResult {
  const past = entriesAt(tables, keyRange(prefix, options.after), revision);
  const shown = options.limit ? past.slice(0, options.limit) : past;
  const remaining = past.length - shown.length;
  return {
    items: shown.map((entry) => keyValue(entry.revision, mustHave(tables, entry.revision))),
    more: remaining > 0,
    remaining,
    revision,
  };
}

/** Changes under `prefix` in the log's rows from `from` to `to`, reading at most `limit` rows; `next` is the first one not read. */
export function eventsBetween(
  tables: Tables,
  prefix: string,
  from: number,
  to: number,
  limit: number,
): { events: StorageEvent[]; next: number } {
  const rows = tables.records(from, to, limit);
  const events: StorageEvent[] = [];
  for (const { revision, record } of rows) {
    if (!record.key.startsWith(prefix)) continue;
    const before = record.previous > 0 ? tables.record(record.previous) : undefined;
    events.push(storageEvent(record, revision, before?.type === 'put' ? before.value : undefined));
  }
  return { events, next: rows.length < limit ? to + 1 : rows.at(-1)!.revision + 1 };
}

function entriesAt(tables: Tables, range: KeyRange, revision: number): { key: string; revision: number }[] {
  const entries = [...tables.entries('live', range), ...tables.entries('gone', range).filter((entry) => entry.revision > revision)];
  const past: { key: string; revision: number }[] = [];
  let sorted = true;
  for (const entry of entries) {
    const at = revisionAt(tables, entry.revision, revision);
    if (at === undefined) continue;
    if (past.length > 0 && past.at(-1)!.key > entry.key) sorted = false;
    past.push({ key: entry.key, revision: at });
  }
  return sorted ? past : past.toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

/** Follows a key's past from its newest row back to what held at `revision`; undefined when the key did not exist then. */
function revisionAt(tables: Tables, newest: number, revision: number): number | undefined {
  let at = newest;
  while (at > revision) {
    const record = tables.record(at);
    if (!record || record.previous === 0) return undefined;
    at = record.previous;
  }
  if (at === newest) return at;
  return tables.record(at)?.type === 'put' ? at : undefined;
}

function mustHave(tables: Tables, revision: number): LogRecord {
  const record = tables.record(revision);
  if (!record) throw new StorageError('Unavailable', `the store is damaged: revision ${revision} is indexed but not in the log`);
  return record;
}

export function keyValue(modRevision: number, record: LogRecord): KeyValue {
  return { key: record.key, value: record.value, createRevision: record.createRevision, modRevision };
}
