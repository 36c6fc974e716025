/** Reads one word of shell text: quotes, parameters, substitutions. */
import { type Node, type Part, ShellSyntaxError, type Word } from './syntax.ts';

/** Where the parser stands. Shared by the parser of commands and this reader of words. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** Parses a command list up to a closing parenthesis or the end. */
  parseList(cursor: Cursor): Node;
}

const DELIMITERS = new Set([' ', '\t', '\n', ';', '&', '|', '(', ')', '<', '>']);
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SPECIAL = new Set(['@', '*', '#', '?', '-', '$', '!']);
const OPERATOR = /:?[-=?+]|%%?|##?/y;

/** Undefined where no word begins. */
export function readWord(cursor: Cursor): Word | undefined {
  const parts = readParts(cursor, (char) => DELIMITERS.has(char));
  return parts.length > 0 ? parts : undefined;
}

/** The text of a here-document, with its expansions. */
export function hereDocument(text: string, parseList: Cursor['parseList']): Word {
  return readQuoted({ text, at: 0, parseList }, undefined);
}

/** The word's text when nothing in it is quoted or expanded: how reserved words are known. */
export function plainText(word: Word): string | undefined {
  const only = word[0];
  return word.length === 1 && only?.type === 'text' && !only.quoted ? only.text : undefined;
}

function readParts(cursor: Cursor, ends: (char: string) => boolean): Part[] {
  const parts: Part[] = [];
  const { text } = cursor;
  while (cursor.at < text.length && !ends(text[cursor.at]!)) {
    const char = text[cursor.at]!;
    if (char === "'") parts.push(singleQuoted(cursor));
    else if (char === '"') parts.push(...doubleQuoted(cursor));
    else if (char === '\\') escaped(cursor, parts);
    else if (char === '$') parts.push(dollar(cursor, false));
    else if (char === '`') parts.push(backquoted(cursor, false));
    else addText(parts, char, false, cursor);
  }
  return parts;
}

function addText(parts: Part[], text: string, quoted: boolean, cursor: Cursor): void {
  cursor.at += text.length;
  const last = parts.at(-1);
  if (last?.type === 'text' && last.quoted === quoted) parts[parts.length - 1] = { ...last, text: last.text + text };
  else parts.push({ type: 'text', text, quoted });
}

function singleQuoted(cursor: Cursor): Part {
  const end = cursor.text.indexOf("'", cursor.at + 1);
  if (end < 0) throw unterminated("'");
  const text = cursor.text.slice(cursor.at + 1, end);
  cursor.at = end + 1;
  return { type: 'text', text, quoted: true };
}

function doubleQuoted(cursor: Cursor): Part[] {
  cursor.at++;
  const parts = readQuoted(cursor, '"');
  cursor.at++;
  // "" is a word, if an empty one
  return parts.length > 0 ? [...parts] : [{ type: 'text', text: '', quoted: true }];
}

function readQuoted(cursor: Cursor, end: string | undefined): Word {
  const parts: Part[] = [];
  const { text } = cursor;
  for (;;) {
    if (cursor.at >= text.length) {
      if (end === undefined) return parts;
      throw unterminated(end);
    }
    const char = text[cursor.at]!;
    if (char === end) return parts;
    if (char === '$') parts.push(dollar(cursor, true));
    else if (char === '`') parts.push(backquoted(cursor, true));
    else if (char === '\\' && '$`"\\\n'.includes(text[cursor.at + 1] ?? '')) {
      cursor.at++;
      if (text[cursor.at] === '\n') cursor.at++;
      else addText(parts, text[cursor.at]!, true, cursor);
    } else addText(parts, char, true, cursor);
  }
}

function escaped(cursor: Cursor, parts: Part[]): void {
  cursor.at++;
  const next = cursor.text[cursor.at];
  if (next === undefined) throw new ShellSyntaxError('unexpected end of file', { incomplete: true });
  if (next === '\n') cursor.at++;
  else addText(parts, next, true, cursor);
}

