/** From text to something that runs: parsed, type-checked, and bounded in what it may cost. */
import type { Environment, ParseResult } from '@marcbachmann/cel-js';
import { metered } from './budget.ts';
import { compilationFailed, positionOf, type CompileError } from './messages.ts';

export interface Program {
  /** As the library names it: `bool`, `list<string>`, `dyn`. */
  type: string;
  /** Throws what the evaluation throws, and when it costs too much. */
  run(variables: Record<string, unknown>): unknown;
}

/** `compilation failed: ERROR: <input>:1:5: …` */
export interface CompileProblem {
  problem: string;
}

/** `rangeOf` says where in the text that the user wrote a position of `text` is, where they differ. */
export function compileProgram(scope: Environment, text: string, original?: Original): Program | CompileProblem {
  const readable = withFlagGroups(text);
  const failed = (error: CompileError | undefined): CompileProblem => {
    const start = error ? positionOf(error, readable) : 0;
    const at = { start: original ? original.positionOf(start) : start };
    const isKnown = (name: string): boolean => scope.getDefinitions().functions.some((each) => each.name === name);
    return { problem: compilationFailed(error && { ...described(error), range: at }, original?.text ?? readable, isKnown) };
  };
  let program: ParseResult;
  try {
    program = scope.parse(readable);
  } catch (error) {
    if (!isCompileError(error)) throw error;
    return failed(error);
  }
  const { valid, type, error } = program.check();
  return valid ? { type: type ?? 'dyn', run: metered(program) } : failed(error);
}

/** The user's text, of which another was made to be compiled. */
export interface Original {
  text: string;
  /** From a position in the text that is compiled. */
  positionOf(position: number): number;
}

/** The library's errors have getters, which a spread would lose. */
function described({ message, code, summary }: CompileError): CompileError {
  return { message, ...(code === undefined ? {} : { code }), ...(summary === undefined ? {} : { summary }) };
}

function isCompileError(error: unknown): error is Error & CompileError {
  return error instanceof Error && 'summary' in error;
}

/** RE2 puts flags in front of a pattern, JavaScript around it; `matches` is the library's own and knows the latter. */
function withFlagGroups(text: string): string {
  return text.replaceAll(/\.matches\(\s*(r?)(['"])\(\?([ims]+)\)(.*?)\2\s*\)/g, '.matches($1$2(?$3:$4)$2)');
}
