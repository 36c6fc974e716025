/** What the compiler says, in the form that Kubernetes's clients know (cel-go's). */

/** The library's errors; its own declarations leave some of this out. */
interface CompileError {
  message: string;
  code?: string;
  summary?: string;
  range?: { start: number };
}

/**
 *     compilation failed: ERROR: <input>:1:5: undefined field 'z'
 *      | self.z == 1
 *      | ....^
 */
export function compilationFailed(error: CompileError | undefined, source: string): string {
  if (!error) return 'compilation failed';
  const what = worded(error, source);
  const at = error.range?.start ?? 0;
  const lines = source.slice(0, at).split('\n');
  const column = lines.at(-1)!.length;
  const line = source.split('\n')[lines.length - 1] ?? '';
  return `compilation failed: ERROR: <input>:${lines.length}:${column + 1}: ${what}\n | ${line}\n | ${'.'.repeat(column)}^`;
}

function worded(error: CompileError, source: string): string {
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
    default:
      return text;
  }
}
