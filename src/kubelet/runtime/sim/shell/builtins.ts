/** Commands that change the shell itself; everything else is a program. */
import { readLine } from '../io.ts';
import type { Signal } from '../model.ts';
import { findProgram, ProcessExit, signalNamed } from '../process.ts';
import { evaluate } from './arithmetic.ts';
import type { Interpreter } from './interpreter.ts';
import { ControlFlow, type ShellState } from './state.ts';
import type { Streams } from './streams.ts';

export interface BuiltinCall {
  shell: Interpreter;
  argv: readonly string[];
  streams: Streams;
  values: readonly [string, string][];
}

export type Builtin = (call: BuiltinCall) => number | Promise<number>;

const SPECIAL = new Set([
  ':',
  '.',
  'break',
  'continue',
  'eval',
  'exec',
  'exit',
  'export',
  'readonly',
  'return',
  'set',
  'shift',
  'trap',
  'unset',
]);

/** Assignments before these stay (IEEE 1003.1, 2.14). */
export function isSpecialBuiltin(name: string): boolean {
  return SPECIAL.has(name);
}

export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [':', () => 0],
  ['.', source],
  ['source', source],
  ['alias', alias],
  ['unalias', ({ shell, argv }) => Number(!argv.slice(1).every((name) => shell.state.aliases.delete(name)))],
  ['break', ({ argv }) => leave('break', argv)],
  ['continue', ({ argv }) => leave('continue', argv)],
  ['cd', changeFolder],
  ['command', command],
  ['eval', ({ shell, argv, streams }) => shell.runText(argv.slice(1).join(' '), streams)],
  ['exec', replace],
  ['exit', ({ shell, argv }) => exit(shell, argv[1])],
  ['export', exportNames],
  ['getopts', getopts],
  ['hash', () => 0],
  [
    'jobs',
    ({ shell, streams }) =>
      list(
        streams,
        [...shell.state.jobs.keys()].map((pid, at) => `[${at + 1}]+ ${pid} Running`),
      ),
  ],
  ['let', ({ shell, argv, streams }) => Number(evaluate(argv.slice(1).join(', '), shell.context(streams)) === 0)],
  ['local', local],
  ['pwd', ({ shell, streams }) => list(streams, [shell.state.cwd])],
  ['read', read],
  ['readonly', readonlyNames],
  ['return', returns],
  ['set', setOptions],
  ['shift', shift],
  ['times', ({ streams }) => list(streams, ['0m0.00s 0m0.00s', '0m0.00s 0m0.00s'])],
  ['trap', trap],
  ['type', type],
  ['ulimit', ({ streams }) => list(streams, ['unlimited'])],
  ['umask', ({ argv, streams }) => (argv.length > 1 ? 0 : list(streams, ['0022']))],
  ['unset', unset],
  ['wait', wait],
]);

async function list({ stdout }: Streams, lines: readonly string[]): Promise<number> {
  for (const line of lines) await stdout.write(`${line}\n`);
  return 0;
}

