/** Wall-clock time in a time zone, from the tables that Intl has. */

/** Throws RangeError for a zone that nobody knows. Without a name it is the zone of this process. */
export function timeZone(name?: string): TimeZone {
  return new TimeZone(name);
}

/** A wall-clock time, as milliseconds since the epoch if it were UTC: arithmetic on dates needs no zone then. */
export type LocalMs = number;

const FORMAT = {
  hourCycle: 'h23',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const;
const MINUTE_MS = 60_000;

export class TimeZone {
  readonly #format: Intl.DateTimeFormat;

  constructor(name: string | undefined) {
    this.#format = new Intl.DateTimeFormat('en-US', { ...FORMAT, ...(name ? { timeZone: name } : {}) });
  }

  toLocal(instant: number): LocalMs {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instant)) part[type] = Number(value);
    const seconds = Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']);
    return seconds + (((instant % 1000) + 1000) % 1000);
  }

  /** The first instant at which clocks show `local`; when clocks skip it, the instant at which they do. */
  toInstant(local: LocalMs): number {
    // No zone is further from UTC than 14 hours, and none changes twice in two days.
    const before = this.toLocal(local - 86_400_000) - (local - 86_400_000);
    const after = this.toLocal(local + 86_400_000) - (local + 86_400_000);
    const candidates = [local - before, local - after].toSorted((a, b) => a - b);
    const exact = candidates.find((instant) => this.toLocal(instant) === local);
    return exact ?? this.#gapBefore(candidates[1]!);
  }

  /** The start of the time after a gap, to the minute. */
  #gapBefore(instant: number): number {
    let at = instant - (instant % MINUTE_MS);
    const offset = (when: number): number => this.toLocal(when) - when;
    while (offset(at - MINUTE_MS) === offset(instant)) at -= MINUTE_MS;
    return at;
  }

  /** `2026-01-01T01:00:00+01:00`, `Z` where clocks show UTC; to the second (RFC 3339). */
  format(instant: number): string {
    const local = this.toLocal(instant);
    const minutes = Math.round((local - instant) / MINUTE_MS);
    const two = (count: number): string => String(Math.floor(count)).padStart(2, '0');
    const offset = `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
    return `${new Date(local).toISOString().slice(0, 19)}${minutes === 0 ? 'Z' : offset}`;
  }
}
