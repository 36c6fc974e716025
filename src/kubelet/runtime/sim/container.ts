/**
 * One container of a pod.
 *
 *     CREATED --start--> RUNNING --process 1 ends, or is killed--> EXITED
 *         \------a command that cannot be started (128, StartError)----/
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import { type ContainerConfig, type ContainerResources, type ContainerStatus, type PodSandboxConfig, RuntimeError } from '../runtime.ts';
import { SimCpu } from './cpu.ts';
import { createContainerFiles } from './files.ts';
import type { SimImage } from './images.ts';
import { EMPTY_INPUT, type Input, type Output, Pipe } from './io.ts';
import type { LogFile } from './log-file.ts';
import type { Program, Signal } from './model.ts';
import type { PodNetwork } from './pod-network.ts';
import { type ContainerWorld, findProgram, SimProcess } from './process.ts';

export interface ContainerOptions {
  sandboxId: string;
  config: ContainerConfig;
  sandbox: PodSandboxConfig;
  image: SimImage;
  network: PodNetwork;
  log: LogFile;
  clock: Clock;
  /** Called when it began to run and when it ended. */
  changed(): void;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const READY_WITHIN_MS = 500;
const USERS: Readonly<Record<number, string>> = { 0: 'root', 101: 'nginx', 65_534: 'nobody' };

