/** Walks the tree of a script: what each kind of command does (IEEE 1003.1, 2.9). */
import { errorMessage } from '../../../../lib/errors.ts';
import { BrokenPipe, Collector, EMPTY_INPUT, Pipe } from '../io.ts';
import type { Signal } from '../model.ts';
import { findProgram, ProcessExit, type SimProcess } from '../process.ts';
import { BUILTINS, isSpecialBuiltin } from './builtins.ts';
import { expandPattern, expandText, expandWords, type ExpansionContext } from './expand.ts';
import { matchesPattern } from './pattern.ts';
import { parseShell } from './parse.ts';
import { ControlFlow, copyState, type ShellState } from './state.ts';
import { redirected, type Streams } from './streams.ts';
import type { Node, Redirect, SimpleCommand } from './syntax.ts';

/**
 * After so many commands a script rests, this many times as long as it worked: a busy loop in a pod takes a fifth of a core and leaves
 * the rest to others, since one process serves them all.
 */
const COMMANDS_PER_TURN = 100;
const REST_SHARE = 4;
const LONGEST_REST_MS = 100;
/** So many commands take no longer unless they wait; and as much as that is what starting them costs. */
const BUSY_TURN_MS = COMMANDS_PER_TURN;

type Body<T extends Node['type']> = Extract<Node, { type: T }>;

export class Interpreter {
  readonly process: SimProcess;
  readonly state: ShellState;
  /** Whether failures of `set -e` count here: not in conditions. */
  #conditional = 0;
  #commands = 0;
  #restedAt: number;
  readonly #pendingTraps: string[] = [];
  #wakeWait: (() => void) | undefined;

  constructor(process: SimProcess, state: ShellState) {
    this.process = process;
    this.state = state;
    this.#restedAt = process.world.clock.monotonic();
  }

  get streams(): Streams {
    const { stdin, stdout, stderr } = this.process;
    return { stdin, stdout, stderr, others: new Map() };
  }

  /** Parses and runs; the exit status of the last command. */
  async runText(text: string, streams: Streams = this.streams): Promise<number> {
    return this.run(parseShell(text), streams);
  }

  async run(node: Node, streams: Streams): Promise<number> {
    await this.#turn();
    const status = await this.#dispatch(node, streams);
    this.state.status = status;
    if (this.#pendingTraps.length > 0) await this.#runTraps(streams);
    return status;
  }

  #dispatch(node: Node, streams: Streams): number | Promise<number> {
    switch (node.type) {
      case 'list':
        return this.#list(node, streams);
      case 'and':
      case 'or':
        return this.#andOr(node, streams);
      case 'pipeline':
        return this.#pipeline(node, streams);
      case 'simple':
        return this.#simple(node, streams);
      case 'group':
        return this.run(node.body, streams);
      case 'subshell':
        return this.#subshell(node.body, streams);
      case 'if':
        return this.#if(node, streams);
      case 'loop':
        return this.#loop(node, streams);
      case 'for':
        return this.#for(node, streams);
      case 'case':
        return this.#case(node, streams);
      case 'function':
        this.state.functions.set(node.name, node.body);
        return 0;
      default:
        return this.#redirected(node, streams);
    }
  }

