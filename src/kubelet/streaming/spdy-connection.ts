/**
 * The server's side of SPDY/3.1 as far as Kubernetes uses it (SPDY Protocol draft 3.1): streams that the client opens, data both ways,
 * half-close, ping. Its client (moby/spdystream) sends no `:method` headers and no window updates, so that general servers refuse it
 * or stall; there is no flow control here either.
 */
import { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate } from 'node:zlib';
import type { Transform } from 'node:stream';
import dictionaries from 'spdy-transport/lib/spdy-transport/protocol/spdy/dictionary.js';

export interface SpdyStream extends Duplex {
  /** Lower-case names: `streamtype`, `port`, `requestid`. */
  readonly headers: ReadonlyMap<string, string>;
}

const TYPE = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 };
const FLAG_FIN = 1;
const HEADER_BYTES = 8;
const MAX_DATA_BYTES = 32 * 1024;
/** What one stream may hold unread before the whole connection waits for its reader. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export class SpdyConnection {
  readonly closed: AbortSignal;
  readonly #socket: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, ServerStream>();
  readonly #inflate = createInflate({ dictionary: dictionaries['3'], flush: constants.Z_SYNC_FLUSH });
  readonly #deflate = createDeflate({ dictionary: dictionaries['3'], flush: constants.Z_SYNC_FLUSH });
  readonly #end = new AbortController();

  /** Begins to read frames at once; `onStream` is called for each stream that the client opens. */
  constructor(socket: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    this.closed = this.#end.signal;
    this.#run().then(
      () => this.#close(),
      (error: unknown) => this.#close(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Closes the connection once what was written is out. */
  end(): void {
    this.#socket.end(control(TYPE.goAway, Buffer.alloc(8)));
  }

  async #run(): Promise<void> {
    let data: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#socket) {
      data = data.length === 0 ? (chunk as Buffer) : Buffer.concat([data, chunk as Buffer]);
      for (let length = frameLength(data); length !== undefined; length = frameLength(data)) {
        await this.#frame(data.subarray(0, length));
        data = data.subarray(length);
      }
    }
  }

  async #frame(frame: Buffer): Promise<void> {
    const flags = frame[4]!;
    const body = frame.subarray(HEADER_BYTES);
    if ((frame[0]! & 0x80) === 0) return this.#data(frame.readUInt32BE(0), { flags, body });
    switch (frame.readUInt16BE(2)) {
      case TYPE.synStream:
        return this.#open(body.readUInt32BE(0) & 0x7fff_ffff, { flags, headers: await this.#headers(body.subarray(10)) });
      case TYPE.rstStream:
        this.#streams.get(body.readUInt32BE(0))?.destroy();
        return;
      case TYPE.ping:
        this.#socket.write(control(TYPE.ping, body));
        return;
      default:
      // settings, window updates, goaway: nothing that changes what we do
    }
  }

  async #data(id: number, { flags, body }: { flags: number; body: Buffer }): Promise<void> {
    const stream = this.#streams.get(id);
    if (!stream || stream.destroyed) return;
    if (body.length > 0) stream.push(body);
    if (flags & FLAG_FIN) stream.push(null);
    if (stream.readableLength > MAX_UNREAD_BYTES) await stream.drained();
  }

  async #open(id: number, { flags, headers }: { flags: number; headers: Map<string, string> }): Promise<void> {
    const stream = new ServerStream(headers, (data, fin, done) => this.#sendData(id, { data, fin, done }));
    stream.once('close', () => this.#streams.delete(id));
    // a client that goes away is no failure of whoever reads the stream
    stream.on('error', () => undefined);
    this.#streams.set(id, stream);
    const reply = Buffer.alloc(4);
    reply.writeUInt32BE(id);
    this.#socket.write(control(TYPE.synReply, Buffer.concat([reply, await through(this.#deflate, Buffer.alloc(4))])));
    if (flags & FLAG_FIN) stream.push(null);
    this.#onStream(stream);
  }

  async #headers(block: Buffer): Promise<Map<string, string>> {
    const plain = await through(this.#inflate, block);
    const headers = new Map<string, string>();
    let at = 4;
    const text = (): string => {
      const length = plain.readUInt32BE(at);
      at += 4 + length;
      return plain.toString('utf8', at - length, at);
    };
    for (let left = plain.readUInt32BE(0); left > 0; left--) headers.set(text().toLowerCase(), text());
    return headers;
  }

  #sendData(id: number, { data, fin, done }: { data: Buffer; fin: boolean; done: () => void }): void {
    if (this.#socket.writableEnded || this.#socket.destroyed) return done();
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(id);
    header.writeUInt32BE(data.length, 4);
    header[4] = fin ? FLAG_FIN : 0;
    this.#socket.write(Buffer.concat([header, data]), () => done());
  }

  #close(error?: Error): void {
    for (const stream of this.#streams.values()) stream.destroy(error);
    this.#inflate.close();
    this.#deflate.close();
    this.#socket.destroy();
    this.#end.abort();
  }
}

class ServerStream extends Duplex implements SpdyStream {
  readonly headers: ReadonlyMap<string, string>;
  readonly #send: (data: Buffer, fin: boolean, done: () => void) => void;
  #onRead: (() => void) | undefined;

  constructor(headers: ReadonlyMap<string, string>, send: (data: Buffer, fin: boolean, done: () => void) => void) {
    super({ allowHalfOpen: true });
    this.headers = headers;
    this.#send = send;
  }

  /** Resolves when somebody reads again, or nobody will. */
  drained(): Promise<void> {
    return new Promise((resolve) => (this.#onRead = resolve));
  }

  override _read(): void {
    this.#onRead?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (chunk.length <= MAX_DATA_BYTES) return this.#send(chunk, false, done);
    this.#send(chunk.subarray(0, MAX_DATA_BYTES), false, () => this._write(chunk.subarray(MAX_DATA_BYTES), _encoding, done));
  }

  override _final(done: () => void): void {
    this.#send(Buffer.alloc(0), true, done);
  }

  /** The client learns that nothing more comes, also when it ended in a failure. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#onRead?.();
    if (!this.writableFinished) this.#send(Buffer.alloc(0), true, () => undefined);
    done(error);
  }
}

function frameLength(data: Buffer): number | undefined {
  if (data.length < HEADER_BYTES) return undefined;
  const length = HEADER_BYTES + data.readUIntBE(5, 3);
  return data.length < length ? undefined : length;
}

function control(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

/** One block through a compression context that lives as long as the connection. */
function through(context: Transform, block: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    context.write(block, (error) => {
      if (error) return reject(error);
      const out: Buffer[] = [];
      for (let chunk = context.read() as Buffer | null; chunk; chunk = context.read() as Buffer | null) out.push(chunk);
      resolve(Buffer.concat(out));
    });
  });
}
