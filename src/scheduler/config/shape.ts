/** Which fields a configuration file may have and what may stand in them, so that a typo is an error that names it. */

export type Kind = 'text' | 'bool' | 'int' | 'duration' | 'any' | { list: Kind } | { object: Shape };
export type Shape = Readonly<Record<string, Kind>>;

/** Adds to `findings` what does not fit: `unknown field "profiles[0].plugin"`, `parallelism: Invalid value: "x": must be an integer`. */
export function checkShape(value: unknown, kind: Kind, path: string, findings: string[]): void {
  const wrong = (what: string): void => void findings.push(`${path}: Invalid value: ${JSON.stringify(value)}: must be ${what}`);
  if (kind === 'any' || value === undefined || value === null) return;
  if (kind === 'text') {
    if (typeof value !== 'string') wrong('a string');
  } else if (kind === 'bool') {
    if (typeof value !== 'boolean') wrong('a boolean');
  } else if (kind === 'int') {
    if (!Number.isInteger(value)) wrong('an integer');
  } else if (kind === 'duration') {
    if (typeof value !== 'string' || durationMs(value) === undefined) wrong('a duration such as 15s');
  } else if ('list' in kind) {
    if (!Array.isArray(value)) return wrong('a list');
    for (const [index, each] of value.entries()) checkShape(each, kind.list, `${path}[${index}]`, findings);
  } else {
    if (typeof value !== 'object' || Array.isArray(value)) return wrong('an object');
    for (const [field, each] of Object.entries(value)) {
      const at = path ? `${path}.${field}` : field;
      const expected = Object.hasOwn(kind.object, field) ? kind.object[field] : undefined;
      if (expected === undefined) findings.push(`unknown field "${at}"`);
      else checkShape(each, expected, at, findings);
    }
  }
}

const UNITS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of Go's notation (`1m30s`); undefined when it is none. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit!]!,
    0,
  );
}
