import type { Clock } from '../../lib/clock.ts';
import { StatusError } from '../../api/status.ts';
import { tooOld } from '../errors.ts';
import type { WatchCall } from '../registry/registry.ts';
import type { ServedResource } from '../resources.ts';
import type { Channel, VisibleEvent, WatchEncoder, WatchSink } from './channel.ts';
import { Deadlines } from './deadlines.ts';
import type { WatchCache } from './watch-cache.ts';

/** How often watchers that allow it are told the revision, ms. */
const BOOKMARK_MS = 60_000;
/** This long before its end a watch gets a last bookmark, so that its client resumes from as late as possible. */
const LAST_BOOKMARK_MS = 2000;

export interface OpenWatch<T> {
  served: ServedResource;
  watch: WatchCall;
  /** Names the encoding: equal names share their bytes. */
  encoding: string;
  encoder: () => WatchEncoder<T>;
  sink: WatchSink<T>;
}

/** All open watches. One timer serves the deadlines of all, one more the bookmarks, and none runs when nobody watches. */
export class Watches {
  readonly #cache: WatchCache;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #open = new Set<() => void>();
  readonly #marked = new Set<() => void>();
  #cancelBookmarks: (() => void) | undefined;

  constructor(cache: WatchCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Sends what was asked for from the past, then joins the live events, without a gap. Returns how to leave; the sink is ended when the
   * watch's time is over. When its beginning is forgotten, all that comes is an ERROR with the Status 410, as upstream's watches say it.
   */
  open<T>(request: OpenWatch<T>): () => void {
    const { served, watch, encoding, encoder, sink } = request;
    const key = `${encoding}\n${watch.namespace}\n${watch.name ?? ''}\n${watch.selectorText}`;
    const scope = {
      namespace: watch.namespace,
      ...(watch.name === undefined ? {} : { name: watch.name }),
      ...(watch.match ? { match: watch.match } : {}),
    };
    const channel = served.fanout.channel(key, scope, watch.pinned, encoder);
    try {
      this.#sendPast(request, channel);
    } catch (error) {
      served.fanout.leave(channel, sink);
      if (!(error instanceof StatusError)) throw error;
      sink.send(channel.error(error.status));
      sink.end();
      return () => undefined;
    }
    served.fanout.join(channel, sink);
    return this.#watch(request, channel);
  }

  /** Ends every watch: clients come back with the revision they have. */
  close(): void {
    for (const end of this.#open) end();
    this.#deadlines.stop();
    this.#cancelBookmarks?.();
  }

  #sendPast<T>({ served, watch, sink }: OpenWatch<T>, channel: Channel<T>): void {
    const events = watch.since === undefined ? stateOf(served, watch) : this.#changes(served, watch.since, channel);
    if (events.length > 0) sink.send(channel.encode(events));
    if (watch.sendInitialEvents) sink.send(channel.bookmark(this.#cache.revision, true));
  }

  #changes<T>({ cache }: ServedResource, since: number, channel: Channel<T>): VisibleEvent[] {
    const changes = cache.changesSince(since);
    if (!changes) throw tooOld(since, cache.floor);
    return channel.visible(changes);
  }

  #watch<T>({ served, watch, sink }: OpenWatch<T>, channel: Channel<T>): () => void {
    const bookmark = (): void => sink.send(channel.bookmark(this.#cache.revision, false));
    const cancels: (() => void)[] = [];
    const leave = (): void => {
      for (const cancel of cancels) cancel();
      served.fanout.leave(channel, sink);
      this.#open.delete(end);
      this.#marked.delete(bookmark);
    };
    const end = (): void => {
      leave();
      sink.end();
    };
    this.#open.add(end);
    cancels.push(this.#deadlines.add(watch.timeoutMs, end));
    if (!watch.bookmarks) return leave;
    this.#marked.add(bookmark);
    if (watch.timeoutMs > LAST_BOOKMARK_MS) cancels.push(this.#deadlines.add(watch.timeoutMs - LAST_BOOKMARK_MS, bookmark));
    this.#armBookmarks();
    return leave;
  }

  #armBookmarks(): void {
    this.#cancelBookmarks ??= this.#clock.timer(BOOKMARK_MS, () => {
      this.#cancelBookmarks = undefined;
      for (const bookmark of this.#marked) bookmark();
      this.#cache.forgetOld();
      if (this.#marked.size > 0) this.#armBookmarks();
    });
  }
}

function stateOf({ cache }: ServedResource, { namespace, name, match }: WatchCall): VisibleEvent[] {
  const events: VisibleEvent[] = [];
  for (const entry of cache.list(namespace)) {
    if ((name === undefined || entry.name === name) && (!match || match(entry.object))) events.push({ type: 'ADDED', entry });
  }
  return events;
}
