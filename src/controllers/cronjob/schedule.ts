/** Cron schedules, as robfig/cron's standard parser reads them: five fields, names, steps, and `@daily` and the like. */
import type { TimeZone } from './time-zone.ts';

export interface Schedule {
  /** The first time after `instant` (milliseconds since the epoch); undefined when there is none within five years. */
  next(instant: number): number | undefined;
}

/** Why a text is no schedule. */
export class ScheduleError extends Error {
  override name = 'ScheduleError';
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const HORIZON_MS = 5 * 366 * DAY_MS;

const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

interface FieldRange {
  name: string;
  min: number;
  max: number;
  names?: readonly string[];
}

const FIELDS: readonly FieldRange[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 6, names: DAYS },
];

/** Throws ScheduleError. */
export function parseSchedule(text: string, zone: TimeZone): Schedule {
  const spec = text.trim();
  if (spec === '') throw new ScheduleError('empty spec string');
  if (spec.startsWith('@every ')) return everySchedule(spec.slice('@every '.length));
  if (spec.startsWith('@') && !DESCRIPTORS[spec]) throw new ScheduleError(`unrecognized descriptor: ${spec}`);
  const parts = (DESCRIPTORS[spec] ?? spec).split(/\s+/);
  if (parts.length !== FIELDS.length) throw new ScheduleError(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`);
  const [minute, hour, dayOfMonth, month, dayOfWeek] = parts.map((part, i) => parseField(part, FIELDS[i]!));
  return new CronSchedule({ minute: minute!, hour: hour!, dayOfMonth: dayOfMonth!, month: month!, dayOfWeek: dayOfWeek! }, zone);
}

interface Field {
  values: ReadonlySet<number>;
  /** Given as `*` or `?`: says nothing about the day. */
  isAny: boolean;
}

function parseField(text: string, range: FieldRange): Field {
  const values = new Set<number>();
  let isAny = false;
  for (const part of text.split(',')) {
    const [span, step, ...more] = part.split('/');
    if (more.length > 0) throw new ScheduleError(`too many slashes: ${part}`);
    const { low, high, any } = parseSpan(span!, step !== undefined, range);
    const by = step === undefined ? 1 : parseNumber(step, range);
    if (by === 0) throw new ScheduleError(`step of range should be a positive number: ${part}`);
    if (low < range.min) throw new ScheduleError(`beginning of range (${low}) below minimum (${range.min}): ${part}`);
    if (high > range.max) throw new ScheduleError(`end of range (${high}) above maximum (${range.max}): ${part}`);
    if (low > high) throw new ScheduleError(`beginning of range (${low}) beyond end of range (${high}): ${part}`);
    for (let value = low; value <= high; value += by) values.add(value);
    if (any && by === 1) isAny = true;
  }
  return { values, isAny };
}

function parseSpan(text: string, hasStep: boolean, range: FieldRange): { low: number; high: number; any: boolean } {
  if (text === '*' || text === '?') return { low: range.min, high: range.max, any: true };
  const [first, last, ...more] = text.split('-');
  if (more.length > 0) throw new ScheduleError(`too many hyphens: ${text}`);
  const low = parseNumber(first!, range);
  // `3/15` is every 15th from the third on.
  if (last === undefined) return { low, high: hasStep ? range.max : low, any: false };
  return { low, high: parseNumber(last, range), any: false };
}

function parseNumber(text: string, { name, min, names = [] }: FieldRange): number {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + min;
  if (!/^\d+$/.test(text)) throw new ScheduleError(`failed to parse int from ${name} ${JSON.stringify(text)}`);
  return Number(text);
}

class CronSchedule implements Schedule {
  readonly #fields: Record<'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek', Field>;
  readonly #zone: TimeZone;

  constructor(fields: Record<'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek', Field>, zone: TimeZone) {
    this.#fields = fields;
    this.#zone = zone;
  }

  next(instant: number): number | undefined {
    const end = instant + HORIZON_MS;
    let at = instant - (instant % MINUTE_MS) + MINUTE_MS;
    while (at <= end) {
      const local = this.#zone.toLocal(at);
      const date = new Date(local);
      if (!this.#fields.month.values.has(date.getUTCMonth() + 1))
        at = this.#leap(at, Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1));
      else if (!this.#isDay(date)) at = this.#leap(at, local - (local % DAY_MS) + DAY_MS);
      // Within a day the steps are of real time, so that an hour that clocks show twice is found twice, and one they skip not at all.
      else if (!this.#fields.hour.values.has(date.getUTCHours())) at += HOUR_MS - (local % HOUR_MS);
      else if (!this.#fields.minute.values.has(date.getUTCMinutes())) at += MINUTE_MS;
      else return at;
    }
    return undefined;
  }

  #leap(from: number, toLocal: number): number {
    return Math.max(from + MINUTE_MS, this.#zone.toInstant(toLocal));
  }

  /** Two restrictions of the day mean either, as cron has always had it. */
  #isDay(date: Date): boolean {
    const { dayOfMonth, dayOfWeek } = this.#fields;
    const byMonth = dayOfMonth.values.has(date.getUTCDate());
    const byWeek = dayOfWeek.values.has(date.getUTCDay());
    return dayOfMonth.isAny || dayOfWeek.isAny ? byMonth && byWeek : byMonth || byWeek;
  }
}

const UNITS: Readonly<Record<string, number>> = { h: HOUR_MS, m: MINUTE_MS, s: 1000 };

/** `@every 1h30m`: from each time to the next, whole seconds, one at least. */
function everySchedule(text: string): Schedule {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|m|s)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text)
    throw new ScheduleError(`failed to parse duration @every ${text}`);
  let ms = 0;
  for (const [, count, unit] of parts) ms += Number(count) * UNITS[unit!]!;
  const step = Math.max(1000, ms - (ms % 1000));
  return { next: (instant) => instant - (instant % 1000) + step };
}
