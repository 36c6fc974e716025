/**
 * The scalar types whose text Go normalises when it reads and writes them. Each function gives the text back as it is when it is in
 * that form already, and throws RangeError in Go's words when it is none.
 */

const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const MICROS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const ANY_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** metav1.Time: RFC 3339 in UTC, whole seconds. */
export function canonicalTime(text: string): string {
  if (SECONDS.test(text) && isDate(text)) return text;
  return `${utcSeconds(text, '2006-01-02T15:04:05Z07:00').seconds}Z`;
}

/** metav1.MicroTime: RFC 3339 in UTC with six digits. Fewer or more digits are taken too, although upstream insists on six. */
export function canonicalMicroTime(text: string): string {
  if (MICROS.test(text) && isDate(text)) return text;
  const { seconds, fraction } = utcSeconds(text, '2006-01-02T15:04:05.000000Z07:00');
  return `${seconds}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}

function utcSeconds(text: string, layout: string): { seconds: string; fraction: string } {
  const match = ANY_TIME.exec(text);
  if (!match) throw new RangeError(`parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(text)} as "2006"`);
  const [, seconds, fraction = '', zone] = match as unknown as [string, string, string | undefined, string];
  if (!isDate(`${seconds}Z`)) throw new RangeError(`parsing time ${JSON.stringify(text)}: day out of range`);
  return { seconds: new Date(`${seconds}${zone}`).toISOString().slice(0, 19), fraction };
}

/** Whether the fields are in range; JavaScript alone would take February 30 for March 2. */
function isDate(utc: string): boolean {
  const time = Date.parse(utc);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 19) === utc.slice(0, 19);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** []byte: base64 with padding. Line breaks are dropped, as Go drops them. */
export function canonicalBase64(text: string): string {
  if (BASE64.test(text)) return text;
  const joined = text.replaceAll(/[\r\n]/g, '');
  if (BASE64.test(joined)) return joined;
  const bad = /[^A-Za-z0-9+/]/.exec(joined);
  throw new RangeError(`illegal base64 data at input byte ${bad ? bad.index : joined.length - (joined.length % 4)}`);
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** metav1.Duration in nanoseconds: Go's `1h2m3.5s`. */
export function parseDuration(text: string): bigint {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text);
  if (!match && text !== '0') throw new RangeError(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0n;
  for (const [, whole, fraction = '', unit] of (match?.[2] ?? '').matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += (BigInt(whole! + fraction || '0') * UNITS[unit!]!) / 10n ** BigInt(fraction.length);
  }
  return match?.[1] === '-' ? -total : total;
}

/** A duration as Go prints it: `90s` is `1m30s`. */
export function canonicalDuration(text: string): string {
  return formatDuration(parseDuration(text));
}

/** `nanoseconds` as Go prints a duration. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s';
  const sign = nanoseconds < 0n ? '-' : '';
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  if (size < 1_000_000_000n) {
    const [unit, scale] =
      size < 1_000n ? (['ns', 1n] as const) : size < 1_000_000n ? (['µs', 1_000n] as const) : (['ms', 1_000_000n] as const);
    return `${sign}${decimal(size, scale)}${unit}`;
  }
  const minutes = size / UNITS['m']!;
  const seconds = `${decimal(size % UNITS['m']!, UNITS['s']!)}s`;
  if (minutes === 0n) return sign + seconds;
  return `${sign}${minutes >= 60n ? `${minutes / 60n}h` : ''}${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, scale: bigint): string {
  const fraction = (value % scale)
    .toString()
    .padStart(scale.toString().length - 1, '0')
    .replace(/0+$/, '');
  return scale === 1n || fraction === '' ? String(value / scale) : `${value / scale}.${fraction}`;
}
