/** Programs that read text and write text. */
import { type Input, linesOf, readAll } from '../io.ts';
import type { Program } from '../model.ts';
import { findProgram, type SimProcess } from '../process.ts';
import { parseArguments } from './arguments.ts';
import { absolute, complain, eachInput } from './files-of.ts';

const cat: Program = async (process) => {
  const { operands, flags } = parseArguments(process.argv, { known: 'nuvtAe' });
  let number = 0;
  const fine = await eachInput(process, operands, async (input) => {
    if (flags.has('n'))
      for await (const line of linesOf(input, process.killed)) await process.stdout.write(`${String(++number).padStart(6)}  ${line}\n`);
    else
      for (let chunk = await input.read(process.killed); chunk; chunk = await input.read(process.killed)) await process.stdout.write(chunk);
  });
  return fine ? 0 : 1;
};

/** `-5` is `-n 5`. */
function withCount(argv: readonly string[]): string[] {
  return argv.map((word) => word.replace(/^-(\d+)$/, '-n$1'));
}

const head: Program = async (process) => {
  const { operands, value } = parseArguments(withCount(process.argv), { known: 'q', valued: 'nc', long: { lines: 'n', bytes: 'c' } });
  const bytes = value('c');
  const fine = await eachInput(process, operands, async (input) => {
    if (bytes !== undefined) return await process.stdout.write((await readAll(input, process.killed)).subarray(0, Number(bytes)));
    let left = Number(value('n') ?? 10);
    if (left > 0)
      for await (const line of linesOf(input, process.killed)) {
        await process.stdout.write(`${line}\n`);
        if (--left <= 0) break;
      }
    input.close();
  });
  return fine ? 0 : 1;
};

const FOLLOW_MS = 500;

const tail: Program = async (process) => {
  const { operands, flags, value } = parseArguments(withCount(process.argv), {
    known: 'fFqv',
    valued: 'nc',
    long: { lines: 'n', bytes: 'c', follow: 'f' },
  });
  const count = value('n') ?? '10';
  const seen = new Map<string, number>();
  const fine = await eachInput(process, operands, async (input, name) => {
    const bytes = await readAll(input, process.killed);
    seen.set(name, bytes.length);
    if (value('c') !== undefined) return await process.stdout.write(bytes.subarray(-Number(value('c'))));
    const lines = bytes.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    const shown = count.startsWith('+') ? lines.slice(Number(count) - 1) : Number(count) === 0 ? [] : lines.slice(-Number(count));
    for (const line of shown) await process.stdout.write(`${line}\n`);
  });
  if (flags.has('f') || flags.has('F')) await follow(process, seen);
  return fine ? 0 : 1;
};

/** As busybox's: looks at the size now and then. /dev/null never grows: nothing is looked at. */
async function follow(process: SimProcess, seen: Map<string, number>): Promise<never> {
  const files = [...seen.keys()].filter((name) => name !== '-' && absolute(process, name) !== '/dev/null');
  if (files.length === 0) return new Promise<never>(() => undefined);
  for (;;) {
    await process.sleep(FOLLOW_MS);
    for (const name of files) {
      const file = absolute(process, name);
      const size = (await process.world.files.stat(file))?.size ?? 0;
      if (size > seen.get(name)!) await process.stdout.write((await process.world.files.read(file)).subarray(seen.get(name)));
      seen.set(name, size);
    }
  }
}

const wc: Program = async (process) => {
  const { operands, flags } = parseArguments(process.argv, { known: 'lwcm' });
  const shown = flags.size > 0 ? flags : new Set(['l', 'w', 'c']);
  const fine = await eachInput(process, operands, async (input, name) => {
    const bytes = await readAll(input, process.killed);
    const text = bytes.toString('utf8');
    const counts = { l: text.split('\n').length - 1, w: text.split(/\s+/).filter(Boolean).length, c: bytes.length, m: text.length };
    const numbers = (['l', 'w', 'c', 'm'] as const).filter((letter) => shown.has(letter)).map((letter) => counts[letter]);
    const columns = numbers.length === 1 ? String(numbers[0]) : numbers.map((count) => String(count).padStart(9)).join(' ');
    await process.stdout.write(`${columns}${name === '-' ? '' : ` ${name}`}\n`);
  });
  return fine ? 0 : 1;
};

