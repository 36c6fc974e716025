/** echo, printf, test, sleep and other small ones. */
import type { Program } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { durationMs } from './arguments.ts';
import { absolute, complain } from './files-of.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  e: '\u001b',
};

const echo: Program = async ({ argv, stdout }) => {
  let at = 1;
  let newline = true;
  let escapes = false;
  for (; /^-[neE]+$/.test(argv[at] ?? ''); at++) {
    if (argv[at]!.includes('n')) newline = false;
    if (argv[at]!.includes('e')) escapes = true;
  }
  const text = argv.slice(at).join(' ');
  await stdout.write((escapes ? unescape(text) : text) + (newline ? '\n' : ''));
  return 0;
};

function unescape(text: string): string {
  return text.replaceAll(
    /\\(?:0([0-7]{0,3})|x([0-9a-fA-F]{1,2})|([0-7]{3})|(.))/g,
    (whole, octal?: string, hex?: string, plain?: string, letter?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      const number = octal ?? plain;
      if (number !== undefined) return String.fromCharCode(Number.parseInt(number || '0', 8));
      return ESCAPES[letter ?? ''] ?? whole;
    },
  );
}

/** The format is used again until there are no arguments left. */
const printf: Program = async (process) => {
  const [, format, ...values] = process.argv;
  if (format === undefined) {
    await process.stderr.write('usage: printf FORMAT [ARGUMENT]...\n');
    return 1;
  }
  let rest = values;
  let text = '';
  do {
    const before = rest.length;
    const filled = fill(format, rest);
    text += filled.text;
    rest = filled.rest;
    if (rest.length === before) break;
  } while (rest.length > 0);
  await process.stdout.write(text);
  return 0;
};

