import { open } from 'node:fs/promises';
import { watch } from 'node:fs';
import { readIfExists } from '../../files.ts';
import type { LogOptions } from '../../driver.ts';
import { LineReader } from '../../node-report.ts';
import { failure } from '../../reasons.ts';

/** The lines of a log file; with `follow` also those that come, until the signal aborts. */
export async function* followFile(path: string, { follow, tail, signal }: LogOptions): AsyncGenerator<string> {
  const text = await readIfExists(path);
  if (text === undefined) throw failure('NODE_NOT_RUNNING', `there is no log yet: ${path}`);
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  yield* tail === undefined ? lines : lines.slice(Math.max(0, lines.length - tail));
  if (follow) yield* grown(path, Buffer.byteLength(text), signal);
}

async function* grown(path: string, from: number, signal: AbortSignal): AsyncGenerator<string> {
  const ready: string[] = [];
  const reader = new LineReader((line) => ready.push(line));
  let wake = (): void => {};
  const watcher = watch(path, () => wake());
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  const file = await open(path);
  let at = from;
  try {
    while (!signal.aborted) {
      // Changes between this read and the wait wake the wait that follows.
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const { size } = await file.stat();
      if (size > at) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(size - at), 0, size - at, at);
        at += bytesRead;
        reader.write(buffer.subarray(0, bytesRead));
        yield* ready.splice(0);
      } else {
        await changed;
      }
    }
  } finally {
    watcher.close();
    signal.removeEventListener('abort', onAbort);
    await file.close();
  }
}
