/**
 * What the API server needs of a store: bytes under keys, one revision counter, no lost and no reordered events.
 * Keys are UTF-8 strings that begin with '/'; values are bytes. A revision is a positive integer that grows by at least one
 * with every write; it is what the API shows as resourceVersion. Both stores pass `contract.ts`.
 */
export interface Storage {
  /** The value and its revision, or undefined when there is none. Linearizable. */
  get(key: string): Promise<KeyValue | undefined>;
  /** Keys that begin with `prefix`, ascending. Linearizable unless `revision` is given. Throws Compacted when that revision is gone. */
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  /** Writes a key that must not exist. Throws KeyExists (with what is there). Resolves when the write is durable. */
  create(key: string, value: Uint8Array): Promise<{ revision: number }>;
  /** Replaces a value whose modRevision is still `expected`. Throws RevisionMismatch (with what is there now, if anything). Durable on return. */
  update(key: string, value: Uint8Array, expected: number): Promise<{ revision: number }>;
  /** Removes a key whose modRevision is still `expected`. Throws RevisionMismatch. Durable on return; `revision` is that of the deletion. */
  delete(key: string, expected: number): Promise<{ revision: number }>;
  /**
   * Every change to keys under `prefix` with a revision of at least `from`, in order, in batches. Throws Compacted when `from` is gone.
   * A batch with no events is progress: everything up to `revision` has been delivered. Ends when the signal aborts; throws Unavailable
   * when the store went away (the caller watches again from the last revision + 1).
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StorageEvents>;
  /**
   * A revision that is at least that of every write acknowledged before the call, by anybody. No disk or network
   * where this process is the store's only writer.
   */
  currentRevision(): Promise<number>;
  /** Forgets history before `revision`: reads and watches from there throw Compacted. Current values stay. */
  compact(revision: number): Promise<void>;
  /** Bytes on disk. */
  size(): Promise<number>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

export interface KeyValue {
  key: string;
  value: Uint8Array;
  createRevision: number;
  modRevision: number;
}

export interface RangeOptions {
  /** At most so many. */
  limit?: number;
  /** Begin after this key (exclusive): how a list goes on. */
  after?: string;
  /** As of this revision. */
  revision?: number;
}

export interface RangeResult {
  items: KeyValue[];
  /** Whether more keys follow the last item. */
  more: boolean;
  /** How many keys follow the last item. */
  remaining: number;
  /** The revision that this answer shows. */
  revision: number;
}

export interface StorageEvent {
  type: 'put' | 'delete';
  key: string;
  /** The new value; for a deletion the value that was removed. */
  value: Uint8Array;
  createRevision: number;
  /** The revision of this change. */
  modRevision: number;
  /** The value before this put; undefined for a creation. */
  previous?: Uint8Array;
}

export interface StorageEvents {
  events: readonly StorageEvent[];
  /** Everything up to here has been delivered. */
  revision: number;
}

/** The closed set of what can go wrong. The API server turns each into a Status in one place. */
export class StorageError extends Error {
  readonly code: 'KeyExists' | 'RevisionMismatch' | 'Compacted' | 'Unavailable' | 'TooLarge' | 'Closed' | 'NoSpace';
  /** For KeyExists and RevisionMismatch: what is stored now. */
  readonly current?: KeyValue;
  /** For Compacted: the oldest revision that can still be read. */
  readonly compactRevision?: number;

  constructor(
    code: StorageError['code'],
    message: string,
    options: { current?: KeyValue; compactRevision?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'StorageError';
    this.code = code;
    if (options.current) this.current = options.current;
    if (options.compactRevision !== undefined) this.compactRevision = options.compactRevision;
  }
}
