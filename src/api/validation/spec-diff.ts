/** Two specs side by side, for the errors that name a whole spec: a unified diff of their indented JSON, as apimachinery's diff.Diff writes. */

const CONTEXT = 3;
/** Beyond this many lines on a side the middle is shown as replaced whole: the answer stays quick and still true. */
const MAX_LINES = 2000;

interface Line {
  mark: ' ' | '-' | '+';
  text: string;
}

/** What turns `before` into `after`, in hunks with three lines around them; '' when they are the same. Keys are sorted: their order means nothing. */
export function specDiff(before: unknown, after: unknown): string {
  const lines = compare(pretty(before), pretty(after));
  return hunks(lines)
    .map(([start, end]) => hunkText(lines, start, end))
    .join('');
}

function pretty(value: unknown): string[] {
  return (JSON.stringify(sorted(value), null, 2) ?? 'null').split('\n');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** The longest common subsequence, after the common head and tail are set aside. */
function compare(a: readonly string[], b: readonly string[]): Line[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const same = (text: string): Line => ({ mark: ' ', text });
  const middle = changes(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return [...a.slice(0, head).map(same), ...middle, ...a.slice(a.length - tail).map(same)];
}

function changes(a: readonly string[], b: readonly string[]): Line[] {
  const whole = a.length > MAX_LINES || b.length > MAX_LINES;
  const common = whole ? [] : commonLengths(a, b);
  const compared = whole ? 0 : a.length;
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < compared && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({ mark: ' ', text: a[i]! });
      i++;
      j++;
    } else if (common[i + 1]![j]! >= common[i]![j + 1]!) lines.push({ mark: '-', text: a[i++]! });
    else lines.push({ mark: '+', text: b[j++]! });
  }
  while (i < a.length) lines.push({ mark: '-', text: a[i++]! });
  while (j < b.length) lines.push({ mark: '+', text: b[j++]! });
  return lines;
}

/** `[i][j]`: how many lines `a` from `i` and `b` from `j` have in common. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint16Array[] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i]![j] = a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  }
  return lengths;
}

/** Where hunks begin and end: changes that are near each other share one. */
function hunks(lines: readonly Line[]): [number, number][] {
  const found: [number, number][] = [];
  for (const [index, { mark }] of lines.entries()) {
    if (mark === ' ') continue;
    const last = found.at(-1);
    const end = Math.min(index + CONTEXT + 1, lines.length);
    if (last && index - CONTEXT <= last[1]) last[1] = end;
    else found.push([Math.max(index - CONTEXT, 0), end]);
  }
  return found;
}

function hunkText(lines: readonly Line[], start: number, end: number): string {
  const count = (from: number, to: number, other: Line['mark']): number =>
    lines.slice(from, to).filter(({ mark }) => mark !== other).length;
  const range = (other: Line['mark']): string => `${count(0, start, other) + 1},${count(start, end, other)}`;
  const body = lines.slice(start, end).map(({ mark, text }) => `${mark}${text}\n`);
  return `@@ -${range('+')} +${range('-')} @@\n${body.join('')}`;
}
