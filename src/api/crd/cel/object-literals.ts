/**
 * CEL's message construction (`Object.spec{replicas: 3}`, `JSONPatch{op: "add", …}`), which the library's grammar does not have. It is rewritten
 * into calls before compilation: `newMessage1({"replicas": 3})`, each with a type of its own, so that the checker still sees the types.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { compileProgram, type CompileProblem, type Original, type Program } from './program.ts';
import { compilationFailed } from './messages.ts';

/** What a literal makes. */
export class Message {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, unknown>;

  constructor(typeName: string, fields: ReadonlyMap<string, unknown>) {
    this.typeName = typeName;
    this.fields = fields;
  }
}

/** The fields that literals of a type may have; undefined where there is no such type, `true` where any will do. */
export type MessageTypes = (typeName: string) => readonly string[] | true | undefined;

/** The classes of messages by their types. Expressions that hand messages to each other share one. */
export type MessageClasses = Map<string, new (fields: ReadonlyMap<string, unknown>) => Message>;

export interface Messages {
  types: MessageTypes;
  classes: MessageClasses;
}

/** As `compileProgram`, for an expression that may construct messages. */
export function compileWithMessages(scope: Environment, text: string, { types, classes }: Messages): Program | CompileProblem {
  const { text: rewritten, literals, original } = rewrite(text);
  for (const { typeName, at, fields } of literals) {
    const known = types(typeName);
    if (!known) return undefinedAt(text, at, 'unknown_variable', typeName);
    const wrong = known === true ? undefined : fields.find(({ name }) => !known.includes(name));
    if (wrong) return undefinedAt(text, wrong.at, 'no_such_key', wrong.name);
    if (!classes.has(typeName)) classes.set(typeName, messageClass(typeName));
  }
  if (classes.size === 0) return compileProgram(scope, text);
  const own = scope.clone();
  for (const [typeName, ctor] of classes) own.registerType(typeName, { ctor });
  for (const [typeName, number] of typeNumbers(literals)) declareMaker(own, { typeName, number, ctor: classes.get(typeName)! });
  return compileProgram(own, rewritten, original);
}

function messageClass(typeName: string): new (fields: ReadonlyMap<string, unknown>) => Message {
  return class extends Message {
    constructor(fields: ReadonlyMap<string, unknown>) {
      super(typeName, fields);
    }
  };
}

function undefinedAt(text: string, start: number, code: string, name: string): CompileProblem {
  const summary = `: ${name}`;
  return { problem: compilationFailed({ message: summary, summary, code, range: { start } }, text) };
}

interface Maker {
  typeName: string;
  number: number;
  ctor: new (fields: ReadonlyMap<string, unknown>) => Message;
}

function declareMaker(env: Environment, { typeName, number, ctor }: Maker): void {
  env.registerFunction(`${MAKE}${number}(map): ${typeName}`, (fields: ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>) => {
    const entries = fields instanceof Map ? [...(fields as ReadonlyMap<string, unknown>)] : Object.entries(fields);
    return new ctor(new Map(entries.flatMap(present)));
  });
}

interface Optional {
  hasValue(): boolean;
  value(): unknown;
}

/** `?name: optional` sets the field only where there is a value. */
function present([name, value]: [string, unknown]): [string, unknown][] {
  if (!name.startsWith('?')) return [[name, value]];
  const optional = value as Optional;
  return optional.hasValue() ? [[name.slice(1), optional.value()]] : [];
}

const MAKE = 'newMessage';

interface Literal {
  typeName: string;
  /** Where its name begins in the text. */
  at: number;
  fields: { name: string; at: number }[];
}

interface Rewritten {
  text: string;
  literals: readonly Literal[];
  original: Original;
}

function typeNumbers(literals: readonly Literal[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const { typeName } of literals) if (!numbers.has(typeName)) numbers.set(typeName, numbers.size);
  return numbers;
}

