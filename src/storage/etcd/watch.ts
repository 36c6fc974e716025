import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { StorageError, type StorageEvent, type StorageEvents } from '../storage.ts';
import type { Duplex } from './channel.ts';
import type { Connection } from './connection.ts';
import { EVENT_DELETE, WATCH, type EventMessage, type WatchRequest, type WatchResponse } from './messages.ts';

/** A watcher that lags by more is taken off the stream, and asks etcd for the rest when it comes back. */
const MAX_QUEUED_EVENTS = 4096;
/** How long etcd may be away before watchers are told. */
const OUTAGE_MS = 10_000;
const RECONNECT = { baseMs: 20, maxMs: 1000 };
/** How long watchers of other keys may wait to learn that the store moved on, when nobody asked. */
const PROGRESS_DELAY_MS = 20;
/** etcd leaves a progress request unanswered while one of the watchers is behind; then it is asked again. */
const PROGRESS_RETRY_MS = 100;
/** The watch id of an answer that concerns every watcher of the stream. */
const ALL_WATCHERS = -1;

interface Watcher {
  readonly prefix: string;
  readonly end: Buffer;
  readonly compacted: () => number;
  /** Its id on the current stream; 0 while it is not on it. */
  id: number;
  /** The first revision that has not been queued. */
  next: number;
  queue: StorageEvent[];
  /** Whether there is something to yield, be it only progress. */
  ready: boolean;
  failure: StorageError | undefined;
  /** When etcd confirmed it, in the order of this stream's requests; undefined before. */
  confirmed: number | undefined;
  wake: (() => void) | undefined;
}

/**
 * All watches of a store on one gRPC stream. A broken stream is opened again and every watcher goes on from its own next revision, so
 * that callers only notice an etcd that stays away.
 *
 *     closed --a watcher comes--> opening --first answer--> open --error or end--> opening (with backoff) ...
 *                                    \--10 s without an answer--> every watcher fails with Unavailable --> closed
 */
export class WatchStream {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #observe: (revision: number) => void;
  readonly #watchers = new Set<Watcher>();
  #byId = new Map<number, Watcher>();
  #stream: Duplex<WatchRequest> | undefined;
  #lastId = 0;
  #failures = 0;
  #closed = false;
  #cancelOutage: (() => void) | undefined;
  #cancelReconnect: (() => void) | undefined;
  #cancelProgress: (() => void) | undefined;
  /** Grows with every progress request and confirmation; tells which watchers an answer may speak for. */
  #sequence = 0;
  #progressAsked: number | undefined;
  #target = 0;

  constructor(connection: Connection, clock: Clock, log: Logger, observe: (revision: number) => void) {
    this.#connection = connection;
    this.#clock = clock;
    this.#log = log;
    this.#observe = observe;
  }

  async *watch(
    prefix: string,
    end: Buffer,
    from: number,
    compacted: () => number,
    signal: AbortSignal,
  ): AsyncGenerator<StorageEvents, void> {
    const watcher: Watcher = {
      prefix,
      end,
      compacted,
      id: 0,
      next: from,
      queue: [],
      ready: false,
      failure: undefined,
      confirmed: undefined,
      wake: undefined,
    };
    const onAbort = (): void => wake(watcher);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        if (this.#closed) throw new StorageError('Closed', 'the store is closed');
        if (watcher.ready) yield takeQueued(watcher);
        else if (watcher.failure) throw watcher.failure;
        else {
          if (watcher.id === 0) this.#subscribe(watcher);
          if (!watcher.failure) await new Promise<void>((resolve) => (watcher.wake = resolve));
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#watchers.delete(watcher);
      this.#unsubscribe(watcher);
    }
  }

  /** A write was acknowledged: watchers of other keys learn of it a little later, all at once. */
  written(revision: number): void {
    this.#target = Math.max(this.#target, revision);
    if (this.#watchers.size === 0) return;
    this.#cancelProgress ??= this.#clock.timer(PROGRESS_DELAY_MS, () => {
      this.#cancelProgress = undefined;
      this.showProgress(this.#target);
    });
  }

  /** Has etcd tell every watcher that lags behind `revision` how far it is. */
  showProgress(revision: number): void {
    this.#target = Math.max(this.#target, revision);
    if (this.#progressAsked !== undefined || !this.#stream || !this.#anyLags()) return;
    this.#progressAsked = ++this.#sequence;
    this.#stream.write({ progress: {} });
    this.#cancelProgress?.();
    this.#cancelProgress = this.#clock.timer(PROGRESS_RETRY_MS, () => {
      this.#cancelProgress = undefined;
      this.#progressAsked = undefined;
      this.showProgress(this.#target);
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelOutage?.();
    this.#cancelReconnect?.();
    this.#cancelProgress?.();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    for (const watcher of this.#watchers) wake(watcher);
  }

  #anyLags(): boolean {
    for (const watcher of this.#byId.values()) if (watcher.next <= this.#target) return true;
    return false;
  }

  #subscribe(watcher: Watcher): void {
    const compactRevision = watcher.compacted();
    if (watcher.next < compactRevision) return fail(watcher, compactedError(watcher.next, compactRevision));
    if (!this.#stream) {
      if (!this.#cancelReconnect) this.#open();
      return;
    }
    watcher.id = ++this.#lastId;
    watcher.confirmed = undefined;
    this.#byId.set(watcher.id, watcher);
    const { prefix: key, end: rangeEnd, next: startRevision, id: watchId } = watcher;
    this.#stream.write({ create: { key, rangeEnd, startRevision, progressNotify: true, prevKv: true, watchId } });
  }

  #unsubscribe(watcher: Watcher): void {
    if (watcher.id === 0) return;
    this.#byId.delete(watcher.id);
    this.#stream?.write({ cancel: { watchId: watcher.id } });
    watcher.id = 0;
  }

  #open(): void {
    const stream = this.#connection.stream(WATCH, {
      onMessage: (response) => {
        if (stream === this.#stream) this.#received(response);
      },
      onEnd: (error) => this.#broken(stream, error),
    });
    this.#stream = stream;
    this.#cancelOutage ??= this.#clock.timer(OUTAGE_MS, () => this.#giveUp());
    for (const watcher of this.#watchers) if (!watcher.ready && !watcher.failure) this.#subscribe(watcher);
  }

  #broken(stream: Duplex<WatchRequest>, error: Error | undefined): void {
    if (stream !== this.#stream) return;
    this.#log.debug('watch stream broke; opening it again', { error: error ?? 'ended' });
    this.#connection.rotate();
    this.#forgetStream();
    if (this.#watchers.size === 0) return this.#cancelOutageTimer();
    this.#cancelOutage ??= this.#clock.timer(OUTAGE_MS, () => this.#giveUp());
    this.#cancelReconnect ??= this.#clock.timer(backoffDelay(this.#failures++, RECONNECT), () => {
      this.#cancelReconnect = undefined;
      this.#open();
    });
  }