async function source({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const file = shell.resolve(argv[1] ?? '');
  const { files } = shell.process.world;
  if ((await files.stat(file))?.type !== 'file') {
    await shell.complain(streams, `.: can't open '${argv[1] ?? ''}': No such file or directory`);
    throw new ProcessExit(2);
  }
  try {
    return await shell.runText((await files.read(file)).toString('utf8'), streams);
  } catch (error) {
    if (error instanceof ControlFlow && error.kind === 'return') return shell.state.status;
    throw error;
  }
}

async function alias({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const { aliases } = shell.state;
  if (argv.length === 1)
    return list(
      streams,
      [...aliases].map(([name, value]) => `${name}='${value}'`),
    );
  for (const text of argv.slice(1)) {
    const at = text.indexOf('=');
    if (at > 0) aliases.set(text.slice(0, at), text.slice(at + 1));
  }
  return 0;
}

function leave(kind: 'break' | 'continue', argv: readonly string[]): never {
  throw new ControlFlow(kind, Math.max(1, Number(argv[1] ?? 1)));
}

async function changeFolder({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const { state } = shell;
  const asked = argv[1] === '-' ? (state.variables.get('OLDPWD') ?? state.cwd) : (argv[1] ?? state.variables.get('HOME') ?? '/');
  const folder = shell.resolve(asked);
  const info = await shell.process.world.files.stat(folder);
  if (info?.type !== 'directory') {
    await shell.complain(streams, `cd: can't cd to ${asked}: ${info ? 'Not a directory' : 'No such file or directory'}`);
    return 2;
  }
  state.variables.set('OLDPWD', state.cwd);
  state.cwd = folder;
  state.variables.set('PWD', folder);
  if (argv[1] === '-') await streams.stdout.write(`${folder}\n`);
  return 0;
}

async function command({ shell, argv, streams, values }: BuiltinCall): Promise<number> {
  if (argv[1] === '-v' || argv[1] === '-V') return describe(shell, argv.slice(2), streams, argv[1] === '-V');
  return argv.length > 1 ? shell.execute(argv.slice(1), { streams, values, functions: false }) : 0;
}

function type({ shell, argv, streams }: BuiltinCall): Promise<number> {
  return describe(shell, argv.slice(1), streams, true);
}

async function describe(shell: Interpreter, names: readonly string[], { stdout, stderr }: Streams, long: boolean): Promise<number> {
  let status = 0;
  for (const name of names) {
    const kind = shell.state.functions.has(name) ? 'a shell function' : BUILTINS.has(name) ? 'a shell builtin' : undefined;
    if (kind) await stdout.write(long ? `${name} is ${kind}\n` : `${name}\n`);
    else if (findProgram(shell.process.world.programs, name)) await stdout.write(long ? `${name} is /bin/${name}\n` : `/bin/${name}\n`);
    else {
      if (long) await stderr.write(`${name}: not found\n`);
      status = 127;
    }
  }
  return status;
}

/** The shell does what the program does and ends with it; without a program only its redirections would stay. */
async function replace({ shell, argv, streams, values }: BuiltinCall): Promise<number> {
  if (argv.length === 1) {
    Object.assign(shell.process, { stdin: streams.stdin, stdout: streams.stdout, stderr: streams.stderr });
    return 0;
  }
  const pass = (signal: Signal): void => {
    const program = shell.foreground;
    // As process 1 the program would not die of a signal that it does not handle; here it is a child, which would.
    if (program && (shell.process.pid !== 1 || program.handles(signal))) program.signal(signal);
  };
  const undo = (['TERM', 'INT', 'QUIT', 'HUP'] as const).map((signal) => shell.process.handle(signal, () => pass(signal)));
  const status = await shell.execute(argv.slice(1), { streams, values, functions: false });
  for (const restore of undo) restore();
  throw new ProcessExit(status);
}

function exit(shell: Interpreter, code: string | undefined): never {
  if (code !== undefined && !/^\d+$/.test(code)) throw new Error(`exit: Illegal number: ${code}`);
  throw new ProcessExit(code === undefined ? shell.state.status : Number(code) % 256);
}

async function exportNames({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const { state } = shell;
  const names = argv.slice(1).filter((text) => text !== '-p');
  if (names.length === 0) return list(streams, exports(state));
  for (const text of names) state.exported.add(define(shell, text));
  return 0;
}

function exports({ exported, variables }: ShellState): string[] {
  return [...exported].toSorted().map((name) => `export ${name}='${variables.get(name) ?? ''}'`);
}

/** `NAME=value` or `NAME`; gives the name. */
function define(shell: Interpreter, text: string): string {
  const at = text.indexOf('=');
  if (at < 0) return text;
  shell.assign(text.slice(0, at), text.slice(at + 1));
  return text.slice(0, at);
}

function readonlyNames({ shell, argv }: BuiltinCall): number {
  for (const text of argv.slice(1)) if (!text.startsWith('-')) shell.state.readonly.add(define(shell, text));
  return 0;
}

function local({ shell, argv }: BuiltinCall): number {
  const { state } = shell;
  const scope = state.locals.at(-1);
  if (!scope) throw new Error('local: not in a function');
  for (const text of argv.slice(1)) {
    const name = text.split('=')[0]!;
    if (!scope.has(name)) scope.set(name, state.variables.get(name));
    if (text.includes('=')) define(shell, text);
    else state.variables.delete(name);
  }
  return 0;
}

async function getopts({ shell, argv }: BuiltinCall): Promise<number> {
  const { state } = shell;
  const [, specification = '', name = ''] = argv;
  const words = argv.length > 3 ? argv.slice(3) : state.positional;
  const index = Number(state.variables.get('OPTIND') ?? '1');
  const word = words[index - 1];
  if (!word?.startsWith('-') || word === '-' || word === '--') {
    state.variables.set(name, '?');
    return 1;
  }
  const letter = word[1]!;
  const at = specification.indexOf(letter);
  const takes = at >= 0 && specification[at + 1] === ':';
  const attached = word.slice(2);
  state.variables.set(name, at < 0 ? '?' : letter);
  if (takes) state.variables.set('OPTARG', attached === '' ? (words[index] ?? '') : attached);
  state.variables.set('OPTIND', String(index + (takes && attached === '' ? 2 : 1)));
  return 0;
}

async function read({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const names = argv.slice(1).filter((text, at, all) => !text.startsWith('-') && all[at - 1] !== '-p' && all[at - 1] !== '-t');
  const prompt = argv[argv.indexOf('-p') + 1];
  if (argv.includes('-p') && streams.stdin.isTty) await streams.stderr.write(prompt ?? '');
  const line = await readLine(streams.stdin, shell.process.killed);
  const raw = argv.includes('-r');
  const words = (raw ? (line ?? '') : (line ?? '').replaceAll(/\\(.)/g, '$1')).trim();
  const variables = names.length > 0 ? names : ['REPLY'];
  let rest = words;
  for (const [at, name] of variables.entries()) {
    const last = at === variables.length - 1;
    const match = last ? null : /^(\S*)\s*/.exec(rest);
    shell.assign(name, match ? match[1]! : rest);
    if (match) rest = rest.slice(match[0].length);
  }
  return line === undefined ? 1 : 0;
}

function returns({ shell, argv }: BuiltinCall): never {
  shell.state.status = argv[1] === undefined ? shell.state.status : Number(argv[1]) % 256;
  throw new ControlFlow('return', 1);
}

const FLAGS = { e: 'exitOnError', x: 'trace', u: 'unsetIsError' } as const;
const LONG_FLAGS: Readonly<Record<string, keyof ShellState['options']>> = {
  errexit: 'exitOnError',
  xtrace: 'trace',
  nounset: 'unsetIsError',
  pipefail: 'pipeFail',
};

async function setOptions({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const { state } = shell;
  if (argv.length === 1)
    return list(
      streams,
      [...state.variables].toSorted().map(([name, value]) => `${name}='${value}'`),
    );
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!;
    if (!/^[-+]./.test(word) || word === '--') {
      state.positional = argv.slice(word === '--' ? at + 1 : at);
      return 0;
    }
    const on = word.startsWith('-');
    for (const letter of word.slice(1)) {
      const long = letter === 'o' ? LONG_FLAGS[argv[++at] ?? ''] : undefined;
      const option = long ?? FLAGS[letter as keyof typeof FLAGS];
      if (option) state.options[option] = on;
    }
  }
  return 0;
}

function shift({ shell, argv }: BuiltinCall): number {
  const count = Number(argv[1] ?? 1);
  if (count > shell.state.positional.length) return 1;
  shell.state.positional = shell.state.positional.slice(count);
  return 0;
}

async function trap({ shell, argv, streams }: BuiltinCall): Promise<number> {
  const { traps } = shell.state;
  if (argv.length === 1)
    return list(
      streams,
      [...traps].map(([name, action]) => `trap -- '${action}' ${name}`),
    );
  const [action, ...names] = argv.slice(argv[1] === '--' ? 2 : 1) as [string, ...string[]];
  for (const text of names) {
    const name = text === 'EXIT' || text === '0' ? 'EXIT' : signalNamed(text);
    if (!name) {
      await shell.complain(streams, `trap: ${text}: invalid signal specification`);
      return 1;
    }
    if (action === '-') traps.delete(name);
    else traps.set(name, action);
    if (name !== 'EXIT') applyTrap(shell, name, action);
  }
  return 0;
}

function applyTrap(shell: Interpreter, signal: Signal, action: string): void {
  if (action === '-') shell.process.handle(signal, () => undefined)();
  else shell.process.handle(signal, () => shell.trapped(signal));
}

function unset({ shell, argv }: BuiltinCall): number {
  for (const name of argv.slice(1)) {
    if (argv[1] === '-f') shell.state.functions.delete(name);
    else if (!name.startsWith('-')) {
      shell.state.variables.delete(name);
      shell.state.exported.delete(name);
    }
  }
  return 0;
}

async function wait({ shell, argv }: BuiltinCall): Promise<number> {
  const { jobs } = shell.state;
  const pids = argv.length > 1 ? argv.slice(1).map(Number) : [...jobs.keys()];
  const status = await shell.waitFor(pids.flatMap((pid) => jobs.get(pid) ?? []));
  for (const pid of pids) jobs.delete(pid);
  return argv.length > 1 ? status : 0;
}
