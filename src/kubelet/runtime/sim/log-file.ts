/**
 * A container's log in CRI's format: `<RFC3339Nano> <stdout|stderr> <P|F> <text>`. No descriptor is kept: what was written in one turn is
 * appended in one go, so that ten thousand quiet containers hold nothing open, and a rotated file is simply written anew.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import { errorCode } from '../../../lib/errors.ts';
import type { Output } from './io.ts';

export type LogStream = 'stdout' | 'stderr';

export interface LogFile {
  readonly path: string;
  output(stream: LogStream, options?: { isTty?: boolean }): Output;
  /** Makes the file, so that a container that says nothing has an empty log. */
  create(): Promise<void>;
  /** Called with what is written from now on, before it is in the file; for attach. */
  tap(callback: (stream: LogStream, data: Buffer) => void): () => void;
  /** Resolves when everything that was written so far is in the file; a last line without a newline too. */
  flush(): Promise<void>;
}

/** As containerd's max_container_log_line_size. */
const MAX_LINE_BYTES = 16 * 1024;
/** Writers wait while so much has not reached the file. */
const ROOM = 256 * 1024;
const NEWLINE = 0x0a;

/** `failed` is told when lines could not be written (a full disk); they are lost then, as with a real runtime. */
export function createLogFile(file: string, { clock, failed }: { clock: Clock; failed: (error: unknown) => void }): LogFile {
  return new CriLog(file, clock, failed);
}

class CriLog implements LogFile {
  readonly path: string;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #partial: Record<LogStream, Buffer | undefined> = { stdout: undefined, stderr: undefined };
  #queued: string[] = [];
  #queuedSize = 0;
  #writing: Promise<void> | undefined;
  #taps: Set<(stream: LogStream, data: Buffer) => void> | undefined;

  constructor(file: string, clock: Clock, failed: (error: unknown) => void) {
    this.path = file;
    this.#clock = clock;
    this.#failed = failed;
  }

  output(stream: LogStream, { isTty = false } = {}): Output {
    return { isTty, write: (data) => this.#write(stream, Buffer.from(data)), end: () => undefined };
  }

  create(): Promise<void> {
    return append(this.path, '');
  }

  tap(callback: (stream: LogStream, data: Buffer) => void): () => void {
    this.#taps ??= new Set();
    this.#taps.add(callback);
    return () => void this.#taps?.delete(callback);
  }

  async flush(): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#partial[stream];
      this.#partial[stream] = undefined;
      if (rest) this.#enqueue(stream, rest, 'F');
    }
    await this.#writing;
  }

  #write(stream: LogStream, data: Buffer): void | Promise<void> {
    for (const tap of this.#taps ?? []) tap(stream, data);
    let rest = this.#partial[stream] ? Buffer.concat([this.#partial[stream], data]) : data;
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      this.#line(stream, rest.subarray(0, at));
      rest = rest.subarray(at + 1);
    }
    this.#partial[stream] = rest.length > 0 ? Buffer.from(rest) : undefined;
    return this.#queuedSize > ROOM ? this.#writing : undefined;
  }

  #line(stream: LogStream, line: Buffer): void {
    let rest = line;
    for (; rest.length > MAX_LINE_BYTES; rest = rest.subarray(MAX_LINE_BYTES)) this.#enqueue(stream, rest.subarray(0, MAX_LINE_BYTES), 'P');
    this.#enqueue(stream, rest, 'F');
  }

  #enqueue(stream: LogStream, text: Buffer, tag: 'P' | 'F'): void {
    const line = `${nanoTime(this.#clock.now())} ${stream} ${tag} ${text.toString('utf8')}\n`;
    this.#queued.push(line);
    this.#queuedSize += line.length;
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // One turn's lines go out together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queued.length > 0) {
      const text = this.#queued.join('');
      this.#queued = [];
      this.#queuedSize = 0;
      try {
        await append(this.path, text);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#writing = undefined;
  }
}

async function append(file: string, text: string): Promise<void> {
  try {
    await appendFile(file, text, { mode: 0o640 });
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    await mkdir(path.dirname(file), { recursive: true });
    await appendFile(file, text, { mode: 0o640 });
  }
}

/** RFC 3339 with nine digits, in UTC. */
function nanoTime(now: number): string {
  return `${new Date(now).toISOString().slice(0, -1)}000000Z`;
}