  #giveUp(): void {
    this.#cancelOutageTimer();
    this.#cancelReconnect?.();
    this.#cancelReconnect = undefined;
    const stream = this.#stream;
    this.#forgetStream();
    stream?.cancel();
    for (const watcher of this.#watchers) fail(watcher, new StorageError('Unavailable', `etcd did not answer for ${OUTAGE_MS / 1000} s`));
  }

  #forgetStream(): void {
    this.#stream = undefined;
    for (const watcher of this.#byId.values()) watcher.id = 0;
    this.#byId = new Map();
    this.#progressAsked = undefined;
  }

  #cancelOutageTimer(): void {
    this.#cancelOutage?.();
    this.#cancelOutage = undefined;
  }

  #received(response: WatchResponse): void {
    this.#failures = 0;
    this.#cancelOutageTimer();
    const revision = response.header?.revision ?? 0;
    this.#observe(revision);
    if (response.watchId === ALL_WATCHERS) return this.#progressed(revision);
    const watcher = this.#byId.get(response.watchId ?? 0);
    if (!watcher) return;
    if (response.canceled) this.#canceled(watcher, response);
    else if (response.created) watcher.confirmed = ++this.#sequence;
    else if (response.events?.length) this.#queue(watcher, response.events);
    else advance(watcher, revision);
  }

  /** etcd answers only when every watcher that it knew at the time of the question had been sent all its events. */
  #progressed(revision: number): void {
    const asked = this.#progressAsked;
    if (asked === undefined) return;
    this.#progressAsked = undefined;
    this.#cancelProgress?.();
    this.#cancelProgress = undefined;
    for (const watcher of this.#byId.values()) {
      if (watcher.confirmed !== undefined && watcher.confirmed < asked) advance(watcher, revision);
    }
    if (this.#anyLags()) this.written(this.#target);
  }

  #canceled(watcher: Watcher, { compactRevision = 0, cancelReason }: WatchResponse): void {
    this.#byId.delete(watcher.id);
    watcher.id = 0;
    if (compactRevision > 0) fail(watcher, compactedError(watcher.next, Math.max(compactRevision, watcher.compacted())));
    else fail(watcher, new StorageError('Unavailable', `etcd ended the watch: ${cancelReason || 'no reason given'}`));
  }

  #queue(watcher: Watcher, messages: readonly EventMessage[]): void {
    if (watcher.queue.length > 0 && watcher.queue.length + messages.length > MAX_QUEUED_EVENTS) {
      watcher.next = watcher.queue[0]!.modRevision;
      watcher.queue = [];
      watcher.ready = false;
      this.#unsubscribe(watcher);
      return;
    }
    for (const message of messages) {
      const event = storageEvent(message);
      // After a stream was opened again, nothing is delivered twice.
      if (event.modRevision >= watcher.next) watcher.queue.push(event);
    }
    advance(watcher, watcher.queue.at(-1)?.modRevision ?? 0);
  }
}

function advance(watcher: Watcher, revision: number): void {
  if (revision < watcher.next) return;
  watcher.next = revision + 1;
  watcher.ready = true;
  wake(watcher);
}

function takeQueued(watcher: Watcher): StorageEvents {
  const events = watcher.queue;
  watcher.queue = [];
  watcher.ready = false;
  return { events, revision: watcher.next - 1 };
}

function fail(watcher: Watcher, error: StorageError): void {
  watcher.failure = error;
  wake(watcher);
}

function wake(watcher: Watcher): void {
  watcher.wake?.();
  watcher.wake = undefined;
}

function compactedError(revision: number, compactRevision: number): StorageError {
  return new StorageError('Compacted', `revision ${revision} is compacted; the oldest is ${compactRevision}`, { compactRevision });
}

const NOTHING = new Uint8Array(0);

function storageEvent({ type, kv, prevKv }: EventMessage): StorageEvent {
  const key = kv?.key ?? '';
  const modRevision = kv?.modRevision ?? 0;
  const before = prevKv && copy(prevKv.value);
  if (type === EVENT_DELETE) {
    return { type: 'delete', key, value: before ?? NOTHING, createRevision: prevKv?.createRevision ?? 0, modRevision };
  }
  const createRevision = kv?.createRevision ?? 0;
  return { type: 'put', key, value: copy(kv?.value), createRevision, modRevision, ...(before ? { previous: before } : {}) };
}

/** A value of its own: a view would keep the whole answer in memory for as long as somebody keeps one object. */
function copy(value: Uint8Array | undefined): Uint8Array {
  return value ? new Uint8Array(value) : NOTHING;
}
