/** From `start` to the node's report: the container's output is read from before its first byte, so that no line is missed. */
import type { Duplex } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Clock } from '../../../lib/clock.ts';
import type { NodeReport } from '../../../lib/node-config.ts';
import { LineReader, lastLines, parseReport } from '../../node-report.ts';
import { failure } from '../../reasons.ts';
import { engineFailure } from './engine.ts';
import { Demultiplexer } from './multiplexed.ts';

export interface BootOptions {
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Starts the container and waits for its report. Throws what the report says when the node could not start. */
export async function bootNode(container: Dockerode.Container, { clock, timeoutMs, signal }: BootOptions): Promise<NodeReport> {
  const output = (await container.attach({ stream: true, stdout: true, stderr: true })) as unknown as Duplex;
  const done = new AbortController();
  const said: string[] = [];
  try {
    const report = reportFrom(output, said);
    // It is awaited below; when the start itself fails first, that failure is the one to tell.
    report.catch((): void => {});
    try {
      await container.start({ abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw engineFailure(error, 'cannot start the node container');
    }
    const late = clock.sleep(timeoutMs, AbortSignal.any([signal, done.signal])).then(() => {
      throw failure('NODE_TIMEOUT', `the node did not report within ${Math.round(timeoutMs / 1000)} s${lastLines(said)}`);
    });
    return await Promise.race([report, late]);
  } finally {
    done.abort();
    output.destroy();
  }
}

function reportFrom(output: Duplex, said: string[]): Promise<NodeReport> {
  return new Promise((resolve, reject) => {
    const stdout = new LineReader((line) => {
      const report = parseReport(line);
      if (report) resolve(report);
    });
    const stderr = new LineReader((line) => said.push(line));
    const parts = new Demultiplexer((stream, data) => (stream === 'stdout' ? stdout : stderr).write(data));
    output.on('data', (chunk: Buffer) => parts.write(chunk));
    output.on('error', reject);
    output.on('end', () => reject(failure('NODE_START', `the node ended before it was ready${lastLines(said)}`)));
  });
}
