/** What a shell remembers between commands. A subshell has a copy. */
import type { Node } from './syntax.ts';

export interface ShellState {
  variables: Map<string, string>;
  exported: Set<string>;
  readonly: Set<string>;
  functions: Map<string, Node>;
  aliases: Map<string, string>;
  positional: readonly string[];
  /** `$0`. */
  name: string;
  status: number;
  cwd: string;
  options: { exitOnError: boolean; trace: boolean; unsetIsError: boolean; pipeFail: boolean };
  traps: Map<string, string>;
  jobs: Map<number, Promise<number>>;
  lastJob: number | undefined;
  /** Depth of functions, for `local` and `return`. */
  locals: Map<string, string | undefined>[];
}

export function newState(
  name: string,
  { env, cwd, positional }: { env: ReadonlyMap<string, string>; cwd: string; positional: readonly string[] },
): ShellState {
  return {
    variables: new Map([['IFS', ' \t\n'], ...env, ['PWD', cwd]]),
    exported: new Set(env.keys()),
    readonly: new Set(),
    functions: new Map(),
    aliases: new Map(),
    positional,
    name,
    status: 0,
    cwd,
    options: { exitOnError: false, trace: false, unsetIsError: false, pipeFail: false },
    traps: new Map(),
    jobs: new Map(),
    lastJob: undefined,
    locals: [],
  };
}

export function copyState(state: ShellState): ShellState {
  return {
    ...state,
    variables: new Map(state.variables),
    exported: new Set(state.exported),
    readonly: new Set(state.readonly),
    functions: new Map(state.functions),
    aliases: new Map(state.aliases),
    options: { ...state.options },
    // A subshell resets what was trapped.
    traps: new Map(),
    jobs: new Map(),
    locals: [...state.locals],
  };
}

/** Leaves loops (`break`, `continue`) or a function (`return`). */
export class ControlFlow extends Error {
  readonly kind: 'break' | 'continue' | 'return';
  levels: number;

  constructor(kind: ControlFlow['kind'], levels: number) {
    super(kind);
    this.name = 'ControlFlow';
    this.kind = kind;
    this.levels = levels;
  }
}