const grep: Program = async (process) => {
  const parsed = parseArguments(process.argv, { known: 'ivncqlhHEFowxrsL', valued: 'eABCm' });
  const { flags, operands } = parsed;
  const given = parsed.values('e');
  const patterns = given.length > 0 ? given : operands.slice(0, 1);
  const names = given.length > 0 ? operands : operands.slice(1);
  const sources = patterns.map((pattern) => (flags.has('F') ? escapeRegExp(pattern) : flags.has('E') ? pattern : basicToExtended(pattern)));
  const whole = flags.has('x') ? `^(?:${sources.join('|')})$` : flags.has('w') ? `\\b(?:${sources.join('|')})\\b` : sources.join('|');
  const pattern = new RegExp(posixClasses(whole), flags.has('i') ? 'gi' : 'g');
  let found = false;
  const fine = await eachInput(process, names, async (input, name) => {
    const prefix = (names.length > 1 && !flags.has('h')) || flags.has('H') ? `${name}:` : '';
    let [count, number] = [0, 0];
    for await (const line of linesOf(input, process.killed)) {
      number++;
      pattern.lastIndex = 0;
      if (pattern.test(line) === flags.has('v')) continue;
      found = true;
      count++;
      if (flags.has('q') || flags.has('l')) break;
      if (flags.has('c')) continue;
      const shown = flags.has('o') ? (line.match(pattern) ?? []) : [line];
      for (const text of shown) await process.stdout.write(`${prefix}${flags.has('n') ? `${number}:` : ''}${text}\n`);
    }
    if (flags.has('l') && count > 0) await process.stdout.write(`${name}\n`);
    if (flags.has('c')) await process.stdout.write(`${prefix}${count}\n`);
  });
  return fine || flags.has('s') ? (found ? 0 : 1) : 2;
};

/** In basic expressions `+?(){}|` have their meaning only behind a backslash. */
function basicToExtended(pattern: string): string {
  return pattern.replaceAll(/\\([+?(){}|])|([+?(){}|])/g, (_, meant?: string, literal?: string) => meant ?? `\\${literal}`);
}

function posixClasses(source: string): string {
  return source
    .replaceAll('[:space:]', '\\s')
    .replaceAll('[:digit:]', '0-9')
    .replaceAll('[:alpha:]', 'a-zA-Z')
    .replaceAll('[:alnum:]', 'a-zA-Z0-9')
    .replaceAll('[:upper:]', 'A-Z')
    .replaceAll('[:lower:]', 'a-z');
}

const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

const sed: Program = async (process) => {
  const parsed = parseArguments(process.argv, { known: 'nEri', valued: 'e' });
  const given = parsed.values('e');
  const scripts = given.length > 0 ? given : parsed.operands.slice(0, 1);
  const names = given.length > 0 ? parsed.operands : parsed.operands.slice(1);
  const extended = parsed.flags.has('E') || parsed.flags.has('r');
  const edits = scripts
    .flatMap((script) => script.split(/\n|;(?=\s*(?:\d|\$|\/|[spd]))/).filter((text) => text.trim() !== ''))
    .map((text) => sedCommand(text.trim(), extended));
  if (edits.some((edit) => !edit)) {
    await complain(process, `unsupported command in '${scripts.join(';')}': only s, p, d and q are modelled`);
    return 1;
  }
  const inPlace = parsed.flags.has('i');
  const fine = await eachInput(process, names, async (input, name) => {
    const out: string[] = [];
    let number = 0;
    for await (const line of linesOf(input, process.killed)) {
      const result = applySed(line, ++number, edits as SedCommand[], parsed.flags.has('n'));
      if (inPlace) out.push(...result.lines);
      else for (const text of result.lines) await process.stdout.write(`${text}\n`);
      if (result.quit) break;
    }
    if (inPlace && name !== '-') await process.world.files.write(absolute(process, name), out.map((line) => `${line}\n`).join(''));
  });
  return fine ? 0 : 1;
};

