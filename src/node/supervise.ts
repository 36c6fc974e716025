/**
 * A child process that is kept running: etcd, containerd.
 *
 *     created --start--> starting --ready--> running --exit--> waiting (backoff) --> starting …
 *                            \________________ stop (TERM, then KILL) ________________/--> stopped
 *
 * A pid file tells the next node process of a child that outlived a killed parent: it is ended first, so that two never share the data.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { execa, type ResultPromise } from 'execa';
import { backoffDelay } from '../lib/backoff.ts';
import { pause, type Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface SupervisedProcess {
  name: string;
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  pidFile: string;
  /** Resolves when the process serves; asked again and again, each time with a fresh signal, until it does or `readyMs` have passed. */
  probe(signal: AbortSignal): Promise<void>;
  /** Called each time it was launched; the signal aborts when it ended or is being stopped. Must not reject. */
  onLaunch?(signal: AbortSignal): Promise<void>;
  readyMs: number;
  /** How long it may take to end after TERM. */
  stopMs: number;
  clock: Clock;
  log: Logger;
}

const RESTART_BACKOFF = { baseMs: 50, maxMs: 5_000 };
const PROBE_EVERY_MS = 5;
const STABLE_MS = 30_000;
/** How many of its last lines are told when it ends. */
const LAST_WORDS = 3;

interface ChildOptions {
  stdio: ['ignore', 'ignore', 'pipe'];
  reject: false;
  buffer: false;
}
type Child = ResultPromise<ChildOptions>;
const CHILD: ChildOptions = { stdio: ['ignore', 'ignore', 'pipe'], reject: false, buffer: false };

/** `start` resolves when the process serves and rejects when it does not within `readyMs`; from then on it is started again whenever it ends. */
export function supervise(options: SupervisedProcess): Component {
  const { name, clock } = options;
  const log = options.log.with({ process: name });
  const stopping = new AbortController();
  let child: Child | undefined;
  let ended: Promise<void> = Promise.resolve();
  let said: string[] = [];

  const launch = (): Child => {
    const { env = {}, cwd } = options;
    const launched: Child = execa(options.command, options.args, {
      ...CHILD,
      env,
      detached: true,
      cleanup: false,
      ...(cwd ? { cwd } : {}),
    });
    said = [];
    launched.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString().trimEnd();
      log.debug(text);
      said = [...said, ...text.split('\n')].slice(-LAST_WORDS);
    });
    writeFileSync(options.pidFile, `${launched.pid ?? ''}`);
    return launched;
  };

  const keepRunning = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const startedAt = clock.monotonic();
      child ??= launch();
      const over = new AbortController();
      void options.onLaunch?.(AbortSignal.any([over.signal, stopping.signal]));
      const result = await child;
      over.abort();
      child = undefined;
      if (stopping.signal.aborted) return;
      if (clock.monotonic() - startedAt > STABLE_MS) failures = 0;
      const delay = backoffDelay(failures++, RESTART_BACKOFF);
      log.warn('ended, starting it again', {
        exitCode: result.exitCode,
        signal: result.signal,
        error: result.cause,
        delayMs: delay,
        said: said.join(' | '),
      });
      await pause(clock, delay, stopping.signal);
    }
  };

  return {
    name,
    start: async (signal) => {
      mkdirSync(dirname(options.pidFile), { recursive: true });
      await endLeftOver(options);
      child = launch();
      ended = keepRunning();
      await untilReady(options, AbortSignal.any([signal, stopping.signal]));
    },
    stop: async () => {
      if (stopping.signal.aborted) return ended;
      stopping.abort(new Error(`${name} is being stopped`));
      const running = child;
      if (running?.pid) {
        running.kill('SIGTERM');
        const cancel = clock.timer(options.stopMs, () => running.kill('SIGKILL'));
        await ended;
        cancel();
      }
      rmSync(options.pidFile, { force: true });
    },
  };
}

async function untilReady(options: SupervisedProcess, signal: AbortSignal): Promise<void> {
  const deadline = options.clock.monotonic() + options.readyMs;
  for (;;) {
    try {
      return await options.probe(AbortSignal.any([signal, AbortSignal.timeout(1_000)]));
    } catch (error) {
      signal.throwIfAborted();
      if (options.clock.monotonic() > deadline)
        throw new Error(`${options.name} did not serve within ${options.readyMs} ms: ${errorMessage(error)}`, { cause: error });
    }
    await options.clock.sleep(PROBE_EVERY_MS, signal);
  }
}

async function endLeftOver({ name, command, pidFile, clock, log, stopMs }: SupervisedProcess): Promise<void> {
  const pid = Number(readIfThere(pidFile));
  if (!pid || !isRunning(pid, command)) return;
  log.warn('ending the one that a former node process left running', { process: name, pid });
  process.kill(pid, 'SIGTERM');
  const deadline = clock.monotonic() + stopMs;
  while (isRunning(pid, command)) {
    if (clock.monotonic() > deadline) process.kill(pid, 'SIGKILL');
    await clock.sleep(PROBE_EVERY_MS);
  }
}

/** Whether the pid is alive and still that program: pids are used again. */
function isRunning(pid: number, command: string): boolean {
  const commandLine = readIfThere(`/proc/${pid}/cmdline`);
  return commandLine !== undefined && commandLine.split('\0')[0] === command;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}