  async #list({ items }: Body<'list'>, streams: Streams): Promise<number> {
    let status = 0;
    for (const { node, background } of items) status = background ? this.#background(node, streams) : await this.run(node, streams);
    return status;
  }

  #background(node: Node, streams: Streams): number {
    const child = new Interpreter(this.process, copyState(this.state));
    const pid = this.process.world.nextPid++;
    this.state.lastJob = pid;
    this.state.jobs.set(pid, child.asSubshell(node, { ...streams, stdin: EMPTY_INPUT }));
    return 0;
  }

  async #andOr({ type, left, right }: Body<'and' | 'or'>, streams: Streams): Promise<number> {
    const first = await this.#condition(left, streams);
    return (first === 0) === (type === 'and') ? this.run(right, streams) : first;
  }

  async #condition(node: Node, streams: Streams): Promise<number> {
    this.#conditional++;
    try {
      return await this.run(node, streams);
    } finally {
      this.#conditional--;
    }
  }

  async #pipeline({ commands, negated }: Body<'pipeline'>, streams: Streams): Promise<number> {
    if (commands.length === 1) return Number((await this.#condition(commands[0]!, streams)) === 0);
    const statuses = await Promise.all(this.#connected(commands, streams));
    const failed = this.state.options.pipeFail ? statuses.findLast((status) => status !== 0) : undefined;
    const status = failed ?? statuses.at(-1)!;
    return negated ? Number(status === 0) : status;
  }

  #connected(commands: readonly Node[], streams: Streams): Promise<number>[] {
    let stdin = streams.stdin;
    return commands.map(async (command, at) => {
      const input = stdin;
      const pipe = at < commands.length - 1 ? new Pipe() : undefined;
      if (pipe) stdin = pipe;
      const child = new Interpreter(this.process, copyState(this.state));
      const status = await child.asSubshell(command, { ...streams, stdin: input, stdout: pipe ?? streams.stdout });
      pipe?.end();
      if (at > 0) input.close();
      return status;
    });
  }

  #subshell(body: Node, streams: Streams): Promise<number> {
    return new Interpreter(this.process, copyState(this.state)).asSubshell(body, streams);
  }

  /** Runs in this copy; an exit ends only the copy. */
  async asSubshell(body: Node, streams: Streams): Promise<number> {
    try {
      return await this.run(body, streams);
    } catch (error) {
      if (error instanceof ProcessExit && !this.process.killed.aborted) return error.code;
      if (error instanceof BrokenPipe) return 141;
      if (error instanceof ControlFlow) return this.state.status;
      throw error;
    }
  }

  async #if({ branches, otherwise }: Body<'if'>, streams: Streams): Promise<number> {
    for (const { condition, body } of branches) if ((await this.#condition(condition, streams)) === 0) return this.run(body, streams);
    return otherwise ? this.run(otherwise, streams) : 0;
  }

  async #loop({ until, condition, body }: Body<'loop'>, streams: Streams): Promise<number> {
    let status = 0;
    while (((await this.#condition(condition, streams)) === 0) !== until) {
      const pass = await this.#loopBody(body, streams);
      status = pass.status;
      if (pass.leaves) break;
    }
    return status;
  }

  async #for({ name, words, body }: Body<'for'>, streams: Streams): Promise<number> {
    const values = words ? await expandWords(words, this.context(streams)) : this.state.positional;
    let status = 0;
    for (const value of values) {
      this.assign(name, value);
      const pass = await this.#loopBody(body, streams);
      status = pass.status;
      if (pass.leaves) break;
    }
    return status;
  }

  async #loopBody(body: Node, streams: Streams): Promise<{ status: number; leaves: boolean }> {
    try {
      return { status: await this.run(body, streams), leaves: false };
    } catch (error) {
      if (!(error instanceof ControlFlow) || error.kind === 'return') throw error;
      if (--error.levels > 0) throw error;
      return { status: 0, leaves: error.kind === 'break' };
    }
  }

  async #case({ word, clauses }: Body<'case'>, streams: Streams): Promise<number> {
    const context = this.context(streams);
    const text = await expandText(word, context);
    for (const { patterns, body } of clauses) {
      for (const pattern of patterns) if (matchesPattern(text, await expandPattern(pattern, context))) return this.run(body, streams);
    }
    return 0;
  }

  #redirected({ node, redirects }: Body<'redirected'>, streams: Streams): Promise<number> {
    return this.#withRedirects(redirects, streams, (inner) => this.run(node, inner));
  }

  async #withRedirects(redirects: readonly Redirect[], streams: Streams, action: (streams: Streams) => Promise<number>): Promise<number> {
    if (redirects.length === 0) return action(streams);
    let inner: Streams;
    try {
      inner = await redirected(streams, redirects, { ...this.context(streams), process: this.process });
    } catch (error) {
      await this.complain(streams, errorMessage(error instanceof Error ? new Error(error.message) : error));
      return 1;
    }
    return action(inner);
  }

  async #simple(node: SimpleCommand, streams: Streams): Promise<number> {
    const context = this.context(streams);
    let argv: string[];
    try {
      argv = this.#withAlias(await expandWords(node.words, context));
    } catch (error) {
      return this.#expansionFailed(error, streams);
    }
    const status = await this.#withRedirects(node.redirects, streams, (inner) => this.#command(node, argv, inner));
    if (status !== 0 && this.state.options.exitOnError && this.#conditional === 0) throw new ProcessExit(status);
    return status;
  }

  async #expansionFailed(error: unknown, streams: Streams): Promise<number> {
    if (!(error instanceof Error) || error instanceof ProcessExit || this.process.killed.aborted) throw error;
    await this.complain(streams, error.message);
    throw new ProcessExit(error.name === 'ExpansionError' ? 2 : 1);
  }

  #withAlias(argv: string[]): string[] {
    const alias = argv[0] === undefined ? undefined : this.state.aliases.get(argv[0]);
    return alias === undefined ? argv : [...alias.split(/\s+/).filter(Boolean), ...argv.slice(1)];
  }

  async #command(node: SimpleCommand, argv: string[], streams: Streams): Promise<number> {
    const values: [string, string][] = [];
    for (const { name, value } of node.assignments) {
      const text = await expandText(value, this.context(streams));
      values.push([name, text]);
      if (argv.length === 0) this.assign(name, text);
    }
    if (this.state.options.trace)
      await streams.stderr.write(`+ ${[...values.map(([name, text]) => `${name}=${text}`), ...argv].join(' ')}\n`);
    if (argv.length === 0)
      return node.words.length > 0 || node.assignments.some(({ value }) => value.some((part) => part.type === 'command'))
        ? this.state.status
        : 0;
    return this.execute(argv, { streams, values });
  }

  /** Runs a command by name: function, builtin, program. `values` are the assignments before it. */
  async execute(
    argv: readonly string[],
    { streams, values = [], functions = true }: { streams: Streams; values?: readonly [string, string][]; functions?: boolean },
  ): Promise<number> {
    const name = argv[0]!;
    const body = functions ? this.state.functions.get(name) : undefined;
    if (body) return this.#function(body, argv.slice(1), streams);
    const builtin = BUILTINS.get(name);
    if (builtin) {
      if (isSpecialBuiltin(name)) for (const [variable, value] of values) this.assign(variable, value);
      return builtin({ shell: this, argv, streams, values });
    }
    return this.#program(argv, { streams, values });
  }

  async #function(body: Node, positional: readonly string[], streams: Streams): Promise<number> {
    const { state } = this;
    const before = state.positional;
    state.positional = positional;
    state.locals.push(new Map());
    try {
      return await this.run(body, streams);
    } catch (error) {
      if (!(error instanceof ControlFlow) || error.kind !== 'return') throw error;
      return state.status;
    } finally {
      for (const [name, value] of state.locals.pop()!) {
        if (value === undefined) state.variables.delete(name);
        else state.variables.set(name, value);
      }
      state.positional = before;
    }
  }

  async #program(argv: readonly string[], { streams, values }: { streams: Streams; values: readonly [string, string][] }): Promise<number> {
    const { world } = this.process;
    const name = argv[0]!;
    if (!findProgram(world.programs, name)) return this.#notAProgram(argv, streams, values);
    const env = new Map(
      [...this.state.exported].flatMap((key) => (this.state.variables.has(key) ? [[key, this.state.variables.get(key)!] as const] : [])),
    );
    for (const [key, value] of values) env.set(key, value);
    const child = this.process.spawn(argv, {
      env,
      cwd: this.state.cwd,
      stdin: streams.stdin,
      stdout: streams.stdout,
      stderr: streams.stderr,
    });
    this.foreground = child!.process;
    try {
      return await child!.ended;
    } finally {
      this.foreground = undefined;
    }
  }

  /** The program that Ctrl-C is for. */
  foreground: SimProcess | undefined;

  /** A script by its path, or nothing. */
  async #notAProgram(argv: readonly string[], streams: Streams, values: readonly [string, string][]): Promise<number> {
    const name = argv[0]!;
    const file = name.includes('/') ? this.resolve(name) : undefined;
    const info = file ? await this.process.world.files.stat(file) : undefined;
    if (!file || !info) {
      await this.complain(streams, `${name}: not found`);
      return 127;
    }
    if (info.type === 'directory' || (info.mode & 0o111) === 0) {
      await this.complain(streams, `${name}: Permission denied`);
      return 126;
    }
    const text = (await this.process.world.files.read(file)).toString('utf8');
    const interpreter = /^#!\s*(\S+)/.exec(text)?.[1]?.replace(/^.*\//, '') ?? 'sh';
    if (!/^(?:ba|da|a)?sh$|^env$/.test(interpreter)) return this.#program([interpreter, file, ...argv.slice(1)], { streams, values });
    const child = copyState(this.state);
    Object.assign(child, { name, positional: argv.slice(1) });
    return new Interpreter(this.process, child).asSubshell(parseShell(text), streams);
  }

  assign(name: string, value: string): void {
    if (this.state.readonly.has(name)) throw new Error(`${name}: is read only`);
    this.state.variables.set(name, value);
  }

  resolve(file: string): string {
    return file.startsWith('/') ? normalize(file) : normalize(`${this.state.cwd}/${file}`);
  }

  context(streams: Streams): ExpansionContext {
    const { state, process } = this;
    return {
      positional: state.positional,
      files: process.world.files,
      cwd: state.cwd,
      home: state.variables.get('HOME') ?? '/root',
      unsetIsError: state.options.unsetIsError,
      get: (name) => state.variables.get(name),
      set: (name, value) => this.assign(name, value),
      parameter: (name) => this.#parameter(name),
      capture: async (body) => {
        const output = new Collector();
        this.state.status = await new Interpreter(process, copyState(state)).asSubshell(body, { ...streams, stdout: output });
        return output.bytes().toString('utf8');
      },
    };
  }

  #parameter(name: string): string | undefined {
    const { state, process } = this;
    if (/^[0-9]+$/.test(name)) return name === '0' ? state.name : state.positional[Number(name) - 1];
    switch (name) {
      case '?':
        return String(state.status);
      case '$':
        return String(process.pid);
      case '#':
        return String(state.positional.length);
      case '!':
        return state.lastJob === undefined ? '' : String(state.lastJob);
      case '-':
        return '';
      default:
        return state.variables.get(name);
    }
  }

  async complain(streams: Streams, message: string): Promise<void> {
    await streams.stderr.write(
      `${this.state.name === 'sh' || !this.state.name.includes('/') ? this.state.name : this.state.name.replace(/^.*\//, '')}: ${message}\n`,
    );
  }

  /** A trapped signal came: its action runs after the command that runs now, or ends `wait`. */
  trapped(signal: Signal): void {
    this.#pendingTraps.push(signal);
    this.#wakeWait?.();
  }

  /** Waits for background jobs; a trapped signal ends it early. */
  async waitFor(jobs: readonly Promise<number>[]): Promise<number> {
    const woken = new Promise<number>((resolve) => (this.#wakeWait = () => resolve(143)));
    try {
      return await Promise.race([Promise.all(jobs).then((statuses) => statuses.at(-1) ?? 0), woken]);
    } finally {
      this.#wakeWait = undefined;
    }
  }

  async #runTraps(streams: Streams): Promise<void> {
    for (const signal of this.#pendingTraps.splice(0)) {
      const action = this.state.traps.get(signal);
      if (action) await this.runText(action, streams);
    }
  }

  /** The action of `trap … EXIT`. */
  async runExitTrap(): Promise<void> {
    const action = this.state.traps.get('EXIT');
    this.state.traps.delete('EXIT');
    if (action) await this.runText(action);
  }

  async #turn(): Promise<void> {
    this.process.killed.throwIfAborted();
    this.#commands = (this.#commands + 1) % COMMANDS_PER_TURN;
    if (this.#commands > 0) return;
    const { clock, cpu } = this.process.world;
    const since = this.#restedAt;
    const worked = clock.monotonic() - since;
    await this.process.sleep(Math.min(worked * REST_SHARE, LONGEST_REST_MS));
    this.#restedAt = clock.monotonic();
    // The rest is ours and not the script's: a busy loop counts as a whole core. One that took longer has waited for its commands.
    cpu.charge(worked < BUSY_TURN_MS ? this.#restedAt - since : BUSY_TURN_MS);
  }
}

function normalize(file: string): string {
  const parts: string[] = [];
  for (const part of file.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
