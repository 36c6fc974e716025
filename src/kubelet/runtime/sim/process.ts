/**
 * A process of a modelled container.
 *
 *     running --program returns, throws ProcessExit--> ended (its code)
 *        \------KILL, or a signal that nobody handles--> ended (128 + number)
 *
 * Process 1 is as the kernel has it: a signal that it does not handle is ignored, only KILL (from outside) ends it.
 */
import type { Clock } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { SimCpu } from './cpu.ts';
import type { ContainerFiles } from './files.ts';
import { BrokenPipe, type Input, type Output } from './io.ts';
import type { Program, ProgramTable, Signal } from './model.ts';
import type { PodNetwork } from './pod-network.ts';

/** What all processes of one container share. */
export interface ContainerWorld {
  readonly hostname: string;
  readonly files: ContainerFiles;
  readonly network: PodNetwork;
  readonly programs: ProgramTable;
  readonly clock: Clock;
  readonly cpu: SimCpu;
  readonly user: { uid: number; name: string };
  /** Alive ones by pid. */
  readonly processes: Map<number, SimProcess>;
  /** The pid of the next process. */
  nextPid: number;
}

export interface ProcessOptions {
  argv: readonly string[];
  env: ReadonlyMap<string, string>;
  cwd: string;
  stdin: Input;
  stdout: Output;
  stderr: Output;
  parent?: SimProcess;
}

const NUMBERS: Readonly<Record<Signal, number>> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, USR1: 10, USR2: 12, TERM: 15 };

/** Ends the process that throws it. */
export class ProcessExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.name = 'ProcessExit';
    this.code = code;
  }
}

/** The signal by its number or name (`9`, `SIGTERM`, `term`); undefined when there is none such. */
export function signalNamed(text: string): Signal | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '');
  return (Object.keys(NUMBERS) as Signal[]).find((signal) => signal === name || String(NUMBERS[signal]) === text);
}

export class SimProcess {
  readonly pid: number;
  readonly world: ContainerWorld;
  readonly argv: readonly string[];
  readonly env: Map<string, string>;
  readonly startedAt: number;
  cwd: string;
  stdin: Input;
  stdout: Output;
  stderr: Output;
  readonly #killed = new AbortController();
  readonly #parent: SimProcess | undefined;
  #handlers: Map<Signal, () => void> | undefined;
  #closers: (() => void)[] | undefined;
  #ready: (() => void) | undefined;
  #code: number | undefined;

  constructor(world: ContainerWorld, { argv, env, cwd, stdin, stdout, stderr, parent }: ProcessOptions) {
    this.world = world;
    this.pid = world.nextPid++;
    this.argv = argv;
    this.env = new Map(env);
    this.cwd = cwd;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.startedAt = world.clock.now();
    this.#parent = parent;
    if (parent) parent.killed.addEventListener('abort', this.#killWithParent, { once: true });
  }

  /** Aborted when the process is killed: everything that waits in it takes this signal. */
  get killed(): AbortSignal {
    return this.#killed.signal;
  }

  /** Runs a program in this process to its end; resolves with the exit code. Never rejects. */
  async run(program: Program): Promise<number> {
    this.world.processes.set(this.pid, this);
    const killed = new Promise<number>((resolve) =>
      this.killed.addEventListener('abort', () => resolve(this.#code ?? 137), { once: true }),
    );
    try {
      const ended = Promise.resolve(this.killed.aborted ? this.#code! : program(this)).catch((error: unknown) => this.#failed(error));
      return await Promise.race([ended, killed]);
    } catch (error) {
      return await this.#failed(error);
    } finally {
      this.world.processes.delete(this.pid);
      this.#parent?.killed.removeEventListener('abort', this.#killWithParent);
      for (const close of this.#closers ?? []) close();
    }
  }

  /** Runs argv as a child with this process's environment and streams unless given. Undefined when there is no such program. */
  spawn(argv: readonly string[], options: Partial<ProcessOptions> = {}): { process: SimProcess; ended: Promise<number> } | undefined {
    const program = findProgram(this.world.programs, argv[0] ?? '');
    if (!program) return undefined;
    const child = new SimProcess(this.world, {
      env: this.env,
      cwd: this.cwd,
      stdin: this.stdin,
      stdout: this.stdout,
      stderr: this.stderr,
      ...options,
      argv,
      parent: this,
    });
    return { process: child, ended: child.run(program) };
  }

  /** What the process does at a signal instead of the default. Returns how to go back to the default. */
  handle(signal: Signal, handler: () => void): () => void {
    this.#handlers ??= new Map();
    this.#handlers.set(signal, handler);
    return () => {
      if (this.#handlers?.get(signal) === handler) this.#handlers.delete(signal);
    };
  }

  handles(signal: Signal): boolean {
    return this.#handlers?.has(signal) ?? false;
  }

  /** Delivers a signal. `fromOutside` is the runtime's: it may kill process 1. */
  signal(signal: Signal, { fromOutside = false } = {}): void {
    const handler = signal === 'KILL' ? undefined : this.#handlers?.get(signal);
    if (handler) return handler();
    if (this.pid === 1 && !(fromOutside && signal === 'KILL')) return;
    this.#code ??= 128 + NUMBERS[signal];
    this.#killed.abort(new ProcessExit(this.#code));
  }

  /** Called once when the process has ended, however it ended. */
  onExit(close: () => void): void {
    this.#closers ??= [];
    this.#closers.push(close);
  }

  /** Waits until the process is killed or the returned resolver is called: what servers do. */
  serve(signals: readonly Signal[] = ['TERM', 'INT', 'QUIT']): Promise<number> {
    return new Promise((resolve) => {
      for (const signal of signals) this.handle(signal, () => resolve(0));
    });
  }

  /** A server listens now. */
  ready(): void {
    this.#ready?.();
  }

  /** Resolves when the program says that it is ready. */
  whenReady(): Promise<void> {
    return new Promise((resolve) => (this.#ready = resolve));
  }

  sleep(ms: number): Promise<void> {
    return this.world.clock.sleep(ms, this.killed);
  }

  readonly #killWithParent = (): void => {
    this.#code ??= 137;
    this.#killed.abort(new ProcessExit(this.#code));
  };

  async #failed(error: unknown): Promise<number> {
    if (this.killed.aborted) return this.#code ?? 137;
    if (error instanceof ProcessExit) return error.code;
    if (error instanceof BrokenPipe) return 141;
    try {
      await this.stderr.write(`${this.argv[0] ?? ''}: ${errorMessage(error)}\n`);
    } catch (cause) {
      if (!(cause instanceof BrokenPipe)) throw cause;
    }
    return 1;
  }
}

const BIN = /^\/(?:usr\/)?(?:local\/)?s?bin\//;

/** By its name or its usual absolute path. */
export function findProgram(programs: ProgramTable, name: string): Program | undefined {
  return programs.get(name) ?? programs.get(name.replace(BIN, ''));
}
