import type { Event } from '../api/types.gen.ts';
import type { Clock } from '../lib/clock.ts';

export interface CorrelatedEvent {
  event: Event;
  key: string;
  /** Whether `event` replaces one that is already written. */
  update: boolean;
}

/** client-go's figures (tools/record/events_cache.go): what is remembered, when similar events are combined, how fast one object may talk. */
const REMEMBERED = 4096;
const SIMILAR_LIMIT = 10;
const SIMILAR_WINDOW_MS = 600_000;
const SPAM_BURST = 25;
const SPAM_REFILL_PER_MS = 1 / 300_000;

/**
 * Decides what becomes of an event, in client-go's three steps: many different messages with one reason about one object become one event,
 * "(combined from similar events)"; the same event again raises a count; an object that talks too much is held back.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #similar = new Map<string, { messages: Set<string>; last: number }>();
  readonly #written = new Map<string, Event>();
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** undefined: the event is spam and not to be written. */
  correlate(incoming: Event): CorrelatedEvent | undefined {
    const { event, combined } = this.#combineSimilar(incoming);
    const key = combined ? similarityKey(event) : [similarityKey(event), event.message].join('\n');
    const before = this.#written.get(key);
    if (!this.#mayTalk(event)) return undefined;
    if (!before) return { event, key, update: false };
    const { metadata, firstTimestamp, count = 1 } = before;
    return {
      event: { ...event, metadata: { ...event.metadata, name: metadata.name }, firstTimestamp, count: count + 1 },
      key,
      update: true,
    };
  }

  /** Remembers what now stands on the server. */
  written(key: string, event: Event): void {
    remember(this.#written, key, event);
  }

  #combineSimilar(event: Event): { event: Event; combined: boolean } {
    const key = similarityKey(event);
    const now = this.#clock.now();
    let group = this.#similar.get(key);
    if (!group || now - group.last > SIMILAR_WINDOW_MS) group = { messages: new Set(), last: now };
    group.last = now;
    const { messages } = group;
    const text = event.message ?? '';
    remember(this.#similar, key, group);
    if (messages.size < SIMILAR_LIMIT || messages.has(text)) messages.add(text);
    if (messages.size < SIMILAR_LIMIT) return { event, combined: false };
    return { event: { ...event, message: `(combined from similar events): ${text}` }, combined: true };
  }

  #mayTalk(event: Event): boolean {
    const { kind, namespace, name, uid } = event.involvedObject;
    const key = [event.source?.component, event.source?.host, kind, namespace, name, uid].join('\n');
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: SPAM_BURST, at: now };
    const tokens = Math.min(SPAM_BURST, bucket.tokens + (now - bucket.at) * SPAM_REFILL_PER_MS);
    remember(this.#buckets, key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    return tokens >= 1;
  }
}

/** What two events must share to be of one sort: all but the message. */
function similarityKey({ source, involvedObject: about, type, reason, reportingComponent }: Event): string {
  const of = [about.kind, about.namespace, about.name, about.uid, about.apiVersion, about.fieldPath];
  return [source?.component, source?.host, ...of, type, reason, reportingComponent].join('\n');
}

/** Keeps the newest entries; a Map lists its keys in the order of insertion. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value!);
}
