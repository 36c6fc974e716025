import { statusError } from '../../api/status.ts';
import { errorMessage } from '../../lib/errors.ts';
import { Entry } from './entry.ts';
import type { CacheEvent } from './resource-cache.ts';

const NOTHING = new Uint8Array();

/**
 * An object whose stored value cannot be read, because the key that it was encrypted with is not here. It has a name and a revision; who
 * asks for more is told why there is no more (500, in upstream's words). Lists of its resource fail as upstream's do, others do not.
 */
export class UnreadableEntry extends Entry {
  readonly #fields: { key: string; namespace: string; name: string };
  readonly #reason: unknown;

  constructor(fields: { key: string; namespace: string; name: string; revision: number }, reason: unknown) {
    super({ ...fields, stored: NOTHING }, () => {
      throw unreadable(reason);
    });
    this.#fields = fields;
    this.#reason = reason;
  }

  override storesSame(): boolean {
    return false;
  }

  override at(revision: number): Entry {
    return new UnreadableEntry({ ...this.#fields, revision }, this.#reason);
  }
}

export function isReadable(entry: Entry): boolean {
  return !(entry instanceof UnreadableEntry);
}

/** The events that can be shown to those who watch. A value that became readable again is a new object to them. */
export function readableEvents(events: readonly CacheEvent[]): readonly CacheEvent[] {
  if (events.every(({ entry, previous }) => isReadable(entry) && (!previous || isReadable(previous)))) return events;
  return events.flatMap((event): CacheEvent[] => {
    const { entry, previous, revision } = event;
    if (!isReadable(entry)) return [];
    if (!previous || isReadable(previous)) return [event];
    return event.type === 'DELETED' ? [] : [{ type: 'ADDED', entry, revision }];
  });
}

function unreadable(reason: unknown): Error {
  return statusError('InternalError', `Internal error occurred: ${errorMessage(reason)}`);
}