/** Names with their dots, texts of all kinds, comments, and what else matters here: brackets, commas, question marks. */
const TOKEN =
  /(?<skip>\/\/[^\n]*|[rRbB]{0,2}(?:'''[^]*?'''|"""[^]*?""")|[rR][bB]?'[^'\n]*'|[rR][bB]?"[^"\n]*"|[bB]?'(?:\\.|[^'\\\n])*'|[bB]?"(?:\\.|[^"\\\n])*"|\d[\w.]*)|(?<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*|`[^`]*`)|(?<mark>[{}()[\],?:])/g;

/** An open bracket. Fields are named right behind a literal's brace and behind its commas. */
interface Open {
  literal?: Literal;
  expectsField: boolean;
}

class Rewriter {
  readonly literals: Literal[] = [];
  readonly #source: string;
  readonly #numbers = new Map<string, number>();
  readonly #open: Open[] = [];
  readonly #pieces: string[] = [];
  /** Where stretches of the new text begin, and where they stood. */
  readonly #stretches: { made: number; was: number }[] = [{ made: 0, was: 0 }];
  #length = 0;
  #done = 0;
  /** The literal whose brace comes next. */
  #pending: Literal | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Rewritten {
    const tokens = [...this.#source.matchAll(TOKEN)];
    for (const [index, token] of tokens.entries()) {
      const { name, mark } = token.groups!;
      if (mark) this.#mark(mark, token.index);
      else if (name) this.#name(name, token.index, tokens[index + 1]);
    }
    this.#copyTo(this.#source.length);
    const original = { text: this.#source, positionOf: (position: number) => this.#positionOf(position) };
    return { text: this.#pieces.join(''), literals: this.literals, original };
  }

  #mark(mark: string, at: number): void {
    const inner = this.#open.at(-1);
    if (mark === ',' && inner?.literal) inner.expectsField = true;
    else if (mark === '?' && inner?.expectsField) this.#replace(at, 1, '');
    else if ('{(['.includes(mark)) this.#push();
    else if ('})]'.includes(mark)) {
      this.#open.pop();
      if (mark === '}' && inner?.literal) this.#replace(at, 1, '})');
    }
  }

  #push(): void {
    const literal = this.#pending;
    this.#pending = undefined;
    this.#open.push(literal ? { literal, expectsField: true } : { expectsField: false });
  }

  #name(name: string, at: number, next: RegExpExecArray | undefined): void {
    const inner = this.#open.at(-1);
    if (inner?.expectsField) {
      this.#field(inner, name, at);
      return;
    }
    // A name before a brace can be nothing else in CEL's grammar.
    if (name === 'in' || next?.groups!['mark'] !== '{' || this.#source.slice(at + name.length, next.index).trim() !== '') return;
    const literal: Literal = { typeName: name.replaceAll(/\s/g, ''), at, fields: [] };
    this.literals.push(literal);
    const number = this.#numbers.get(literal.typeName) ?? this.#numbers.size;
    this.#numbers.set(literal.typeName, number);
    this.#replace(at, name.length, `${MAKE}${number}(`);
    this.#pending = literal;
  }

  #field(inner: Open, name: string, at: number): void {
    inner.expectsField = false;
    const plain = name.replaceAll('`', '');
    inner.literal!.fields.push({ name: plain, at });
    const isOptional = /\?\s*$/.test(this.#source.slice(0, at));
    this.#replace(at, name.length, JSON.stringify(isOptional ? `?${plain}` : plain));
  }

  #replace(at: number, length: number, by: string): void {
    this.#copyTo(at);
    this.#pieces.push(by);
    this.#length += by.length;
    this.#done = at + length;
    this.#stretches.push({ made: this.#length, was: this.#done });
  }

  #copyTo(end: number): void {
    this.#pieces.push(this.#source.slice(this.#done, end));
    this.#length += end - this.#done;
    this.#done = end;
  }

  #positionOf(position: number): number {
    const stretch = this.#stretches.findLast(({ made }) => made <= position)!;
    return Math.min(stretch.was + position - stretch.made, this.#source.length);
  }
}

function rewrite(text: string): Rewritten {
  return new Rewriter(text).run();
}