interface SedCommand {
  matches(line: string, number: number): boolean;
  kind: 's' | 'p' | 'd' | 'q';
  pattern?: RegExp;
  replacement?: string;
  print?: boolean;
}

function sedCommand(text: string, extended: boolean): SedCommand | undefined {
  const match = /^(?:(\d+)(?:,(\d+|\$))?|\/((?:[^/\\]|\\.)*)\/)?\s*(?:([pdq])|s(.)(.*))$/.exec(text);
  if (!match) return undefined;
  const [, from, to, address, simple, separator, rest] = match;
  const source = (pattern: string): string => posixClasses(extended ? pattern : basicToExtended(pattern));
  const lines = address === undefined ? undefined : new RegExp(source(address));
  const matches = (line: string, number: number): boolean =>
    lines ? lines.test(line) : from === undefined || (number >= Number(from) && number <= (to === '$' ? number : Number(to ?? from)));
  if (simple) return { matches, kind: simple as 'p' | 'd' | 'q' };
  const parts = rest!.split(new RegExp(`(?<!\\\\)${escapeRegExp(separator!)}`));
  if (parts.length !== 3) return undefined;
  const [pattern, replacement, options] = parts as [string, string, string];
  const unquoted = (part: string): string => part.replaceAll(`\\${separator}`, separator!);
  const flags = `${options.includes('g') ? 'g' : ''}${/i/i.test(options) ? 'i' : ''}`;
  return {
    matches,
    kind: 's',
    pattern: new RegExp(source(unquoted(pattern)), flags),
    replacement: jsReplacement(unquoted(replacement)),
    print: options.includes('p'),
  };
}

/** `&` and `\1` in the words of JavaScript. */
function jsReplacement(text: string): string {
  return text
    .replaceAll('$', '$$$$')
    .replaceAll(/\\(\d)|\\n|\\(.)|&/g, (whole, group?: string, literal?: string) =>
      group ? `$${group}` : whole === '\\n' ? '\n' : (literal ?? '$&'),
    );
}

function applySed(line: string, number: number, edits: readonly SedCommand[], quiet: boolean): { lines: string[]; quit: boolean } {
  const lines: string[] = [];
  let text = line;
  for (const { matches, kind, pattern, replacement, print } of edits) {
    if (!matches(text, number)) continue;
    if (kind === 'd') return { lines, quit: false };
    if (kind === 'q') return { lines: [...lines, ...(quiet ? [] : [text])], quit: true };
    if (kind === 'p') lines.push(text);
    else {
      const changed = text.replace(pattern!, replacement!);
      if (print && changed !== text) lines.push(changed);
      text = changed;
    }
  }
  return { lines: quiet ? lines : [...lines, text], quit: false };
}

const cut: Program = async (process) => {
  const { operands, value, flags } = parseArguments(process.argv, { known: 's', valued: 'dfc' });
  const ranges = (value('f') ?? value('c') ?? '').split(',').map((text) => text.split('-'));
  const chosen = (at: number): boolean =>
    ranges.some(
      ([from, to]) =>
        at >= Number(from || 1) && at <= (to === undefined ? Number(from) : to === '' ? Number.POSITIVE_INFINITY : Number(to)),
    );
  const separator = value('c') === undefined ? (value('d') ?? '\t') : '';
  const fine = await eachInput(process, operands, async (input) => {
    for await (const line of linesOf(input, process.killed)) {
      const parts = line.split(separator);
      if (parts.length === 1 && separator !== '') {
        if (!flags.has('s')) await process.stdout.write(`${line}\n`);
      } else await process.stdout.write(`${parts.filter((_, at) => chosen(at + 1)).join(separator)}\n`);
    }
  });
  return fine ? 0 : 1;
};

