import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Database, RootDatabase, Transaction } from 'lmdb';
import { errorMessage } from '../../lib/errors.ts';
import { StorageError } from '../storage.ts';
import { commitFailure } from './commit-failure.ts';
import { checkDataFile } from './data-file.ts';
import { decodeRecord, decodeRevision, encodeRevision, type LogRecord } from './records.ts';

const FORMAT = 1;
const OPTIONS = {
  noSubdir: false,
  encoding: 'binary',
  maxDbs: 4,
  // We batch ourselves. lmdb's own batching by event turn would also leave a rejection that nobody can catch when a commit fails.
  eventTurnBatching: false,
  // A commit becomes visible only after it is on disk: LMDB's own, oldest promise, and no slower here.
  overlappingSync: false,
  // Grows by itself; the file is as large as its content.
  mapSize: 64 * 1024 * 1024,
} as const;
/** An empty store shows this revision, as an empty etcd does; the first write is one more. */
const EMPTY_REVISION = 1;
/** Sorts after every key that continues a prefix. */
const LAST_CHARACTER = '\u{10FFFF}';

/** `compacted`: the oldest revision that may be read. `swept`: up to where the rows that it made needless have been removed. */
export type Mark = 'compacted' | 'swept';

export interface KeyRange {
  start: string;
  exclusiveStart: boolean;
  end: string;
}

/**
 * The LMDB tables, and the read snapshot that everybody reads from: it is renewed only when a commit is acknowledged, so that what can be
 * read is always exactly what `revision` says, also while the next commit is on its way to the disk.
 */
export class Tables {
  /** revision → record. */
  readonly log: Database<Buffer, number>;
  /** key → revision of its value, for keys that exist. */
  readonly live: Database<Buffer, string>;
  /** key → revision of its deletion, for keys whose past is still in the log. */
  readonly gone: Database<Buffer, string>;
  readonly #root: RootDatabase<Buffer, string>;
  readonly #meta: Database<Buffer, string>;
  readonly #file: string;
  #snapshot: Transaction;

  private constructor(root: RootDatabase<Buffer, string>, file: string) {
    this.#root = root;
    this.#file = file;
    this.#meta = root.openDB<Buffer, string>('meta', { encoding: 'binary' });
    this.log = root.openDB<Buffer, number>('log', { encoding: 'binary' });
    this.live = root.openDB<Buffer, string>('live', { encoding: 'binary' });
    this.gone = root.openDB<Buffer, string>('gone', { encoding: 'binary' });
    this.#snapshot = readTransaction(this.log);
  }

  static async open(directory: string): Promise<Tables> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = path.join(directory, 'data.mdb');
    const [{ open }] = await Promise.all([import('lmdb'), checkDataFile(file)]);
    // Without overlappingSync a commit becomes visible only after it is on disk: LMDB's own, oldest promise, and no slower here.
    const tables = opened(directory, () => new Tables(open<Buffer, string>({ path: directory, ...OPTIONS }), file));
    await tables.#checkFormat(directory);
    return tables;
  }

  async #checkFormat(directory: string): Promise<void> {
    const found = this.#meta.get('format');
    if (found === undefined) return this.write(() => void this.#meta.put('format', encodeFormat()));
    if (found[0] === FORMAT) return;
    await this.close();
    throw new StorageError('Unavailable', `${directory} was written in format ${found[0]}; this version reads format ${FORMAT}`);
  }

  /** Whatever `change` puts and removes is one durable transaction when this resolves, or nothing is. */
  async write(change: () => void): Promise<void> {
    try {
      await this.#root.batch(change);
    } catch (error) {
      throw await commitFailure(error, this.#file);
    }
    this.#snapshot.done();
    this.#root.resetReadTxn();
    this.#snapshot = readTransaction(this.log);
  }

  record(revision: number): LogRecord | undefined {
    const bytes = this.log.get(revision, this.#reading());
    return bytes && decodeRecord(bytes);
  }

  liveRevision(key: string): number | undefined {
    const bytes = this.live.get(key, this.#reading());
    return bytes && decodeRevision(bytes);
  }

  goneRevision(key: string): number | undefined {
    const bytes = this.gone.get(key, this.#reading());
    return bytes && decodeRevision(bytes);
  }

  /** Keys and revisions of `table` in `range`, in the order of the keys' UTF-8 bytes. */
  entries(table: 'live' | 'gone', range: KeyRange, limit?: number): { key: string; revision: number }[] {
    const rows = this[table].getRange({ ...range, ...this.#reading(), ...(limit === undefined ? {} : { limit }) });
    return Array.from(rows, ({ key, value }) => ({ key, revision: decodeRevision(value) }));
  }

  liveCount(range: KeyRange): number {
    return this.live.getKeysCount({ start: range.start, end: range.end, exclusiveStart: range.exclusiveStart, ...this.#reading() });
  }

  /** Rows of the log from one revision to another (inclusive), at most `limit`. */
  records(from: number, to: number, limit: number): { revision: number; record: LogRecord }[] {
    const rows = this.log.getRange({ start: from, end: to + 1, limit, ...this.#reading() });
    return Array.from(rows, ({ key, value }) => ({ revision: key, record: decodeRecord(value) }));
  }

  lastRevision(): number {
    for (const revision of this.log.getKeys({ reverse: true, limit: 1 })) return revision;
    return EMPTY_REVISION;
  }

  mark(name: Mark): number {
    const bytes = this.#meta.get(name, this.#reading());
    return bytes ? decodeRevision(bytes) : 0;
  }

  putMark(name: Mark, revision: number): void {
    void this.#meta.put(name, encodeRevision(revision));
  }

  async bytesOnDisk(): Promise<number> {
    const { size, blocks } = await stat(this.#file);
    return blocks === undefined ? size : Math.min(size, blocks * 512);
  }

  async close(): Promise<void> {
    this.#snapshot.done();
    await this.#root.close();
  }

  #reading(): { transaction: Transaction } {
    return { transaction: this.#snapshot };
  }
}

function opened(directory: string, open: () => Tables): Tables {
  try {
    return open();
  } catch (cause) {
    throw new StorageError('Unavailable', `cannot open the store in ${directory}: ${errorMessage(cause)}`, { cause });
  }
}

export function keyRange(prefix: string, after?: string): KeyRange {
  const end = prefix + LAST_CHARACTER;
  return after === undefined || after < prefix
    ? { start: prefix, exclusiveStart: false, end }
    : { start: after, exclusiveStart: true, end };
}

// lmdb's declarations leave the method out.
function readTransaction(database: object): Transaction {
  return (database as { useReadTransaction(): Transaction }).useReadTransaction();
}

function encodeFormat(): Buffer {
  return Buffer.from([FORMAT]);
}
