import type { Duplex, Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { abortable } from '../../../lib/abortable.ts';
import type { ExecResult } from '../../driver.ts';
import { engineCall } from './engine.ts';
import { Demultiplexer } from './multiplexed.ts';

export interface ExecOptions {
  stdin?: Readable;
  signal: AbortSignal;
}

/** Runs a program in the container to its end. Input is streamed, not held. */
export async function execInContainer(
  container: Dockerode.Container,
  command: readonly string[],
  { stdin, signal }: ExecOptions,
): Promise<ExecResult> {
  const exec = await engineCall('cannot run a command in the node', () =>
    container.exec({ Cmd: [...command], AttachStdin: stdin !== undefined, AttachStdout: true, AttachStderr: true, abortSignal: signal }),
  );
  const stream: Duplex = await engineCall('cannot run a command in the node', () =>
    exec.start({ hijack: true, stdin: stdin !== undefined, abortSignal: signal }),
  );
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const parts = new Demultiplexer((name, data) => (name === 'stdout' ? out : err).push(data));
  const over = new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => parts.write(chunk));
    stream.on('end', resolve);
    stream.on('close', resolve);
    stream.on('error', reject);
    stdin?.on('error', reject);
    stdin?.pipe(stream);
  });
  await abortable(over, signal).finally(() => stream.destroy());
  const { ExitCode } = await exec.inspect();
  return { exitCode: ExitCode ?? 1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
