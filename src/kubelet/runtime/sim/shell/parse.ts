/** Shell text to its tree. */
import { type Node, type Redirect, ShellSyntaxError, type Word } from './syntax.ts';
import { type Cursor, hereDocument, plainText, readWord } from './words.ts';

/** Throws ShellSyntaxError; `incomplete` when more lines could mend it. */
export function parseShell(text: string): Node {
  const parser = new Parser(text, 0);
  const node = parser.list();
  if (parser.at < text.length) throw unexpected(parser.nextToken());
  return node;
}

const RESERVED = new Set([
  'if',
  'then',
  'else',
  'elif',
  'fi',
  'for',
  'while',
  'until',
  'do',
  'done',
  'case',
  'esac',
  'in',
  '{',
  '}',
  '!',
  'function',
]);
const ENDS_LIST = new Set(['then', 'else', 'elif', 'fi', 'do', 'done', 'esac', '}']);
const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=/;
const REDIRECT = /([0-9]?)(<<-?|>>|<&|>&|>\||<|>)/y;

interface PendingHere {
  redirect: { fd: number; operator: Redirect['operator']; target: Word };
  end: string;
  stripTabs: boolean;
  literal: boolean;
}

class Parser implements Cursor {
  readonly text: string;
  at: number;
  #here: PendingHere[] = [];

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
  }

  /** For `$( … )`: goes on in the same text. */
  parseList(cursor: Cursor): Node {
    const inner = new Parser(cursor.text, cursor.at);
    const node = inner.list();
    cursor.at = inner.at;
    return node;
  }

  list(): Node {
    const items: { node: Node; background: boolean }[] = [];
    for (;;) {
      this.#skipNewlines();
      if (this.#endsList()) break;
      const node = this.#andOr();
      this.#skipBlanks();
      const background = this.text[this.at] === '&';
      items.push({ node, background });
      if (background || (this.text[this.at] === ';' && this.text[this.at + 1] !== ';')) this.at++;
      else if (this.text[this.at] !== '\n') break;
    }
    return items.length === 1 && !items[0]!.background ? items[0]!.node : { type: 'list', items };
  }

  nextToken(): string {
    this.#skipBlanks();
    return this.#peekReserved() ?? this.text.slice(this.at, this.at + (/^(?:&&|\|\||;;)/.test(this.text.slice(this.at)) ? 2 : 1));
  }

  #endsList(): boolean {
    const char = this.text[this.at];
    if (char === undefined || char === ')' || this.text.startsWith(';;', this.at)) return true;
    const word = this.#peekReserved();
    return word !== undefined && ENDS_LIST.has(word);
  }

  #andOr(): Node {
    let left = this.#pipeline();
    for (;;) {
      this.#skipBlanks();
      const operator = this.text.slice(this.at, this.at + 2);
      if (operator !== '&&' && operator !== '||') return left;
      this.at += 2;
      this.#skipNewlines();
      left = { type: operator === '&&' ? 'and' : 'or', left, right: this.#pipeline() };
    }
  }

  #pipeline(): Node {
    let negated = false;
    while (this.#takeReserved('!')) negated = !negated;
    const commands = [this.#command()];
    for (;;) {
      this.#skipBlanks();
      if (this.text[this.at] !== '|' || this.text[this.at + 1] === '|') break;
      this.at++;
      this.#skipNewlines();
      commands.push(this.#command());
    }
    return commands.length === 1 && !negated ? commands[0]! : { type: 'pipeline', commands, negated };
  }

  #command(): Node {
    this.#skipBlanks();
    const compound = this.#compound();
    if (!compound) return this.#simple();
    const redirects: Redirect[] = [];
    for (let redirect = this.#redirect(); redirect; redirect = this.#redirect()) redirects.push(redirect);
    return redirects.length > 0 ? { type: 'redirected', node: compound, redirects } : compound;
  }

  #compound(): Node | undefined {
    if (this.text[this.at] === '(') {
      this.at++;
      const body = this.list();
      this.#expect(')');
      return { type: 'subshell', body };
    }
    switch (this.#peekReserved()) {
      case '{':
        return this.#group();
      case 'if':
        return this.#if();
      case 'while':
      case 'until':
        return this.#loop();
      case 'for':
        return this.#for();
      case 'case':
        return this.#case();
      default:
        return this.#function();
    }
  }

  #group(): Node {
    this.#need('{');
    const body = this.list();
    this.#need('}');
    return { type: 'group', body };
  }

  #if(): Node {
    const branches: { condition: Node; body: Node }[] = [];
    this.#need('if');
    do {
      const condition = this.list();
      this.#need('then');
      branches.push({ condition, body: this.list() });
    } while (this.#takeReserved('elif'));
    const otherwise = this.#takeReserved('else') ? this.list() : undefined;
    this.#need('fi');
    return { type: 'if', branches, otherwise };
  }

  #loop(): Node {
    const until = this.#takeReserved('until');
    if (!until) this.#need('while');
    const condition = this.list();
    return { type: 'loop', until, condition, body: this.#doGroup() };
  }

  #for(): Node {
    this.#need('for');
    const name = this.#plainWord();
    this.#skipNewlines();
    let words: Word[] | undefined;
    if (this.#takeReserved('in')) {
      words = [];
      for (let word = this.#word(); word; word = this.#word()) words.push(word);
    }
    this.#skipBlanks();
    if (this.text[this.at] === ';') this.at++;
    return { type: 'for', name, words, body: this.#doGroup() };
  }

  #doGroup(): Node {
    this.#skipNewlines();
    this.#need('do');
    const body = this.list();
    this.#need('done');
    return body;
  }

  #case(): Node {
    this.#need('case');
    const word = this.#word();
    if (!word) throw unexpected(this.nextToken());
    this.#skipNewlines();
    this.#need('in');
    const clauses: { patterns: Word[]; body: Node }[] = [];
    for (;;) {
      this.#skipNewlines();
      if (this.#takeReserved('esac')) return { type: 'case', word, clauses };
      clauses.push(this.#clause());
      this.#skipNewlines();
      if (this.text.startsWith(';;', this.at)) this.at += 2;
      else {
        this.#need('esac');
        return { type: 'case', word, clauses };
      }
    }
  }

  #clause(): { patterns: Word[]; body: Node } {
    if (this.text[this.at] === '(') this.at++;
    const patterns: Word[] = [];
    do {
      const pattern = this.#word();
      if (!pattern) throw unexpected(this.nextToken());
      patterns.push(pattern);
      this.#skipBlanks();
    } while (this.#take('|'));
    this.#expect(')');
    return { patterns, body: this.list() };
  }

  /** `name() { … }` */
  #function(): Node | undefined {
    const match = /(?:function[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*\([ \t]*\)/y;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) return undefined;
    this.at += found[0].length;
    this.#skipNewlines();
    return { type: 'function', name: found[1]!, body: this.#command() };
  }

  #simple(): Node {
    const assignments: { name: string; value: Word }[] = [];
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (;;) {
      const redirect = this.#redirect();
      if (redirect) {
        redirects.push(redirect);
        continue;
      }
      const word = this.#word();
      if (!word) break;
      const assignment = words.length === 0 ? assignmentOf(word) : undefined;
      if (assignment) assignments.push(assignment);
      else words.push(word);
    }
    if (assignments.length + words.length + redirects.length === 0) throw unexpected(this.nextToken());
    return { type: 'simple', assignments, words, redirects };
  }

  #redirect(): Redirect | undefined {
    this.#skipBlanks();
    REDIRECT.lastIndex = this.at;
    const found = REDIRECT.exec(this.text);
    if (!found) return undefined;
    this.at += found[0].length;
    const operator = found[2]!;
    const word = this.#word();
    if (!word) throw unexpected(this.nextToken());
    const fd = found[1] === '' ? (operator.startsWith('<') ? 0 : 1) : Number(found[1]);
    if (!operator.startsWith('<<')) return { fd, operator: (operator === '>|' ? '>' : operator) as Redirect['operator'], target: word };
    const redirect = { fd, operator: '<<' as const, target: [] as Word };
    this.#here.push({
      redirect,
      end: word.map((part) => (part.type === 'text' ? part.text : '')).join(''),
      stripTabs: operator === '<<-',
      literal: word.some((part) => part.type === 'text' && part.quoted),
    });
    return redirect;
  }

  #word(): Word | undefined {
    this.#skipBlanks();
    return readWord(this);
  }

  #plainWord(): string {
    const word = this.#word();
    const text = word && plainText(word);
    if (text === undefined) throw unexpected(this.nextToken());
    return text;
  }

  #peekReserved(): string | undefined {
    this.#skipBlanks();
    const before = this.at;
    const match = /[a-z]+|[{}!]/y;
    match.lastIndex = before;
    const word = match.exec(this.text)?.[0];
    if (!word || !RESERVED.has(word)) return undefined;
    const next = this.text[before + word.length];
    return next === undefined || ' \t\n;&|()<>'.includes(next) ? word : undefined;
  }

  #takeReserved(word: string): boolean {
    if (this.#peekReserved() !== word) return false;
    this.at += word.length;
    return true;
  }

  #need(word: string): void {
    this.#skipNewlines();
    if (this.#takeReserved(word)) return;
    throw this.at >= this.text.length
      ? new ShellSyntaxError(`unexpected end of file (expecting "${word}")`, { incomplete: true })
      : unexpected(this.nextToken(), word);
  }

  #take(char: string): boolean {
    this.#skipBlanks();
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  #expect(char: string): void {
    this.#skipNewlines();
    if (this.#take(char)) return;
    throw this.at >= this.text.length
      ? new ShellSyntaxError(`unexpected end of file (expecting "${char}")`, { incomplete: true })
      : unexpected(this.nextToken(), char);
  }

  #skipBlanks(): void {
    for (;;) {
      const char = this.text[this.at];
      if (char === ' ' || char === '\t' || char === '\r') this.at++;
      else if (char === '\\' && this.text[this.at + 1] === '\n') this.at += 2;
      else if (char === '#' && (this.at === 0 || ' \t\n;&|()'.includes(this.text[this.at - 1]!))) this.#skipComment();
      else return;
    }
  }

  #skipComment(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  #skipNewlines(): void {
    for (this.#skipBlanks(); this.text[this.at] === '\n'; this.#skipBlanks()) {
      this.at++;
      this.#readHereDocuments();
    }
  }

  #readHereDocuments(): void {
    for (const { redirect, end, stripTabs, literal } of this.#here.splice(0)) {
      let body = '';
      for (;;) {
        if (this.at >= this.text.length) throw new ShellSyntaxError(`unexpected end of file (expecting "${end}")`, { incomplete: true });
        const newline = this.text.indexOf('\n', this.at);
        const stop = newline < 0 ? this.text.length : newline;
        const raw = this.text.slice(this.at, stop);
        const line = stripTabs ? raw.replace(/^\t+/, '') : raw;
        this.at = Math.min(stop + 1, this.text.length);
        if (line === end) break;
        body += `${line}\n`;
      }
      redirect.target = literal ? [{ type: 'text', text: body, quoted: true }] : hereDocument(body, (cursor) => this.parseList(cursor));
    }
  }
}

function assignmentOf(word: Word): { name: string; value: Word } | undefined {
  const first = word[0];
  if (first?.type !== 'text' || first.quoted) return undefined;
  const name = ASSIGNMENT.exec(first.text)?.[1];
  if (name === undefined) return undefined;
  const rest = first.text.slice(name.length + 1);
  return { name, value: [...(rest === '' ? [] : [{ ...first, text: rest }]), ...word.slice(1)] };
}

function unexpected(token: string, expected?: string): ShellSyntaxError {
  if (token === '') return new ShellSyntaxError('unexpected end of file', { incomplete: true });
  const shown = token === '\n' ? 'newline' : `"${token}"`;
  return new ShellSyntaxError(`unexpected ${shown}${expected ? ` (expecting "${expected}")` : ''}`);
}