function dollar(cursor: Cursor, quoted: boolean): Part {
  const { text } = cursor;
  if (text.startsWith('$((', cursor.at)) return arithmetic(cursor, quoted);
  if (text.startsWith('$(', cursor.at)) return substitution(cursor, quoted);
  if (text.startsWith('${', cursor.at)) return braced(cursor, quoted);
  const next = text[cursor.at + 1] ?? '';
  if (SPECIAL.has(next) || /[0-9]/.test(next)) {
    cursor.at += 2;
    return { type: 'parameter', name: next, operator: '', word: [], quoted };
  }
  const name = matchAt(NAME, text, cursor.at + 1);
  cursor.at += 1 + name.length;
  return name === '' ? { type: 'text', text: '$', quoted: true } : { type: 'parameter', name, operator: '', word: [], quoted };
}

function substitution(cursor: Cursor, quoted: boolean): Part {
  cursor.at += 2;
  const body = cursor.parseList(cursor);
  if (cursor.text[cursor.at] !== ')') throw unterminated(')');
  cursor.at++;
  return { type: 'command', body, quoted };
}

function backquoted(cursor: Cursor, quoted: boolean): Part {
  let inner = '';
  let at = cursor.at + 1;
  for (; cursor.text[at] !== '`'; at++) {
    if (at >= cursor.text.length) throw unterminated('`');
    if (cursor.text[at] === '\\' && '$`\\'.includes(cursor.text[at + 1] ?? '')) at++;
    inner += cursor.text[at];
  }
  cursor.at = at + 1;
  return { type: 'command', body: cursor.parseList({ text: inner, at: 0, parseList: cursor.parseList }), quoted };
}

function arithmetic(cursor: Cursor, quoted: boolean): Part {
  const begin = cursor.at + 3;
  let depth = 0;
  for (let at = begin; at < cursor.text.length; at++) {
    const char = cursor.text[at];
    if (char === '(') depth++;
    else if (char === ')' && depth > 0) depth--;
    else if (char === ')' && cursor.text[at + 1] === ')') {
      cursor.at = at + 2;
      const inner = { text: cursor.text.slice(begin, at), at: 0, parseList: cursor.parseList };
      return { type: 'arithmetic', expression: readQuoted(inner, undefined), quoted };
    }
  }
  throw unterminated('))');
}

function braced(cursor: Cursor, quoted: boolean): Part {
  const { text } = cursor;
  cursor.at += 2;
  const length = text[cursor.at] === '#' && text[cursor.at + 1] !== '}';
  if (length) cursor.at++;
  const name = SPECIAL.has(text[cursor.at] ?? '')
    ? text[cursor.at]!
    : matchAt(NAME, text, cursor.at) || matchAt(/[0-9]+/y, text, cursor.at);
  if (name === '') throw new ShellSyntaxError('bad substitution');
  cursor.at += name.length;
  const operator = length ? 'length' : matchAt(OPERATOR, text, cursor.at);
  if (!length) cursor.at += operator.length;
  const word = operator === '' || length ? [] : bracedWord(cursor, quoted);
  if (text[cursor.at] !== '}') throw cursor.at >= text.length ? unterminated('}') : new ShellSyntaxError('bad substitution');
  cursor.at++;
  return { type: 'parameter', name, operator, word, quoted };
}

function bracedWord(cursor: Cursor, quoted: boolean): Word {
  const parts = readParts(cursor, (char) => char === '}');
  // In double quotes the word of an expansion is not split either.
  return quoted ? parts.map((part) => ({ ...part, quoted: true })) : parts;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function unterminated(mark: string): ShellSyntaxError {
  return new ShellSyntaxError(
    mark.length === 1 && mark !== ')' && mark !== '}' ? 'unterminated quoted string' : `unexpected end of file (expecting "${mark}")`,
    { incomplete: true },
  );
}
