/** Spans of time as `kubectl get` shows them: two units while they matter, one when they do not (apimachinery's HumanDuration). */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** `milliseconds` as text: `45s`, `3m5s`, `25m`, `3h20m`, `30h`, `5d3h`, `90d`, `2y30d`. A clock that is off by up to two seconds is forgiven. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / SECOND);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (milliseconds < 2 * MINUTE) return `${seconds}s`;
  if (milliseconds < 10 * MINUTE) return inUnits(milliseconds, MINUTE, 'm', SECOND, 's');
  if (milliseconds < 3 * HOUR) return `${Math.floor(milliseconds / MINUTE)}m`;
  if (milliseconds < 8 * HOUR) return inUnits(milliseconds, HOUR, 'h', MINUTE, 'm');
  if (milliseconds < 2 * DAY) return `${Math.floor(milliseconds / HOUR)}h`;
  if (milliseconds < 8 * DAY) return inUnits(milliseconds, DAY, 'd', HOUR, 'h');
  if (milliseconds < 2 * YEAR) return `${Math.floor(milliseconds / DAY)}d`;
  if (milliseconds < 8 * YEAR) return inUnits(milliseconds, YEAR, 'y', DAY, 'd');
  return `${Math.floor(milliseconds / YEAR)}y`;
}

/** Time since an RFC 3339 timestamp; `<unknown>` where there is none. */
export function since(timestamp: string | undefined | null, now: number): string {
  return timestamp ? humanDuration(now - Date.parse(timestamp)) : '<unknown>';
}

function inUnits(milliseconds: number, unit: number, name: string, smaller: number, smallerName: string): string {
  const rest = Math.floor((milliseconds % unit) / smaller);
  return `${Math.floor(milliseconds / unit)}${name}${rest === 0 ? '' : `${rest}${smallerName}`}`;
}
