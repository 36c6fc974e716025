/** What the compiler says, in the form that Kubernetes's clients know (cel-go's). */

/** The library's errors; its own declarations leave some of this out. */
export interface CompileError {
  message: string;
  code?: string;
  summary?: string;
  range?: { start: number };
  /** What the error is about: of an operator, its operands say where it stands. */
  node?: unknown;
}

/** Where cel-go points at, in the text that was compiled: the dot of a field, the operator between its operands, a call's parenthesis. */
export function positionOf({ code, range, node }: CompileError, text: string): number {
  const start = range?.start ?? 0;
  if (code === 'no_such_key') {
    const dot = text.slice(0, start).trimEnd().length - 1;
    return text[dot] === '.' ? dot : start;
  }
  if (code === 'no_such_overload' && isOperation(node)) return Math.max(text.indexOf(node.op, node.args[0]!.end), 0);
  if (code === 'no_matching_overload') return Math.max(text.indexOf('(', nameOfCall(node, start)), 0);
  return start;
}

/** Where a function's name is looked for: behind its receiver. */
function nameOfCall(node: unknown, start: number): number {
  const { op, args } = (node ?? {}) as { op?: string; args?: unknown[] };
  return op === 'rcall' ? (args![1] as { end: number }).end : start;
}

function isOperation(node: unknown): node is { op: string; args: { end: number }[] } {
  const args = (node as { args?: unknown } | undefined)?.args;
  return Array.isArray(args) && args.length === 2;
}

/**
 *     compilation failed: ERROR: <input>:1:5: undefined field 'z'
 *      | self.z == 1
 *      | ....^
 */
export function compilationFailed(
  error: CompileError | undefined,
  source: string,
  isKnown: (functionName: string) => boolean = () => true,
): string {
  if (!error) return 'compilation failed';
  const what = worded(error, source, isKnown);
  const at = error.range?.start ?? 0;
  const lines = source.slice(0, at).split('\n');
  const column = lines.at(-1)!.length;
  const line = source.split('\n')[lines.length - 1] ?? '';
  return `compilation failed: ERROR: <input>:${lines.length}:${column + 1}: ${what}\n | ${line}\n | ${'.'.repeat(column)}^`;
}

function worded(error: CompileError, source: string, isKnown: (name: string) => boolean): string {
  const text = error.summary ?? error.message.split('\n')[0]!;
  const named = text.slice(text.indexOf(': ') + 2);
  switch (error.code) {
    case 'no_such_key':
      return `undefined field '${named}'`;
    case 'unknown_variable':
      return `undeclared reference to '${named}' (in container '')`;
    case 'unexpected_character': {
      const start = error.range?.start ?? 0;
      return `Syntax error: token recognition error at: '${source.slice(start, start + 2)}'`;
    }
    case 'unexpected_token':
      return `Syntax error: mismatched input '${named === 'EOF' ? '<EOF>' : named}'`;
    case 'no_such_overload':
    case 'no_matching_overload':
      return overload(text, isKnown);
    default:
      return text;
  }
}

const OPERATION = /^no such overload: (.+) (==|!=|<=|>=|<|>|\+|-|\*|\/|%|in) (.+)$/;
const CALL = /^found no matching overload for '(?:(.+)\.)?(\w+)\((.*)\)'$/;

/** `found no matching overload for '_>_' applied to '(int, string)'` */
function overload(text: string, isKnown: (name: string) => boolean): string {
  const [, left, operator, right] = OPERATION.exec(text) ?? [];
  if (operator)
    return `found no matching overload for '${operator === 'in' ? '@in' : `_${operator}_`}' applied to '(${typeNames(left!)}, ${typeNames(right!)})'`;
  const [, receiver, name, given] = CALL.exec(text) ?? [];
  if (name && !isKnown(name)) return `undeclared reference to '${name}' (in container '')`;
  if (name)
    return `found no matching overload for '${name}' applied to '${receiver ? `${typeNames(receiver)}.` : ''}(${typeNames(given!)})'`;
  return text;
}

function typeNames(text: string): string {
  return text.replaceAll('<', '(').replaceAll('>', ')');
}
