import path from 'node:path';
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { autoCompact } from '../auto-compact.ts';
import { checkSize, MAX_KEY_BYTES } from '../limits.ts';
import { StorageError, type KeyValue, type RangeOptions, type RangeResult, type Storage, type StorageEvents } from '../storage.ts';
import { compactionSteps } from './compaction.ts';
import { currentRange, eventsBetween, keyValue, pastRange } from './history.ts';
import { takeLock } from './lock.ts';
import { Tables } from './tables.ts';
import { Watchers } from './watchers.ts';
import { Writer, type Write } from './writer.ts';

export interface EmbeddedOptions {
  /** The store's own directory; made when missing. */
  path: string;
  clock: Clock;
  log: Logger;
  /** When history is forgotten, in milliseconds; every 5 minutes, keeping 5 minutes, unless given. `false`: only when told. */
  compaction?: { every?: number; keep?: number } | false;
}

const NOTHING = new Uint8Array(0);

/**
 * Opens the store in a directory of its own. An acknowledged write is on disk. One process at a time: a second one gets Unavailable with the
 * pid of the first.
 */
export async function openEmbeddedStorage({ path: directory, clock, log, compaction }: EmbeddedOptions): Promise<Storage> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const release = await takeLock(path.join(directory, 'owner'));
  try {
    const store = new EmbeddedStorage(await Tables.open(directory), clock, release);
    if (compaction !== false) store.onClose(autoCompact(store, { clock, log, ...compaction }));
    return store;
  } catch (error) {
    await release();
    throw error;
  }
}

class EmbeddedStorage implements Storage {
  readonly #tables: Tables;
  readonly #writer: Writer;
  readonly #watchers: Watchers;
  readonly #release: () => Promise<void>;
  readonly #closers: (() => void)[] = [];
  #compacted: number;
  #closing: Promise<void> | undefined;

  constructor(tables: Tables, clock: Clock, release: () => Promise<void>) {
    this.#tables = tables;
    this.#release = release;
    this.#compacted = tables.mark('compacted');
    this.#watchers = new Watchers(
      {
        revision: () => this.#writer.revision,
        compactRevision: () => this.#compacted,
        events: (prefix, from, to, limit) => eventsBetween(tables, prefix, from, to, limit),
      },
      clock,
    );
    this.#writer = new Writer(tables, (events, revision) => this.#watchers.publish(events, revision));
  }

  onClose(closer: () => void): void {
    this.#closers.push(closer);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#checkOpen();
    const revision = this.#tables.liveRevision(key);
    const record = revision === undefined ? undefined : this.#tables.record(revision);
    return record && keyValue(revision!, record);
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    this.#checkOpen();
    const current = this.#writer.revision;
    const revision = options.revision || current;
    if (revision < this.#compacted) throw this.#compactedError(revision);
    if (revision > current) throw new StorageError('Unavailable', `revision ${revision} is in the future; the newest is ${current}`);
    return revision === current ? currentRange(this.#tables, prefix, options, current) : pastRange(this.#tables, prefix, options, revision);
  }

  create(key: string, value: Uint8Array): Promise<{ revision: number }> {
    return this.#write({ type: 'create', key, value, expected: 0 });
  }

  update(key: string, value: Uint8Array, expected: number): Promise<{ revision: number }> {
    return this.#write({ type: 'update', key, value, expected });
  }

  delete(key: string, expected: number): Promise<{ revision: number }> {
    return this.#write({ type: 'delete', key, value: NOTHING, expected });
  }

  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StorageEvents> {
    return this.#watchers.watch(prefix, from, signal);
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen();
    // Who asks is about to wait for a watch to come this far.
    this.#watchers.showProgress();
    return this.#writer.revision;
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    if (revision > this.#writer.revision)
      throw new StorageError('Unavailable', `revision ${revision} is in the future; the newest is ${this.#writer.revision}`);
    if (revision <= this.#compacted) throw this.#compactedError(revision);
    this.#compacted = revision;
    for (const step of compactionSteps(this.#tables, revision)) {
      await this.#writer.between(() => this.#tables.write(step));
    }
  }

  size(): Promise<number> {
    return this.#tables.bytesOnDisk();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const closer of this.#closers) closer();
    this.#watchers.close();
    await this.#writer.idle();
    await this.#tables.close();
    await this.#release();
  }

  async #write(write: Write): Promise<{ revision: number }> {
    this.#checkOpen();
    checkSize(write.key, write.value, MAX_KEY_BYTES);
    return this.#writer.submit(write);
  }

  #checkOpen(): void {
    if (this.#closing) throw new StorageError('Closed', 'the store is closed');
  }

  #compactedError(revision: number): StorageError {
    const compactRevision = this.#compacted;
    return new StorageError('Compacted', `revision ${revision} is compacted; the oldest is ${compactRevision}`, { compactRevision });
  }
}
