/** The tree of a shell script (POSIX Shell Command Language, IEEE 1003.1 chapter 2). */

export type Node =
  | { type: 'list'; items: readonly { node: Node; background: boolean }[] }
  | { type: 'and' | 'or'; left: Node; right: Node }
  | { type: 'pipeline'; commands: readonly Node[]; negated: boolean }
  | SimpleCommand
  | { type: 'group' | 'subshell'; body: Node }
  | { type: 'if'; branches: readonly { condition: Node; body: Node }[]; otherwise?: Node }
  | { type: 'loop'; until: boolean; condition: Node; body: Node }
  | { type: 'for'; name: string; words?: readonly Word[]; body: Node }
  | { type: 'case'; word: Word; clauses: readonly { patterns: readonly Word[]; body: Node }[] }
  | { type: 'function'; name: string; body: Node }
  | { type: 'redirected'; node: Node; redirects: readonly Redirect[] };

export interface SimpleCommand {
  type: 'simple';
  assignments: readonly { name: string; value: Word }[];
  words: readonly Word[];
  redirects: readonly Redirect[];
}

export interface Redirect {
  fd: number;
  operator: '<' | '>' | '>>' | '<&' | '>&' | '<<';
  /** The file, the descriptor, or the text of the here-document. */
  target: Word;
}

export type Word = readonly Part[];

export type Part =
  | { type: 'text'; text: string; quoted: boolean }
  | { type: 'parameter'; name: string; operator: string; word: Word; quoted: boolean }
  | { type: 'command'; body: Node; quoted: boolean }
  | { type: 'arithmetic'; expression: Word; quoted: boolean };

export class ShellSyntaxError extends Error {
  /** The text ended where more was needed: an interactive shell asks for another line. */
  readonly incomplete: boolean;

  constructor(message: string, { incomplete = false } = {}) {
    super(message);
    this.name = 'ShellSyntaxError';
    this.incomplete = incomplete;
  }
}
