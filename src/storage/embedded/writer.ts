import { StorageError, type KeyValue, type StorageEvent } from '../storage.ts';
import { encodeRecord, encodeRevision, type LogRecord } from './records.ts';
import type { Tables } from './tables.ts';

export interface Write {
  type: 'create' | 'update' | 'delete';
  key: string;
  value: Uint8Array;
  /** The modRevision that an update or a deletion expects. */
  expected: number;
}

export type Committed = (events: readonly StorageEvent[], revision: number) => void;

interface Waiting extends Write {
  resolve: (result: { revision: number }) => void;
  reject: (error: unknown) => void;
}

/** What a key is at some point inside a batch. */
interface Head {
  record: LogRecord;
  revision: number;
}

interface Batch {
  heads: Map<string, Head | undefined>;
  writes: { waiting: Waiting; revision: number }[];
  refused: { waiting: Waiting; error: StorageError }[];
  records: { revision: number; record: LogRecord }[];
  events: StorageEvent[];
}

/**
 * Group commit. Writes queue while a commit is under way, and all that queued are the next one: a lone write waits for nothing, and
 * many share one fsync. Guards are checked when the batch is put together, against the committed state and the writes before them in
 * the same batch; their outcome, good or bad, is told only after the commit, so that nobody is refused for a write that then failed.
 */
export class Writer {
  readonly #tables: Tables;
  readonly #committed: Committed;
  #queue: Waiting[] = [];
  #changes: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;
  #revision: number;

  constructor(tables: Tables, committed: Committed) {
    this.#tables = tables;
    this.#committed = committed;
    this.#revision = tables.lastRevision();
  }

  /** The newest acknowledged revision. */
  get revision(): number {
    return this.#revision;
  }

  submit(write: Write): Promise<{ revision: number }> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...write, resolve, reject });
      this.#run();
    });
  }

  /** Runs `change` between two commits. */
  between(change: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#changes.push(() => change().then(resolve, reject));
      this.#run();
    });
  }

  /** Resolves when everything submitted so far has its answer. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #run(): void {
    if (this.#running || this.#queue.length + this.#changes.length === 0) return;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      this.#run();
    });
  }

  async #drain(): Promise<void> {
    // One microtask's grace lets writes of the same turn share the first commit.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#changes.length > 0) {
      const [waiting, changes] = [this.#queue, this.#changes];
      [this.#queue, this.#changes] = [[], []];
      if (waiting.length > 0) await this.#commit(waiting);
      for (const change of changes) await change();
    }
  }

  async #commit(waiting: Waiting[]): Promise<void> {
    try {
      const batch = this.#judge(waiting);
      if (batch.records.length > 0) {
        await this.#tables.write(() => this.#put(batch.records));
        this.#revision = batch.records.at(-1)!.revision;
        this.#committed(batch.events, this.#revision);
      }
      for (const { waiting: write, revision } of batch.writes) write.resolve({ revision });
      for (const { waiting: write, error } of batch.refused) write.reject(error);
    } catch (error) {
      for (const write of waiting) write.reject(error);
    }
  }

  #judge(waiting: Waiting[]): Batch {
    const batch: Batch = { heads: new Map(), writes: [], refused: [], records: [], events: [] };
    let next = this.#revision;
    for (const write of waiting) {
      const head = batch.heads.has(write.key) ? batch.heads.get(write.key) : this.#head(write.key);
      const error = refusal(write, head);
      if (error) {
        batch.refused.push({ waiting: write, error });
        continue;
      }
      next += 1;
      const record = recordOf(write, next, head);
      batch.heads.set(write.key, { record, revision: next });
      batch.records.push({ revision: next, record });
      batch.events.push(eventOf(record, next, head));
      batch.writes.push({ waiting: write, revision: next });
    }
    return batch;
  }

  #head(key: string): Head | undefined {
    const revision = this.#tables.liveRevision(key) ?? this.#tables.goneRevision(key);
    const record = revision === undefined ? undefined : this.#tables.record(revision);
    return record && { record, revision: revision! };
  }

  #put(records: Batch['records']): void {
    const { log, live, gone } = this.#tables;
    for (const { revision, record } of records) {
      void log.put(revision, encodeRecord(record));
      if (record.type === 'delete') {
        void live.remove(record.key);
        void gone.put(record.key, encodeRevision(revision));
      } else {
        void live.put(record.key, encodeRevision(revision));
        if (record.createRevision === revision && record.previous > 0) void gone.remove(record.key);
      }
    }
  }
}

function refusal(write: Write, head: Head | undefined): StorageError | undefined {
  const current = head && currentOf(head);
  if (write.type === 'create') return current && new StorageError('KeyExists', `${write.key} exists`, { current });
  if (current?.modRevision === write.expected) return undefined;
  const found = current ? `is at revision ${current.modRevision}` : 'does not exist';
  return new StorageError('RevisionMismatch', `${write.key} ${found}, not at ${write.expected}`, current ? { current } : {});
}

function currentOf({ record, revision }: Head): KeyValue | undefined {
  if (record.type === 'delete') return undefined;
  return { key: record.key, value: record.value, createRevision: record.createRevision, modRevision: revision };
}

function recordOf(write: Write, revision: number, head: Head | undefined): LogRecord {
  const createRevision = write.type === 'create' ? revision : head!.record.createRevision;
  const type = write.type === 'delete' ? 'delete' : 'put';
  return { type, key: write.key, value: write.value, createRevision, previous: head?.revision ?? 0 };
}

function eventOf(record: LogRecord, revision: number, head: Head | undefined): StorageEvent {
  const before = head?.record.type === 'put' ? head.record.value : undefined;
  return storageEvent(record, revision, before);
}

export function storageEvent(record: LogRecord, revision: number, before: Uint8Array | undefined): StorageEvent {
  const { type, key, createRevision } = record;
  if (type === 'delete') return { type, key, value: before ?? record.value, createRevision, modRevision: revision };
  return { type, key, value: record.value, createRevision, modRevision: revision, ...(before ? { previous: before } : {}) };
}
