/** exec, attach and port-forward on streams that the kubelet's server has accepted. */
import type { Duplex } from 'node:stream';
import { errorMessage } from '../../../lib/errors.ts';
import type { StreamOptions, StreamSession } from '../runtime.ts';
import type { SimContainer } from './container.ts';
import { BrokenPipe, EMPTY_INPUT, NULL_OUTPUT, type Output, Pipe } from './io.ts';
import { ConnectError, type PodNetwork } from './pod-network.ts';
import { createTerminal } from './terminal.ts';

/** Runs a command with the client's streams. `missing` is what the client is told when there is no such program. */
export async function execSession(
  container: SimContainer,
  options: StreamOptions & { command: readonly string[] },
  session: StreamSession,
  missing: string,
): Promise<void> {
  const stdin = new Pipe({ isTty: options.tty });
  const stdout = session.stdout ? outputTo(session.stdout, options.tty) : NULL_OUTPUT;
  const stderr = options.tty ? stdout : session.stderr ? outputTo(session.stderr, false) : NULL_OUTPUT;
  const terminal = options.tty
    ? createTerminal({ screen: stdout, input: stdin, interrupt: () => child?.process.signal('INT') })
    : undefined;
  const streams = terminal
    ? { stdin, stdout: terminal.output, stderr: terminal.output }
    : { stdin: options.stdin ? stdin : EMPTY_INPUT, stdout, stderr };
  let child: ReturnType<SimContainer['exec']>;
  try {
    child = container.exec(options.command, streams, options.tty ? { TERM: 'xterm' } : {});
  } catch (error) {
    return session.exit({ error: errorMessage(error) });
  }
  if (!child) return session.exit({ error: `error executing command in container: ${missing}` });
  const { process, ended } = child;
  pump(
    session,
    (chunk) => (terminal ? terminal.keys(chunk) : stdin.write(chunk)),
    () => stdin.end(),
  );
  // With runc a command without a terminal would go on for nobody; here it would do so at the expense of the control plane.
  session.closed.addEventListener('abort', () => process.signal('HUP'), { once: true });
  const exitCode = await ended;
  await drained(session);
  session.exit({ exitCode });
}

/** The streams of process 1: what it prints from now on, and its stdin where it has one. */
export async function attachSession(container: SimContainer, options: StreamOptions, session: StreamSession): Promise<void> {
  const { tty } = container.config;
  const stdout = session.stdout ? outputTo(session.stdout, tty) : NULL_OUTPUT;
  const stderr = session.stderr ? outputTo(session.stderr, false) : stdout;
  const terminal =
    tty && container.stdin ? createTerminal({ screen: stdout, input: container.stdin, interrupt: () => container.kill('INT') }) : undefined;
  const shown = terminal?.output ?? stdout;
  const untap = container.log.tap(
    (stream, data) => void Promise.resolve((stream === 'stdout' || tty ? shown : stderr).write(data)).catch(() => untap()),
  );
  if (options.stdin && container.stdin) {
    const { stdin, config } = container;
    pump(
      session,
      (chunk) => (terminal ? terminal.keys(chunk) : stdin.write(chunk)),
      () => (config.stdinOnce ? stdin.end() : undefined),
    );
  }
  const exitCode = await Promise.race([container.ended(), aborted(session.closed)]);
  untap();
  await drained(session);
  session.exit(exitCode === undefined ? { exitCode: 0 } : { exitCode });
}

/** Each connection of the client goes to the port of the pod. */
export function portForwardSession(network: PodNetwork, session: StreamSession): Promise<void> {
  session.onConnection?.((port, stream) => {
    forward(network, port, stream, session.closed).catch((error: unknown) =>
      stream.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  });
  return aborted(session.closed).then(() => undefined);
}

async function forward(network: PodNetwork, port: number, stream: Duplex, signal: AbortSignal): Promise<void> {
  try {
    const socket = await network.connect(network.ip, port, { signal });
    socket.once('error', () => stream.destroy());
    stream.once('error', () => socket.destroy());
    stream.once('close', () => socket.destroy());
    socket.pipe(stream);
    stream.pipe(socket);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    throw new Error(
      `failed to connect to localhost:${port} inside namespace: dial tcp4 127.0.0.1:${port}: connect: ${error.message.toLowerCase()}`,
      { cause: error },
    );
  }
}

/** What is written once the client is gone is lost, as it is with a real runtime; the program goes on. */
function outputTo(stream: NodeJS.WritableStream, isTty: boolean): Output {
  let gone = false;
  const waiting: (() => void)[] = [];
  const release = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const leave = (): void => {
    gone = true;
    release();
  };
  stream.on('error', leave).on('close', leave).on('drain', release);
  return {
    isTty,
    write: (data) => (gone || !stream.writable || stream.write(data) ? undefined : new Promise((resolve) => waiting.push(resolve))),
    end: () => undefined,
  };
}

/** What was written is on its way before the exit code is: clients stop reading at that. */
async function drained({ stdout, stderr, closed }: StreamSession): Promise<void> {
  const ends = [stdout, stderr].map((stream) => (stream ? new Promise<void>((resolve) => stream.end(() => resolve())) : Promise.resolve()));
  await Promise.race([Promise.all(ends), aborted(closed)]);
}

function pump({ stdin }: StreamSession, take: (chunk: Buffer) => void | Promise<void>, end: () => void): void {
  if (!stdin) return end();
  stdin.on('data', (chunk: Buffer) => {
    const written = offered(chunk, take);
    if (!written) return;
    // Back-pressure: no more is read until there is room.
    stdin.pause();
    void written.finally(() => stdin.resume());
  });
  stdin.once('end', end).once('close', end);
  stdin.on('error', end);
}

/** Never throws or rejects: what a program does not read any more is passed over. */
function offered(chunk: Buffer, take: (chunk: Buffer) => void | Promise<void>): Promise<void> | undefined {
  const unread = (error: unknown): void => {
    if (!(error instanceof BrokenPipe)) throw error;
  };
  try {
    return take(chunk)?.catch(unread);
  } catch (error) {
    unread(error);
    return undefined;
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
