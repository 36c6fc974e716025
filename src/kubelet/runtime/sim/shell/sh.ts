/** The program `sh`: `sh -c TEXT`, `sh FILE`, a script on stdin, or a prompt on a terminal. */
import { errorMessage } from '../../../../lib/errors.ts';
import { BrokenPipe, readLine } from '../io.ts';
import type { Program } from '../model.ts';
import { ProcessExit, type SimProcess } from '../process.ts';
import { Interpreter } from './interpreter.ts';
import { parseShell } from './parse.ts';
import { ControlFlow, newState } from './state.ts';
import { ShellSyntaxError } from './syntax.ts';

export const sh: Program = async (process) => {
  const { text, name, positional, flags } = await scriptOf(process);
  const shell = new Interpreter(process, newState(name, { env: process.env, cwd: process.cwd, positional }));
  Object.assign(shell.state.options, { exitOnError: flags.includes('e'), trace: flags.includes('x'), unsetIsError: flags.includes('u') });
  try {
    return text === undefined ? await readCommands(shell) : await runScript(shell, text);
  } finally {
    if (!process.killed.aborted) await shell.runExitTrap();
  }
};

interface Script {
  /** Undefined when commands come from stdin, line by line. */
  text: string | undefined;
  name: string;
  positional: readonly string[];
  /** The letters of its options. */
  flags: string;
}

async function scriptOf(process: SimProcess): Promise<Script> {
  const { argv, world } = process;
  let flags = '';
  let at = 1;
  for (; at < argv.length && /^-[a-zA-Z]+$/.test(argv[at]!); at++) {
    flags += argv[at]!.slice(1);
    if (argv[at]!.endsWith('o')) at++;
  }
  const name = argv[0]!.replace(/^.*\//, '').replace(/^-/, '');
  const rest = argv.slice(at);
  if (flags.includes('c')) {
    if (rest[0] === undefined) throw new Error('-c requires an argument');
    return { text: rest[0], name: rest[1] ?? name, positional: rest.slice(2), flags };
  }
  if (rest[0] !== undefined) {
    const file = rest[0].startsWith('/') ? rest[0] : `${process.cwd.replace(/\/$/, '')}/${rest[0]}`;
    if ((await world.files.stat(file))?.type !== 'file') {
      await process.stderr.write(`${name}: can't open '${rest[0]}': No such file or directory\n`);
      throw new ProcessExit(2);
    }
    return { text: (await world.files.read(file)).toString('utf8'), name: rest[0], positional: rest.slice(1), flags };
  }
  return { text: undefined, name, positional: [], flags };
}

async function runScript(shell: Interpreter, text: string): Promise<number> {
  try {
    return await shell.run(parseShell(text), shell.streams);
  } catch (error) {
    if (error instanceof ControlFlow) return shell.state.status;
    if (!(error instanceof ShellSyntaxError)) throw error;
    await shell.process.stderr.write(`${shell.state.name}: syntax error: ${error.message}\n`);
    return 2;
  }
}

/**
 * Reads and runs lines until the end of input or `exit`; with prompts on a terminal. A command may read the lines that follow. Ctrl-C ends
 * the command in hand, not the shell.
 */
async function readCommands(shell: Interpreter): Promise<number> {
  const { process } = shell;
  const interactive = process.stdin.isTty;
  if (interactive) {
    process.handle('INT', () => shell.foreground?.signal('INT'));
    // As shells do on a terminal.
    process.handle('TERM', () => undefined);
  }
  let pending = '';
  for (;;) {
    if (interactive) await process.stderr.write(pending === '' ? promptOf(shell) : '> ');
    const line = await readLine(process.stdin, process.killed);
    if (line === undefined) {
      if (interactive) await process.stderr.write('\n');
      return pending === '' ? shell.state.status : runScript(shell, pending);
    }
    pending += line;
    try {
      const tree = parseShell(pending);
      pending = '';
      await shell.run(tree, shell.streams);
    } catch (error) {
      if (error instanceof ShellSyntaxError && error.incomplete) {
        pending += '\n';
        continue;
      }
      pending = '';
      await recover(shell, error, interactive);
    }
  }
}

/** What does not end the shell is told; without a terminal a syntax error ends it. */
async function recover(shell: Interpreter, error: unknown, interactive: boolean): Promise<void> {
  if (error instanceof ProcessExit || error instanceof BrokenPipe || shell.process.killed.aborted) throw error;
  if (error instanceof ControlFlow) return;
  const text = error instanceof ShellSyntaxError ? `syntax error: ${error.message}` : errorMessage(error);
  shell.state.status = 2;
  await shell.process.stderr.write(`${shell.state.name}: ${text}\n`);
  if (!interactive && error instanceof ShellSyntaxError) throw new ProcessExit(2);
}

function promptOf({ process, state }: Interpreter): string {
  const { hostname, user } = process.world;
  const mark = user.uid === 0 ? '#' : '$';
  if (state.name === 'bash') return `${user.name}@${hostname}:${state.cwd}${mark} `;
  // dash shows no folder, busybox's ash does.
  if (process.world.programs.has('dash')) return `${mark} `;
  return process.env.get('PS1') ?? `${state.cwd} ${mark} `;
}
