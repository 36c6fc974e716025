import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { autoCompact } from '../auto-compact.ts';
import { checkSize, MAX_KEY_BYTES } from '../limits.ts';
import { StorageError, type KeyValue, type RangeOptions, type RangeResult, type Storage, type StorageEvents } from '../storage.ts';
import type { EtcdTls } from './channel.ts';
import { Connection } from './connection.ts';
import {
  COMPACT,
  COMPARE_EQUAL,
  COMPARE_MOD,
  RANGE,
  STATUS,
  TXN,
  type Header,
  type KeyValueMessage,
  type RangeRequest,
  type RequestOp,
} from './messages.ts';
import { WatchStream } from './watch.ts';

export interface EtcdOptions {
  /** `unix:///path`, `http://host:port` or `https://host:port`; several are members of one cluster. */
  endpoints: readonly string[];
  tls?: EtcdTls;
  /** This process is the only writer of a one-member etcd: revisions are known without asking, reads need no round of consensus. */
  exclusive: boolean;
  clock: Clock;
  log: Logger;
  /** When history is forgotten, in milliseconds; every 5 minutes, keeping 5 minutes, unless given. `false`: only when told. */
  compaction?: { every?: number; keep?: number } | false;
}

/** Opens the store on an etcd v3. Returns before etcd answers: the first call waits for it, up to its deadline of 10 seconds. */
export async function openEtcdStorage({ endpoints, tls, exclusive, clock, log, compaction }: EtcdOptions): Promise<Storage> {
  const store = new EtcdStorage(new Connection(endpoints, tls, clock), exclusive, clock, log);
  if (compaction !== false) store.onClose(autoCompact(store, { clock, log, ...compaction }));
  return store;
}

class EtcdStorage implements Storage {
  readonly #connection: Connection;
  readonly #exclusive: boolean;
  readonly #watches: WatchStream;
  readonly #closers: (() => void)[] = [];
  /** The highest revision that any answer showed. */
  #seen = 0;
  #compacted = 0;
  #asking: Promise<number> | undefined;
  #askingNext: Promise<number> | undefined;

  constructor(connection: Connection, exclusive: boolean, clock: Clock, log: Logger) {
    this.#connection = connection;
    this.#exclusive = exclusive;
    this.#watches = new WatchStream(connection, clock, log, (revision) => this.#observe({ revision }));
  }

  onClose(closer: () => void): void {
    this.#closers.push(closer);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const { header, kvs } = await this.#connection.call(RANGE, this.#reading({ key }));
    this.#observe(header);
    return kvs?.[0] && keyValue(kvs[0]);
  }

  async range(prefix: string, { limit, after, revision }: RangeOptions = {}): Promise<RangeResult> {
    if (revision && revision < this.#compacted) throw this.#compactedError(revision);
    const key = after === undefined || after < prefix ? prefix : `${after}\0`;
    const request = { key, rangeEnd: prefixEnd(prefix), ...(limit ? { limit } : {}), ...(revision ? { revision } : {}) };
    const { header, kvs = [], count = 0 } = await this.#connection.call(RANGE, this.#reading(request));
    this.#observe(header);
    const remaining = Math.max(count - kvs.length, 0);
    return { items: kvs.map(keyValue), more: remaining > 0, remaining, revision: revision || revisionOf(header) };
  }

  async create(key: string, value: Uint8Array): Promise<{ revision: number }> {
    checkSize(key, value, MAX_KEY_BYTES);
    const { revision, current } = await this.#guarded(key, 0, { put: { key, value } });
    if (revision !== undefined) return { revision };
    throw new StorageError('KeyExists', `${key} exists`, current ? { current } : {});
  }

  async update(key: string, value: Uint8Array, expected: number): Promise<{ revision: number }> {
    checkSize(key, value, MAX_KEY_BYTES);
    return this.#replace(key, expected, { put: { key, value } });
  }

  delete(key: string, expected: number): Promise<{ revision: number }> {
    return this.#replace(key, expected, { deleteRange: { key } });
  }

  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StorageEvents> {
    return this.#watches.watch(prefix, prefixEnd(prefix), from, () => this.#compacted, signal);
  }

  async currentRevision(): Promise<number> {
    const revision = this.#exclusive && this.#seen > 0 ? this.#seen : await this.#askRevision();
    // Who asks is about to wait for a watch to come this far.
    this.#watches.showProgress(revision);
    return revision;
  }

  async compact(revision: number): Promise<void> {
    if (revision <= this.#compacted) throw this.#compactedError(revision);
    // One less: etcd drops a deletion at the compacted revision itself, and the value before a change at it, and a watch may begin there.
    if (revision > 1) await this.#connection.call(COMPACT, { revision: revision - 1 });
    this.#compacted = Math.max(this.#compacted, revision);
  }

  async size(): Promise<number> {
    const { dbSize = 0 } = await this.#connection.call(STATUS, {});
    return dbSize;
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0)) closer();
    this.#watches.close();
    this.#connection.close();
  }

