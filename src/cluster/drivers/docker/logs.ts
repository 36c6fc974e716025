import { PassThrough, Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import type Dockerode from 'dockerode';
import type { LogOptions } from '../../driver.ts';
import { engineCall } from './engine.ts';
import { Demultiplexer } from './multiplexed.ts';

/** What the node said, line by line; with `follow` until the signal aborts or the container ends. */
export async function* containerLogs(container: Dockerode.Container, { follow, tail, signal }: LogOptions): AsyncGenerator<string> {
  const query = { stdout: true as const, stderr: true as const, ...(tail === undefined ? {} : { tail }), abortSignal: signal };
  const lines = new PassThrough();
  const parts = new Demultiplexer((_, data) => lines.write(data));
  if (follow) {
    const stream = await engineCall("cannot read the node's log", () => container.logs({ ...query, follow: true }));
    stream.on('data', (chunk: Buffer) => parts.write(chunk));
    stream.on('end', () => lines.end());
    signal.addEventListener('abort', () => lines.end(), { once: true });
  } else {
    parts.write(await engineCall("cannot read the node's log", () => container.logs({ ...query, follow: false })));
    lines.end();
  }
  yield* createInterface({ input: Readable.from(lines), crlfDelay: Infinity });
}
