/** Word expansion: parameters, substitutions, arithmetic, field splitting, path names (IEEE 1003.1, 2.6). */
import path from 'node:path';
import type { ContainerFiles } from '../files.ts';
import { evaluate, type Variables } from './arithmetic.ts';
import { isPattern, literalPattern, matchesPattern, patternSource } from './pattern.ts';
import type { Node, Part, Word } from './syntax.ts';

/** What expansion needs of the shell. */
export interface ExpansionContext extends Variables {
  /** `$@`. */
  readonly positional: readonly string[];
  /** `$?`, `$$`, `$#`, `$0`, `$1` … and variables. */
  parameter(name: string): string | undefined;
  /** What a command prints. */
  capture(body: Node): Promise<string>;
  readonly files: ContainerFiles;
  readonly cwd: string;
  readonly home: string;
  /** `set -u`. */
  readonly unsetIsError: boolean;
}

export class ExpansionError extends Error {
  override name = 'ExpansionError';
}

/** A piece of a field: its text and the same as a pattern, in which what was quoted is literal. */
interface Field {
  text: string;
  pattern: string;
  /** It stays, even empty. */
  quoted: boolean;
}

/** The fields of words, as arguments of a command. */
export async function expandWords(words: readonly Word[], context: ExpansionContext): Promise<string[]> {
  const result: string[] = [];
  for (const word of words) {
    for (const field of await expandFields(word, context)) {
      const found = isPattern(field.pattern) ? await pathNames(field.pattern, context) : [];
      if (found.length > 0) result.push(...found);
      else result.push(field.text);
    }
  }
  return result;
}

/** One text, neither split nor matched: assignments, redirections, here-documents. */
export async function expandText(word: Word, context: ExpansionContext): Promise<string> {
  return (await expandParts(word, context)).map((piece) => piece.map(({ text }) => text).join(' ')).join('');
}

/** As a pattern for `case` and `${x%…}`. */
export async function expandPattern(word: Word, context: ExpansionContext): Promise<string> {
  return (await expandParts(word, context)).map((piece) => piece.map(({ pattern }) => pattern).join(' ')).join('');
}

async function expandFields(word: Word, context: ExpansionContext): Promise<Field[]> {
  const fields: Field[] = [];
  let current: Field | undefined;
  for (const [at, part] of word.entries()) {
    const pieces = await expandPart(part, context, at === 0);
    const splits = part.type !== 'text' && !part.quoted;
    for (const [index, piece] of pieces.entries()) {
      if (index > 0 && current) {
        fields.push(current);
        current = undefined;
      }
      for (const split of splits ? splitFields(piece, context.get('IFS')) : [piece]) {
        if (split === 'break') {
          if (current) fields.push(current);
          current = undefined;
        } else {
          current = current
            ? { text: current.text + split.text, pattern: current.pattern + split.pattern, quoted: current.quoted || split.quoted }
            : split;
        }
      }
    }
  }
  if (current && (current.text !== '' || current.quoted)) fields.push(current);
  return fields;
}

async function expandParts(word: Word, context: ExpansionContext): Promise<Field[][]> {
  const result: Field[][] = [];
  for (const [at, part] of word.entries()) result.push(await expandPart(part, context, at === 0));
  return result;
}

/** More than one field only for `$@`. */
async function expandPart(part: Part, context: ExpansionContext, first: boolean): Promise<Field[]> {
  switch (part.type) {
    case 'text': {
      const text = first && !part.quoted ? part.text.replace(/^~(?=\/|$)/, context.home) : part.text;
      return [field(text, part.quoted)];
    }
    case 'command':
      return [field((await context.capture(part.body)).replace(/\n+$/, ''), part.quoted)];
    case 'arithmetic':
      return [field(String(evaluate(await expandText(part.expression, context), context)), part.quoted)];
    default:
      return parameter(part, context);
  }
}

function field(text: string, quoted: boolean): Field {
  return { text, pattern: quoted ? literalPattern(text) : text, quoted };
}

async function parameter(part: Part & { type: 'parameter' }, context: ExpansionContext): Promise<Field[]> {
  const { name, operator, quoted } = part;
  if (name === '@' && operator === '') return context.positional.map((text) => field(text, quoted));
  const value = name === '@' || name === '*' ? context.positional.join(' ') : context.parameter(name);
  const isSet = value !== undefined && !(operator.startsWith(':') && value === '');
  switch (operator.replace(':', '')) {
    case '':
      if (value === undefined && context.unsetIsError) throw new ExpansionError(`${name}: parameter not set`);
      return [field(value ?? '', quoted)];
    case 'length':
      return [field(String((value ?? '').length), quoted)];
    case '-':
      return isSet ? [field(value, quoted)] : [field(await expandText(part.word, context), quoted)];
    case '=':
      if (!isSet) context.set(name, await expandText(part.word, context));
      return [field(context.get(name) ?? '', quoted)];
    case '?':
      if (!isSet) throw new ExpansionError(`${name}: ${(await expandText(part.word, context)) || 'parameter not set or null'}`);
      return [field(value, quoted)];
    case '+':
      return [field(isSet ? await expandText(part.word, context) : '', quoted)];
    default:
      return [field(cut(value ?? '', operator, await expandPattern(part.word, context)), quoted)];
  }
}

/** `${x#p}`, `##`, `%`, `%%`. */
function cut(value: string, operator: string, pattern: string): string {
  const source = patternSource(pattern);
  const whole = new RegExp(`^(?:${source})$`, 'u');
  const fromStart = operator.startsWith('#');
  const longest = operator.length === 2;
  const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
  for (const length of longest ? lengths.toReversed() : lengths) {
    const piece = fromStart ? value.slice(0, length) : value.slice(value.length - length);
    if (whole.test(piece)) return fromStart ? value.slice(length) : value.slice(0, value.length - length);
  }
  return value;
}

function splitFields({ text }: Field, separators = ' \t\n'): (Field | 'break')[] {
  if (separators === '') return [field(text, false)];
  const result: (Field | 'break')[] = [];
  let piece = '';
  for (const char of text) {
    if (!separators.includes(char)) {
      piece += char;
      continue;
    }
    if (piece !== '') result.push(field(piece, false));
    else if (!/\s/.test(char)) result.push({ text: '', pattern: '', quoted: true });
    result.push('break');
    piece = '';
  }
  if (piece !== '') result.push(field(piece, false));
  return result;
}

async function pathNames(pattern: string, { files, cwd }: ExpansionContext): Promise<string[]> {
  const absolute = pattern.startsWith('/');
  let found: { shown: string; full: string }[] = [{ shown: absolute ? '/' : '', full: absolute ? '/' : cwd }];
  for (const part of pattern.split('/').filter(Boolean)) {
    const next: typeof found = [];
    for (const { shown, full } of found) {
      if ((await files.stat(full))?.type !== 'directory') continue;
      const names = isPattern(part) ? await files.list(full) : [part.replaceAll(/\\(.)/g, '$1')];
      for (const name of names) {
        if (isPattern(part) && (!matchesPattern(name, part) || (name.startsWith('.') && !part.startsWith('.')))) continue;
        const child = path.posix.join(full, name);
        if (await files.stat(child)) next.push({ shown: `${shown}${shown === '' || shown.endsWith('/') ? '' : '/'}${name}`, full: child });
      }
    }
    found = next;
  }
  return found.map(({ shown }) => shown).toSorted();
}