const sort: Program = async (process) => {
  const { operands, flags, value } = parseArguments(process.argv, { known: 'nrufbs', valued: 'kt' });
  const lines: string[] = [];
  const fine = await eachInput(process, operands, async (input) => {
    for await (const line of linesOf(input, process.killed)) lines.push(line);
  });
  const column = Number.parseInt(value('k') ?? '0', 10);
  const keyOf = (line: string): string => (column > 0 ? (line.split(value('t') ?? /\s+/)[column - 1] ?? '') : line);
  const compare = (a: string, b: string): number =>
    flags.has('n') ? (Number.parseFloat(a) || 0) - (Number.parseFloat(b) || 0) : a < b ? -1 : a > b ? 1 : 0;
  let sorted = lines.toSorted((a, b) => compare(keyOf(a), keyOf(b)));
  if (flags.has('r')) sorted = sorted.toReversed();
  if (flags.has('u')) sorted = sorted.filter((line, at) => at === 0 || keyOf(line) !== keyOf(sorted[at - 1]!));
  for (const line of sorted) await process.stdout.write(`${line}\n`);
  return fine ? 0 : 1;
};

const uniq: Program = async (process) => {
  const { operands, flags } = parseArguments(process.argv, { known: 'cdu' });
  const show = async (line: string, count: number): Promise<void> => {
    if ((flags.has('d') && count < 2) || (flags.has('u') && count > 1)) return;
    await process.stdout.write(`${flags.has('c') ? `${String(count).padStart(7)} ` : ''}${line}\n`);
  };
  const fine = await eachInput(process, operands, async (input) => {
    let last: string | undefined;
    let count = 0;
    for await (const line of linesOf(input, process.killed)) {
      if (last !== undefined && line !== last) await show(last, count);
      count = line === last ? count + 1 : 1;
      last = line;
    }
    if (last !== undefined) await show(last, count);
  });
  return fine ? 0 : 1;
};

const tr: Program = async (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'dsc' });
  const from = characters(operands[0] ?? '');
  const to = characters(operands[1] ?? '');
  const text = (await readAll(process.stdin, process.killed)).toString('utf8');
  const inSet = (char: string): boolean => from.includes(char) !== flags.has('c');
  let out = '';
  for (const char of text) {
    if (!inSet(char)) out += char;
    else if (!flags.has('d')) {
      const mapped = operands.length < 2 ? char : (to[Math.min(flags.has('c') ? to.length : from.indexOf(char), to.length - 1)] ?? char);
      if (!(flags.has('s') && out.endsWith(mapped))) out += mapped;
    }
  }
  await process.stdout.write(out);
  return 0;
};

function characters(set: string): string[] {
  const plain = posixClasses(set.replaceAll('[:', '[:'))
    .replaceAll(/\[(.*?)\](?=$|[^\]])/g, '$1')
    .replaceAll('\\n', '\n')
    .replaceAll('\\t', '\t')
    .replaceAll('\\s', ' \t\n')
    .replaceAll('\\\\', '\\');
  return [
    ...plain.replaceAll(/(.)-(.)/g, (_, first: string, last: string) => {
      let range = '';
      for (let code = first.codePointAt(0)!; code <= last.codePointAt(0)!; code++) range += String.fromCodePoint(code);
      return range;
    }),
  ];
}

const tee: Program = async (process) => {
  const { operands, flags } = parseArguments(process.argv, { known: 'ai' });
  const files = operands.map((name) => absolute(process, name));
  if (!flags.has('a')) for (const file of files) await process.world.files.write(file, '');
  for (let chunk = await process.stdin.read(process.killed); chunk; chunk = await process.stdin.read(process.killed)) {
    await process.stdout.write(chunk);
    for (const file of files) await process.world.files.write(file, chunk, { append: true });
  }
  return 0;
};

const base64: Program = async (process) => {
  const { operands, flags } = parseArguments(process.argv, { known: 'di', valued: 'w', long: { decode: 'd' } });
  const fine = await eachInput(process, operands, async (input) => {
    const bytes = await readAll(input, process.killed);
    if (flags.has('d')) return await process.stdout.write(Buffer.from(bytes.toString('latin1'), 'base64'));
    const width = Number(parseArguments(process.argv, { known: 'di', valued: 'w' }).value('w') ?? 76);
    const text = bytes.toString('base64');
    await process.stdout.write(width > 0 ? text.replaceAll(new RegExp(`.{1,${width}}`, 'g'), '$&\n') : text);
  });
  return fine ? 0 : 1;
};