  async #replace(key: string, expected: number, change: RequestOp): Promise<{ revision: number }> {
    // To etcd a modRevision of 0 means "does not exist", which is never what an update or a deletion expects.
    const { revision, current } = await this.#guarded(key, expected > 0 ? expected : Number.MAX_SAFE_INTEGER, change);
    if (revision !== undefined) return { revision };
    const found = current ? `is at revision ${current.modRevision}` : 'does not exist';
    throw new StorageError('RevisionMismatch', `${key} ${found}, not at ${expected}`, current ? { current } : {});
  }

  /** Makes the change if the key is at `expected`; otherwise says what is there. */
  async #guarded(key: string, expected: number, change: RequestOp): Promise<{ revision?: number; current?: KeyValue }> {
    const { header, succeeded, responses } = await this.#connection.call(TXN, {
      compare: [{ result: COMPARE_EQUAL, target: COMPARE_MOD, key, modRevision: expected }],
      success: [change],
      failure: [{ range: { key } }],
    });
    this.#observe(header);
    if (succeeded) {
      this.#watches.written(this.#seen);
      return { revision: revisionOf(header) };
    }
    const found = responses?.[0]?.range?.kvs?.[0];
    return found ? { current: keyValue(found) } : {};
  }

  /** Callers share a question, but never one that was already on its way when they came: its answer may be older than their call. */
  #askRevision(): Promise<number> {
    if (!this.#asking) {
      this.#asking = this.#countNothing().finally(() => (this.#asking = undefined));
      return this.#asking;
    }
    const after = (): Promise<number> => {
      this.#askingNext = undefined;
      return this.#askRevision();
    };
    this.#askingNext ??= this.#asking.then(after, after);
    return this.#askingNext;
  }

  async #countNothing(): Promise<number> {
    const { header } = await this.#connection.call(RANGE, { key: '/', countOnly: true });
    this.#observe(header);
    return revisionOf(header);
  }

  #reading(request: RangeRequest): RangeRequest {
    return this.#exclusive ? { ...request, serializable: true } : request;
  }

  #observe(header: Header | undefined): void {
    this.#seen = Math.max(this.#seen, header?.revision ?? 0);
  }

  #compactedError(revision: number): StorageError {
    const compactRevision = this.#compacted;
    return new StorageError('Compacted', `revision ${revision} is compacted; the oldest is ${compactRevision}`, { compactRevision });
  }
}

/** The first key after all that begin with `prefix`: its last byte, plus one. No UTF-8 text ends in 0xff. */
function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}

function revisionOf(header: Header | undefined): number {
  return header?.revision ?? 0;
}

const NOTHING = new Uint8Array(0);

function keyValue({ key, value, createRevision, modRevision }: KeyValueMessage): KeyValue {
  return {
    key: key ?? '',
    value: value ?? NOTHING,
    createRevision: createRevision ?? 0,
    modRevision: modRevision ?? 0,
  };
}