function fill(format: string, values: readonly string[]): { text: string; rest: string[] } {
  const rest = [...values];
  const text = unescape(format).replaceAll(
    /%(?:%|([-+ 0#]*)(\d+|\*)?(?:\.(\d+))?([sdiuxXoqcbfeg]))/g,
    (whole, flags?: string, width?: string, precision?: string, type?: string) => {
      if (whole === '%%') return '%';
      const wide = width === '*' ? Number(rest.shift() ?? 0) : Number(width ?? 0);
      const shown = formatted(rest.shift() ?? '', type!, precision === undefined ? undefined : Number(precision));
      if (flags!.includes('-')) return shown.padEnd(wide);
      return shown.padStart(wide, flags!.includes('0') && type !== 's' ? '0' : ' ');
    },
  );
  return { text, rest };
}

function formatted(value: string, type: string, precision: number | undefined): string {
  switch (type) {
    case 's':
      return value.slice(0, precision ?? value.length);
    case 'b':
      return unescape(value);
    case 'q':
      return `'${value.replaceAll("'", String.raw`'\''`)}'`;
    case 'c':
      return value.slice(0, 1);
    case 'x':
      return Number(value).toString(16);
    case 'X':
      return Number(value).toString(16).toUpperCase();
    case 'o':
      return Number(value).toString(8);
    case 'f':
      return Number(value).toFixed(precision ?? 6);
    case 'e':
      return Number(value).toExponential(precision ?? 6);
    case 'g':
      return String(Number(value));
    default:
      return String(Math.trunc(Number(value.startsWith("'") ? value.codePointAt(1) : value) || 0));
  }
}

const sleep: Program = async (process) => {
  let total = 0;
  for (const text of process.argv.slice(1)) {
    const ms = durationMs(text);
    if (ms === undefined) {
      await complain(process, `invalid number '${text}'`);
      return 1;
    }
    total += ms;
  }
  if (total === Number.POSITIVE_INFINITY) return new Promise<number>(() => undefined);
  await process.sleep(total);
  return 0;
};

/** `test` and `[`. */
const test: Program = async (process) => {
  const { argv } = process;
  const words = argv.slice(1);
  if (argv[0] === '[' && words.pop() !== ']') {
    await process.stderr.write('sh: [: missing ]\n');
    return 2;
  }
  try {
    const expression = new TestExpression(words, process);
    const value = words.length === 0 ? false : await expression.or();
    if (!expression.done) throw new SyntaxError(`${words.at(-1)}: unknown operand`);
    return value ? 0 : 1;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    await process.stderr.write(`sh: ${error.message}\n`);
    return 2;
  }
};

const BINARY: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '-eq': (a, b) => whole(a) === whole(b),
  '-ne': (a, b) => whole(a) !== whole(b),
  '-lt': (a, b) => whole(a) < whole(b),
  '-le': (a, b) => whole(a) <= whole(b),
  '-gt': (a, b) => whole(a) > whole(b),
  '-ge': (a, b) => whole(a) >= whole(b),
};

function whole(text: string): number {
  if (!/^\s*-?\d+\s*$/.test(text)) throw new SyntaxError(`${text}: bad number`);
  return Number(text);
}

class TestExpression {
  readonly #words: readonly string[];
  readonly #process: SimProcess;
  #at = 0;

  constructor(words: readonly string[], process: SimProcess) {
    this.#words = words;
    this.#process = process;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  async or(): Promise<boolean> {
    let value = await this.#and();
    while (this.#take('-o')) value = (await this.#and()) || value;
    return value;
  }

  async #and(): Promise<boolean> {
    let value = await this.#not();
    while (this.#take('-a')) value = (await this.#not()) && value;
    return value;
  }

  async #not(): Promise<boolean> {
    if (this.#words.length - this.#at > 1 && this.#take('!')) return !(await this.#not());
    return this.#primary();
  }

  async #primary(): Promise<boolean> {
    const [first = '', second = '', third] = this.#words.slice(this.#at, this.#at + 3);
    if (first === '(' && this.#take('(')) {
      const value = await this.or();
      if (!this.#take(')')) throw new SyntaxError('closing paren expected');
      return value;
    }
    const binary = third === undefined ? undefined : BINARY[second];
    if (binary) {
      this.#at += 3;
      return binary(first, third!);
    }
    if (/^-[a-zA-Z]$/.test(first) && this.#words.length - this.#at > 1) {
      this.#at += 2;
      return this.#unary(first, second);
    }
    this.#at += 1;
    return first !== '';
  }

  async #unary(operator: string, value: string): Promise<boolean> {
    if (operator === '-z') return value === '';
    if (operator === '-n') return value !== '';
    if (operator === '-t') return (value === '0' ? this.#process.stdin : value === '1' ? this.#process.stdout : this.#process.stderr).isTty;
    const { files } = this.#process.world;
    const file = absolute(this.#process, value);
    const info = await files.stat(file);
    switch (operator) {
      case '-e':
      case '-r':
      case '-a':
        return info !== undefined;
      case '-f':
        return info?.type === 'file';
      case '-d':
        return info?.type === 'directory';
      case '-s':
        return (info?.size ?? 0) > 0;
      case '-w':
        return info !== undefined && files.writable(file);
      case '-x':
        return info !== undefined && (info.type === 'directory' || (info.mode & 0o111) !== 0);
      case '-L':
      case '-h':
      case '-S':
      case '-p':
      case '-b':
      case '-c':
        return false;
      default:
        throw new SyntaxError(`${operator}: unknown operand`);
    }
  }

  #take(word: string): boolean {
    if (this.#words[this.#at] !== word) return false;
    this.#at++;
    return true;
  }
}

const yes: Program = async (process) => {
  const line = `${process.argv.slice(1).join(' ') || 'y'}\n`;
  const { clock, cpu } = process.world;
  for (let count = 1, since = clock.monotonic(); ; count++) {
    await process.stdout.write(line);
    if (count % 1000 !== 0) continue;
    await process.sleep(1);
    // It never waits for anything: one core, all the time.
    const now = clock.monotonic();
    cpu.charge(now - since);
    since = now;
  }
};

const seq: Program = async (process) => {
  const numbers = process.argv.slice(1).map(Number);
  const [first, step, last] =
    numbers.length === 1
      ? [1, 1, numbers[0]!]
      : numbers.length === 2
        ? [numbers[0]!, 1, numbers[1]!]
        : [numbers[0] ?? 0, numbers[1] ?? 1, numbers[2] ?? 0];
  if (numbers.some(Number.isNaN) || step === 0 || numbers.length === 0) {
    await complain(process, 'invalid number');
    return 1;
  }
  for (let value = first; step > 0 ? value <= last : value >= last; value += step) await process.stdout.write(`${value}\n`);
  return 0;
};

const expr: Program = async (process) => {
  const [, a = '', operator, b = ''] = process.argv;
  const value = operator === undefined ? a : exprValue(a, operator, b);
  await process.stdout.write(`${value}\n`);
  return value === '' || value === '0' ? 1 : 0;
};

function exprValue(a: string, operator: string, b: string): string {
  const [x, y] = [Number(a), Number(b)];
  switch (operator) {
    case '+':
      return String(x + y);
    case '-':
      return String(x - y);
    case '*':
      return String(x * y);
    case '/':
      return String(Math.trunc(x / y));
    case '%':
      return String(x % y);
    default:
      return String(Number((BINARY[operator] ?? (() => false))(a, b)));
  }
}

export const BASICS: readonly (readonly [string, Program])[] = [
  ['[', test],
  ['echo', echo],
  ['expr', expr],
  ['false', () => 1],
  ['printf', printf],
  ['seq', seq],
  ['sleep', sleep],
  ['test', test],
  ['true', () => 0],
  ['yes', yes],
];
