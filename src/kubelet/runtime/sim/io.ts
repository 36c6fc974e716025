/** Streams between modelled processes: bytes in chunks, with back-pressure, no descriptors. */

export interface Input {
  readonly isTty: boolean;
  /** The next chunk, undefined at the end. Rejects when the signal aborts. */
  read(signal?: AbortSignal): Promise<Buffer | undefined>;
  /** Puts bytes back that were read too far. */
  unread(chunk: Buffer): void;
  /** Nobody reads any more: who writes gets BrokenPipe. */
  close(): void;
}

export interface Output {
  readonly isTty: boolean;
  /** Resolves when there is room for more. Rejects with BrokenPipe when nobody reads. */
  write(data: string | Uint8Array): void | Promise<void>;
  /** Nothing more will be written. */
  end(): void;
}

/** As EPIPE and SIGPIPE: who writes to nobody ends with 141. */
export class BrokenPipe extends Error {
  override name = 'BrokenPipe';

  constructor() {
    super('Broken pipe');
  }
}

const ROOM = 64 * 1024;

/** A pipe: what is written on one end is read on the other. */
export class Pipe implements Input, Output {
  readonly isTty: boolean;
  #chunks: Buffer[] = [];
  #size = 0;
  #ended = false;
  #broken = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  constructor({ isTty = false } = {}) {
    this.isTty = isTty;
  }

  async read(signal?: AbortSignal): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) await this.#change(signal);
    const chunk = this.#chunks.shift();
    if (chunk) this.#size -= chunk.length;
    if (this.#size < ROOM) this.#releaseWriters();
    return chunk;
  }

  unread(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.unshift(chunk);
    this.#size += chunk.length;
  }

  write(data: string | Uint8Array): void | Promise<void> {
    if (this.#broken || this.#ended) throw new BrokenPipe();
    const chunk = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
    if (chunk.length === 0) return undefined;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#wakeReader?.();
    if (this.#size < ROOM) return undefined;
    return new Promise((resolve, reject) => this.#wakeWriters.push(() => (this.#broken ? reject(new BrokenPipe()) : resolve())));
  }

  /** The writing end is done. */
  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    this.#releaseWriters();
  }

  /** The reading end is done. */
  close(): void {
    this.#broken = true;
    this.#chunks = [];
    this.#size = 0;
    this.#releaseWriters();
  }

  #releaseWriters(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }

  #change(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#wakeReader = undefined;
        reject(signal!.reason as Error);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#wakeReader = () => {
        this.#wakeReader = undefined;
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }
}

/** Nothing to read, as /dev/null. */
export const EMPTY_INPUT: Input = { isTty: false, read: () => Promise.resolve(undefined), unread: () => undefined, close: () => undefined };

export const NULL_OUTPUT: Output = { isTty: false, write: () => undefined, end: () => undefined };

/** Gathers what is written. */
export class Collector implements Output {
  readonly isTty = false;
  readonly #chunks: Buffer[] = [];

  write(data: string | Uint8Array): void {
    this.#chunks.push(typeof data === 'string' ? Buffer.from(data) : Buffer.from(data));
  }

  end(): void {
    // There is no reader to tell.
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** A fixed text to read: here-documents, redirected files. */
export function inputOf(data: string | Buffer): Input {
  const pipe = new Pipe();
  const bytes = Buffer.from(data);
  pipe.unread(bytes);
  pipe.end();
  return pipe;
}

/** Everything up to the end. */
export async function readAll(input: Input, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let chunk = await input.read(signal); chunk; chunk = await input.read(signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const NEWLINE = 0x0a;

/** The next line without its newline; undefined at the end. What follows it stays to be read. */
export async function readLine(input: Input, signal?: AbortSignal): Promise<string | undefined> {
  const parts: Buffer[] = [];
  for (let chunk = await input.read(signal); chunk; chunk = await input.read(signal)) {
    const at = chunk.indexOf(NEWLINE);
    if (at < 0) {
      parts.push(chunk);
      continue;
    }
    parts.push(chunk.subarray(0, at));
    input.unread(chunk.subarray(at + 1));
    return Buffer.concat(parts).toString('utf8');
  }
  return parts.length > 0 ? Buffer.concat(parts).toString('utf8') : undefined;
}

/** Line by line, the last one also without a newline. */
export async function* linesOf(input: Input, signal?: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for (let chunk = await input.read(signal); chunk; chunk = await input.read(signal)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') yield rest;
}
