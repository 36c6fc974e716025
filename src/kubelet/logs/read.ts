/** Reads a container's log file as clients ask for it: from its end, since a time, following, with time stamps, up to a size. */
import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../../lib/errors.ts';
import { parseLogLine } from './format.ts';

export interface LogOptions {
  /** Undefined is everything. */
  tailLines?: number;
  /** Milliseconds since the epoch. */
  sinceMs?: number;
  timestamps?: boolean;
  limitBytes?: number;
  stream?: 'stdout' | 'stderr';
  /** Go on as the log grows; aborted once the container has ended. */
  followUntil?: AbortSignal;
  /** The client went away. */
  signal?: AbortSignal;
}

const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

/** Chunks of text as it is to be sent. Throws ENOENT when there is no such file. */
export async function* readLog(file: string, options: LogOptions): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of formatted(file, options)) {
    if (chunk.length === 0) continue;
    yield chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* formatted(file: string, options: LogOptions): AsyncGenerator<Buffer> {
  // a partial entry has no time of its own when it is put together with the ones before
  const state = { continues: false };
  for await (const lines of rawLines(file, options)) {
    const out: string[] = [];
    for (const line of lines) {
      const entry = parseLogLine(line);
      if (!entry || (options.stream && entry.stream !== options.stream)) continue;
      if (options.sinceMs !== undefined && Date.parse(entry.time) < options.sinceMs) continue;
      out.push(options.timestamps && !state.continues ? `${entry.time} ${entry.text}` : entry.text);
      state.continues = entry.partial;
    }
    yield Buffer.from(out.join(''));
  }
}

/** Batches of whole lines; over rotations when following. */
async function* rawLines(file: string, { tailLines, followUntil, signal }: LogOptions): AsyncGenerator<string[]> {
  let handle = await open(file, 'r');
  const changes = followUntil ? watchFile(file, [followUntil, signal]) : undefined;
  try {
    let at = tailLines === undefined ? 0 : await tailStart(handle, tailLines);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      if (signal?.aborted) return;
      // whether it has ended is asked before the read: what is written up to then is still sent
      const last = !changes || followUntil!.aborted;
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(BLOCK), 0, BLOCK, at);
      if (bytesRead > 0) {
        at += bytesRead;
        const data = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        const end = data.lastIndexOf(NEWLINE) + 1;
        rest = data.subarray(end);
        if (end > 0) yield data.toString('utf8', 0, end - 1).split('\n');
        continue;
      }
      const rotated = changes ? await reopened(handle, file) : undefined;
      if (rotated) {
        await handle.close();
        [handle, at, rest] = [rotated, 0, Buffer.alloc(0)];
      } else if (last) {
        return;
      } else {
        await changes.next();
      }
    }
  } finally {
    changes?.close();
    await handle.close();
  }
}

/** Where the last `count` lines begin. */
async function tailStart(handle: FileHandle, count: number): Promise<number> {
  const { size } = await handle.stat();
  if (count <= 0) return size;
  let newlines = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK);
    const { buffer } = await handle.read(Buffer.allocUnsafe(end - start), 0, end - start, start);
    for (let i = end - start - 1; i >= 0; i--) {
      // the newline that closes the last line does not count
      if (buffer[i] === NEWLINE && start + i !== size - 1 && ++newlines === count) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

/** The new file behind the name, if the one that we read was rotated away. */
async function reopened(handle: FileHandle, file: string): Promise<FileHandle | undefined> {
  try {
    const [mine, current] = await Promise.all([handle.stat(), stat(file)]);
    return mine.ino === current.ino ? undefined : await open(file, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

interface Changes {
  /** Resolves at the next change, or at once when there was one since the last call. */
  next(): Promise<void>;
  close(): void;
}

/** Watches the folder, so that a rotation is seen as well. */
function watchFile(file: string, ends: readonly (AbortSignal | undefined)[]): Changes {
  let changed = false;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    changed = true;
    wake?.();
  };
  const watcher = watch(path.dirname(file), notify);
  watcher.on('error', notify);
  for (const end of ends) end?.addEventListener('abort', notify, { once: true });
  return {
    async next() {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
    },
    close() {
      watcher.close();
      for (const end of ends) end?.removeEventListener('abort', notify);
    },
  };
}
