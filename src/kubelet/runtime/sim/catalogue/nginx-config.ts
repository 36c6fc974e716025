/** nginx's configuration language: `name word word;` and `name word { … }`. */

export interface Directive {
  name: string;
  words: readonly string[];
  /** Undefined unless it is a block. */
  body?: readonly Directive[];
  line: number;
}

export class NginxConfigError extends Error {
  override name = 'NginxConfigError';
}

/** Throws NginxConfigError in nginx's words. */
export function parseNginxConfig(text: string, file: string): Directive[] {
  const tokens = tokenize(text, file);
  const result = block(tokens, { at: 0 }, { file, top: true });
  return result;
}

interface Token {
  text: string;
  /** A quoted `;` is no end. */
  quoted: boolean;
  line: number;
}

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|[{};]|(?:\$\{\w+\}|[^\s;{}"'\\]|\\[^])+/y;

function tokenize(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) throw new NginxConfigError(`unexpected end of file, expecting ";" or "}" in ${file}:${line}`);
    const [whole, double, single] = match;
    if (!/^[\s#]/.test(whole)) tokens.push({ text: double ?? single ?? whole, quoted: double !== undefined || single !== undefined, line });
    line += whole.split('\n').length - 1;
  }
  return tokens;
}

function block(tokens: readonly Token[], cursor: { at: number }, { file, top }: { file: string; top: boolean }): Directive[] {
  const result: Directive[] = [];
  for (;;) {
    const first = tokens[cursor.at++];
    if (!first) {
      if (top) return result;
      throw new NginxConfigError(`unexpected end of file, expecting "}" in ${file}:${tokens.at(-1)?.line ?? 1}`);
    }
    if (is(first, '}')) {
      if (!top) return result;
      throw new NginxConfigError(`unexpected "}" in ${file}:${first.line}`);
    }
    if (is(first, ';') || is(first, '{')) throw new NginxConfigError(`unexpected "${first.text}" in ${file}:${first.line}`);
    result.push(directive(first, tokens, cursor, file));
  }
}

function directive(first: Token, tokens: readonly Token[], cursor: { at: number }, file: string): Directive {
  const words: string[] = [];
  for (;;) {
    const token = tokens[cursor.at++];
    if (!token) throw new NginxConfigError(`unexpected end of file, expecting ";" or "}" in ${file}:${first.line}`);
    if (is(token, ';')) return { name: first.text, words, line: first.line };
    if (is(token, '{')) return { name: first.text, words, body: block(tokens, cursor, { file, top: false }), line: first.line };
    if (is(token, '}')) throw new NginxConfigError(`unexpected "}" in ${file}:${token.line}`);
    words.push(token.text);
  }
}

function is(token: Token, text: string): boolean {
  return !token.quoted && token.text === text;
}