export class SimContainer {
  readonly id = randomBytes(32).toString('hex');
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly image: SimImage;
  readonly log: LogFile;
  readonly cpu: SimCpu;
  /** For attach; undefined unless the container asked for stdin. */
  readonly stdin: Pipe | undefined;
  readonly #options: ContainerOptions;
  readonly #createdAt: number;
  #world: ContainerWorld | undefined;
  #main: SimProcess | undefined;
  #ended: Promise<void> | undefined;
  #startedAt = 0;
  #finishedAt = 0;
  #exitCode = 0;
  #state: 'CREATED' | 'RUNNING' | 'EXITED' = 'CREATED';
  #reason = '';
  #message = '';

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.sandboxId = options.sandboxId;
    this.config = options.config;
    this.image = options.image;
    this.log = options.log;
    this.#createdAt = options.clock.now();
    this.cpu = new SimCpu(options.clock, coresOf(options.config.resources));
    this.stdin = options.config.stdin ? new Pipe({ isTty: options.config.tty }) : undefined;
  }

  get running(): boolean {
    return this.#state === 'RUNNING';
  }

  get finished(): boolean {
    return this.#state === 'EXITED';
  }

  /** Throws RuntimeError in runc's words when there is no such program. */
  async start(): Promise<void> {
    const { config, clock, changed } = this.#options;
    await this.log.create();
    const argv = this.#argv();
    const program = this.image.model.fallback ?? findProgram(this.#openWorld().programs, argv[0] ?? '');
    this.#startedAt = clock.now();
    if (!program) throw this.#cannotStart(argv[0] ?? '');
    const output = { isTty: config.tty };
    const process = this.#process(argv, {
      stdin: this.stdin ?? EMPTY_INPUT,
      stdout: this.log.output('stdout', output),
      stderr: this.log.output(config.tty ? 'stdout' : 'stderr', output),
    });
    this.#main = process;
    this.#state = 'RUNNING';
    const ready = program.serves ? process.whenReady() : undefined;
    this.#ended = this.#runMain(process, program);
    // A server takes a moment to listen; clients that see its pod as running shall find it there.
    if (ready) await within(Promise.race([ready, this.#ended]), READY_WITHIN_MS, clock);
    changed();
  }

  /** Delivers the image's stop signal, and KILL when it has not ended in time. Resolves when it has ended. */
  async stop(timeoutSeconds: number, signal?: AbortSignal): Promise<void> {
    if (!this.#main || !this.#ended || !this.running) return;
    if (timeoutSeconds > 0) {
      this.#main.signal(this.image.model.stopSignal ?? 'TERM', { fromOutside: true });
      const over = new AbortController();
      const limit = this.#options.clock.sleep(timeoutSeconds * 1000, signal ? AbortSignal.any([signal, over.signal]) : over.signal);
      // The end of the container ends the wait, and so does the caller.
      await Promise.race([
        this.#ended,
        limit.catch((reason: unknown) => (over.signal.aborted ? undefined : Promise.reject(reason as Error))),
      ]);
      over.abort();
    }
    this.kill();
    await this.#ended;
  }

  /** Programs notice by how long their work takes; memory is not limited. */
  resize(resources: ContainerResources): void {
    if (resources.cpuQuota !== undefined) this.cpu.limitTo(coresOf(resources));
  }

  kill(signal: Signal = 'KILL'): void {
    this.#main?.signal(signal, { fromOutside: true });
  }

  /** The exit code, once it has ended. */
  async ended(): Promise<number> {
    await this.#ended;
    return this.#exitCode;
  }

  /** A process beside process 1. Undefined when there is no such program. */
  exec(
    argv: readonly string[],
    streams: { stdin: Input; stdout: Output; stderr: Output },
    extraEnv: Readonly<Record<string, string>> = {},
  ): { process: SimProcess; ended: Promise<number> } | undefined {
    if (!this.running || !this.#main)
      throw new RuntimeError('Unknown', `failed to exec in container: container is in CONTAINER_${this.#state} state`);
    const program = findProgram(this.#openWorld().programs, argv[0] ?? '');
    if (!program) return undefined;
    const process = new SimProcess(this.#openWorld(), {
      argv,
      env: new Map([...this.#env(), ...Object.entries(extraEnv)]),
      cwd: this.#workingDir(),
      parent: this.#main,
      ...streams,
    });
    return { process, ended: process.run(program) };
  }

  status(): ContainerStatus {
    const { config, sandbox } = this.#options;
    return {
      id: this.id,
      sandboxId: this.sandboxId,
      name: config.name,
      attempt: config.attempt,
      state: this.#state,
      image: this.image.name,
      imageRef: this.image.info.digests[0] ?? this.image.info.id,
      labels: config.labels,
      annotations: config.annotations,
      createdAt: this.#createdAt,
      startedAt: this.#startedAt,
      finishedAt: this.#finishedAt,
      exitCode: this.#exitCode,
      reason: this.#reason,
      message: this.#message,
      logPath: path.join(sandbox.logDirectory, config.logPath),
    };
  }

  async #runMain(process: SimProcess, program: Program): Promise<void> {
    const code = await process.run(program);
    await this.log.flush();
    this.#exited(code, code === 0 ? 'Completed' : 'Error');
  }

  #exited(code: number, reason: string, message = ''): void {
    this.#state = 'EXITED';
    this.#exitCode = code;
    this.#reason = reason;
    this.#message = message;
    this.#finishedAt = this.#options.clock.now();
    // What it wrote in memory is gone with it.
    this.#world = undefined;
    this.#main = undefined;
    this.#options.changed();
  }

  #cannotStart(name: string): RuntimeError {
    const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ${notFound(name)}`;
    this.#exited(128, 'StartError', message);
    return new RuntimeError('Unknown', message);
  }

  /** As CRI: a command replaces the entry point and drops the image's arguments. */
  #argv(): string[] {
    const { command, args } = this.config;
    const { entrypoint = [], cmd = [] } = this.image.model;
    if (command.length > 0) return [...command, ...args];
    return [...entrypoint, ...(args.length > 0 ? args : cmd)];
  }

  #process(argv: readonly string[], streams: { stdin: Input; stdout: Output; stderr: Output }): SimProcess {
    return new SimProcess(this.#openWorld(), { argv, env: this.#env(), cwd: this.#workingDir(), ...streams });
  }

  #workingDir(): string {
    return this.config.workingDir || this.image.model.workingDir || '/';
  }

  #env(): Map<string, string> {
    const { sandbox, config } = this.#options;
    const env = new Map([['PATH', DEFAULT_PATH], ['HOSTNAME', sandbox.hostname], ...Object.entries(this.image.model.env ?? {})]);
    for (const { name, value } of config.env) env.set(name, value);
    if (!env.has('HOME')) env.set('HOME', '/root');
    if (config.tty) env.set('TERM', 'xterm');
    return env;
  }

  #openWorld(): ContainerWorld {
    const { config, sandbox, network, clock } = this.#options;
    const uid = config.security.runAsUser ?? this.image.model.user?.uid ?? 0;
    this.#world ??= {
      hostname: sandbox.hostname || 'localhost',
      files: createContainerFiles({
        image: this.image.files(),
        own: { '/etc/hostname': `${sandbox.hostname}\n`, '/etc/resolv.conf': resolvConf(sandbox) },
        mounts: config.mounts,
        readonlyRootfs: config.security.readonlyRootfs,
        bornAt: this.#createdAt,
        now: () => clock.now(),
      }),
      network,
      programs: this.image.model.programs,
      clock,
      cpu: this.cpu,
      user: { uid, name: USERS[uid] ?? String(uid) },
      processes: new Map(),
      nextPid: 1,
    };
    return this.#world;
  }
}

/** The limit, as cgroups have it: a share of a period. */
function coresOf({ cpuQuota = 0, cpuPeriod = 100_000 }: ContainerConfig['resources']): number | undefined {
  return cpuQuota > 0 ? cpuQuota / cpuPeriod : undefined;
}

async function within(work: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const cancel = clock.timer(ms, limit.resolve);
  await Promise.race([work, limit.promise]);
  cancel();
}

/** runc's words for a program that is not there; and that it may only be missing from the model. */
export function notFound(name: string): string {
  return `exec: "${name}": ${name.includes('/') ? `stat ${name}: no such file or directory` : 'executable file not found in $PATH'} (simulated container: only modelled programs exist): unknown`;
}

function resolvConf({ dns }: PodSandboxConfig): string {
  const lines = [
    dns.searches.length > 0 ? `search ${dns.searches.join(' ')}` : '',
    ...dns.servers.map((server) => `nameserver ${server}`),
    dns.options.length > 0 ? `options ${dns.options.join(' ')}` : '',
  ];
  return lines
    .filter(Boolean)
    .map((line) => `${line}\n`)
    .join('');
}
