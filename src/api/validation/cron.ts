/** Cron schedules: five fields or a descriptor, as robfig/cron's standard parser takes them. */

const DESCRIPTORS = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const FIELDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];

/** What is wrong with a schedule; undefined when nothing is. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(?:CRON_)?TZ=\S+\s+/, '').trim();
  if (text.startsWith('@every '))
    return /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text.slice(7))
      ? undefined
      : `failed to parse duration ${text}: time: invalid duration "${text.slice(7)}"`;
  if (text.startsWith('@')) return DESCRIPTORS.has(text) ? undefined : `unrecognized descriptor: ${text}`;
  const fields = text.split(/\s+/).filter(Boolean);
  if (fields.length !== FIELDS.length) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [index, field] of fields.entries()) {
    for (const part of field.split(',')) {
      const problem = rangeProblem(part, FIELDS[index]!);
      if (problem) return problem;
    }
  }
  return undefined;
}

/** `*`, `5`, `1-5`, any of them with a step. */
function rangeProblem(text: string, bounds: Bounds): string | undefined {
  const [range, step, ...slashes] = text.split('/');
  if (slashes.length > 0) return `too many slashes: ${text}`;
  const [low, high, ...hyphens] = range!.split('-');
  if (hyphens.length > 0) return `too many hyphens: ${text}`;
  if (low !== '*' && low !== '?') {
    const problem = boundProblem(low!, high, text, bounds);
    if (problem) return problem;
  }
  if (step === undefined) return undefined;
  if (!/^\d+$/.test(step)) return notANumber(step);
  return Number(step) === 0 ? `step of range should be a positive number: ${text}` : undefined;
}

function boundProblem(low: string, high: string | undefined, text: string, bounds: Bounds): string | undefined {
  const start = numberOf(low, bounds);
  if (start === undefined) return notANumber(low);
  const end = high === undefined ? start : numberOf(high, bounds);
  if (end === undefined) return notANumber(high!);
  if (start < bounds.min) return `beginning of range (${start}) below minimum (${bounds.min}): ${text}`;
  if (end > bounds.max) return `end of range (${end}) above maximum (${bounds.max}): ${text}`;
  return start > end ? `beginning of range (${start}) beyond end of range (${end}): ${text}` : undefined;
}

function numberOf(text: string, { names, min }: Bounds): number | undefined {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + min;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function notANumber(text: string): string {
  return `failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`;
}