const xargs: Program = async (process) => {
  const { operands, value } = parseArguments(process.argv, { known: 'rt0', valued: 'nIP', mixed: false });
  const words = (await readAll(process.stdin, process.killed)).toString('utf8').split(/\s+/).filter(Boolean);
  const command = operands.length > 0 ? operands : ['echo'];
  const replace = value('I');
  const size = replace === undefined ? Number(value('n') ?? words.length) : 1;
  if (!findProgram(process.world.programs, command[0]!)) {
    await complain(process, `${command[0]}: No such file or directory`);
    return 127;
  }
  let status = 0;
  for (let at = 0; at < words.length; at += Math.max(1, size)) {
    const some = words.slice(at, at + Math.max(1, size));
    const argv = replace === undefined ? [...command, ...some] : command.map((word) => word.replaceAll(replace, some[0]!));
    if ((await process.spawn(argv)!.ended) !== 0) status = 123;
  }
  return status;
};

/** Only `{print …}` with an optional pattern: what pipelines in tutorials use. */
const awk: Program = async (process) => {
  const { operands, value } = parseArguments(process.argv, { known: '', valued: 'Fv' });
  const match = /^\s*(?:\/((?:[^/\\]|\\.)*)\/|NR\s*([=><]=?)\s*(\d+))?\s*(?:\{\s*print\s*(.*?)\s*;?\s*\})?\s*$/.exec(operands[0] ?? '');
  if (!match || operands[0] === undefined) {
    await complain(process, 'this program is not modelled: only {print $N …} with /pattern/ or NR is');
    return 2;
  }
  const [, pattern, comparison, limit, printed = ''] = match;
  const separator = value('F');
  const compare = {
    '==': (n: number) => n === Number(limit),
    '=': (n: number) => n === Number(limit),
    '>': (n: number) => n > Number(limit),
    '<': (n: number) => n < Number(limit),
    '>=': (n: number) => n >= Number(limit),
    '<=': (n: number) => n <= Number(limit),
  };
  let number = 0;
  const fine = await eachInput(process, operands.slice(1), async (input) => {
    for await (const line of linesOf(input, process.killed)) {
      number++;
      if (pattern !== undefined && !new RegExp(pattern).test(line)) continue;
      if (comparison && !compare[comparison as keyof typeof compare](number)) continue;
      await process.stdout.write(
        `${awkFields(printed, line, separator === undefined ? line.trim().split(/\s+/) : line.split(separator))}\n`,
      );
    }
  });
  return fine ? 0 : 2;
};

function awkFields(printed: string, line: string, fields: readonly string[]): string {
  if (printed === '') return line;
  const items = printed.match(/"(?:[^"\\]|\\.)*"|\$NF|\$\d+|,|NF/g) ?? [];
  return items
    .map((item) => {
      if (item === ',') return ' ';
      if (item === 'NF') return String(fields.length);
      if (item === '$NF') return fields.at(-1) ?? '';
      if (item.startsWith('"')) return item.slice(1, -1).replaceAll('\\n', '\n').replaceAll('\\t', '\t');
      return item === '$0' ? line : (fields[Number(item.slice(1)) - 1] ?? '');
    })
    .join('');
}

const rev: Program = async (process) => {
  const reverse = async (input: Input): Promise<void> => {
    for await (const line of linesOf(input, process.killed)) await process.stdout.write(`${[...line].toReversed().join('')}\n`);
  };
  return (await eachInput(process, process.argv.slice(1), reverse)) ? 0 : 1;
};

export const TEXT: readonly (readonly [string, Program])[] = [
  ['awk', awk],
  ['base64', base64],
  ['cat', cat],
  ['cut', cut],
  ['grep', grep],
  ['head', head],
  ['rev', rev],
  ['sed', sed],
  ['sort', sort],
  ['tail', tail],
  ['tee', tee],
  ['tr', tr],
  ['uniq', uniq],
  ['wc', wc],
  ['xargs', xargs],
];
