import type { Schedule } from './schedule.ts';

/** Upstream's limit: more than so many missed times point to a clock that jumped. */
const MANY = 100;

export interface Due {
  /** The latest time that has come, in milliseconds since the epoch. */
  at: number | undefined;
  /** How many earlier ones were passed over. */
  missed: 'none' | 'few' | 'many';
}

/** The latest scheduled time after `since` and not after `now`; earlier ones that were missed are not made up for. */
export function latestDue(schedule: Schedule, since: number, now: number): Due {
  const first = schedule.next(since);
  if (first === undefined || first > now) return { at: undefined, missed: 'none' };
  const second = schedule.next(first);
  if (second === undefined || second > now) return { at: first, missed: 'none' };
  // Looking back in growing steps finds the latest without walking through years of minutes.
  let at = second;
  for (let span = second - first; now - span > second; span *= 2) {
    const found = schedule.next(now - span);
    if (found === undefined || found > now) continue;
    at = found;
    break;
  }
  for (let next = schedule.next(at); next !== undefined && next <= now; next = schedule.next(next)) at = next;
  return { at, missed: (at - first) / (second - first) >= MANY ? 'many' : 'few' };
}
