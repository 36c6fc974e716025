import type { Duplex } from 'node:stream';
import { content, ErrorCode, Flag, frameHead, FrameReader, FrameType, numbersFrame, Setting, settingsFrame, type Frame } from './frame.ts';
import { decodeHeaders, type HeaderFields } from './hpack.ts';
import { SendQueue, type Outgoing } from './send-queue.ts';

/** What a request learns of its answer, all in the order in which it came. */
export interface StreamEvents {
  /** The answer's headers; once more for its trailers. */
  onHeaders(fields: HeaderFields): void;
  /** `bytes` may be kept; they are part of a larger piece of memory. */
  onData(bytes: Buffer): void;
  /** Once, and the last; not after `cancel`. Without an error when the server ended the answer. */
  onClose(error: StreamError | undefined): void;
}

/** Why an answer did not come to its end. */
export class StreamError extends Error {
  /** The server has not seen the request, or has not begun with it. */
  readonly neverSeen: boolean;

  constructor(message: string, neverSeen: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'StreamError';
    this.neverSeen = neverSeen;
  }
}

/** A request that is open. */
export interface ClientStream {
  /** Waits, in order, for the windows that the server grants. */
  write(bytes: Buffer, end: boolean): void;
  /** Nothing is told of it any more, and the server may forget it. Harmless when it is over. */
  cancel(): void;
}

export interface SessionOptions {
  /** What the server may send ahead before it is read, bytes, in all and for each stream. */
  window: number;
  /** The number of the last stream, odd; then a new connection is needed. What the protocol has room for, unless given. */
  lastStream?: number;
  /** The server goes, or the numbers are used up: no new streams. Those that are open may still end. */
  onGoAway: () => void;
  /** Once; every stream has been told. */
  onClose: (error: Error | undefined) => void;
}

interface Stream extends Outgoing {
  readonly events: StreamEvents;
  readonly headers: Buffer;
  /** Bytes that came since the server was last granted more. */
  unread: number;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** What both sides begin with (RFC 9113, 6.5.2). */
const FIRST_WINDOW = 65_535;
const FRAME_BYTES = 16_384;
const LAST_STREAM = 2 ** 31 - 1;
/** Different blocks of headers that are remembered: those of all answers that went well are the same. */
const KNOWN_BLOCKS = 32;

/**
 * The client's side of HTTP/2 (RFC 9113) on a connected socket, as much as gRPC needs. In place of node:http2, whose streams cost more than
 * everything else that a call to etcd does. Everything that is written in one turn of the event loop goes out in one piece.
 */
export class Http2Session {
  readonly #socket: Duplex;
  readonly #options: SessionOptions;
  readonly #streams = new Map<number, Stream>();
  /** Requests beyond what the server takes at once. */
  readonly #waiting: Stream[] = [];
  readonly #sending: SendQueue<Stream>;
  readonly #known = new Map<string, HeaderFields>();
  #out: Buffer[] = [PREFACE];
  #flushing = false;
  #lastId = -1;
  /** The highest stream of which something was given to the socket. */
  #handedOver = -1;
  #mostStreams = Number.POSITIVE_INFINITY;
  #unread = 0;
  #begun: { stream: number; flags: number; blocks: Buffer[] } | undefined;
  #onPong: (() => void) | undefined;
  #leaving = false;
  #error: Error | undefined;

  constructor(socket: Duplex, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#sending = new SendQueue(FIRST_WINDOW, FRAME_BYTES, (buffers) => this.#send(...buffers));
    const { window } = options;
    this.#send(
      settingsFrame([
        [Setting.HEADER_TABLE_SIZE, 0],
        [Setting.ENABLE_PUSH, 0],
        [Setting.INITIAL_WINDOW_SIZE, window],
      ]),
      numbersFrame(FrameType.WINDOW_UPDATE, 0, window - FIRST_WINDOW),
    );
    const reader = new FrameReader(FRAME_BYTES, (frame) => this.#received(frame));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.destroy(error as Error);
      }
    });
    socket.on('error', (error: Error) => (this.#error ??= error));
    socket.once('close', () => this.#closed());
  }

  /** Whether new streams may be opened. */
  get usable(): boolean {
    return !this.#leaving && !this.#socket.destroyed;
  }

  /** Sends a request's headers (encoded); its body follows by `write`. */
  open(headers: Buffer, events: StreamEvents): ClientStream {
    const stream: Stream = { id: 0, window: 0, queue: [], events, headers, unread: 0 };
    if (this.#streams.size < this.#mostStreams) this.#begin(stream);
    else this.#waiting.push(stream);
    return {
      write: (bytes, end) => this.#sending.push(stream, bytes, end),
      cancel: () => this.#cancel(stream),
    };
  }

  /** `onPong` is called when the server shows that it is alive. */
  ping(onPong: () => void): void {
    this.#onPong = onPong;
    this.#send(frameHead(FrameType.PING, 0, 0, 8), Buffer.alloc(8));
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#leaving = true;
    this.#socket.destroy();
  }

  #begin(stream: Stream): void {
    stream.id = this.#lastId += 2;
    this.#streams.set(stream.id, stream);
    // Larger than a frame they cannot be: they are ours.
    this.#send(frameHead(FrameType.HEADERS, Flag.END_HEADERS, stream.id, stream.headers.length), stream.headers);
    this.#sending.begin(stream);
    const { lastStream = LAST_STREAM } = this.#options;
    if (stream.id >= lastStream) this.#leave(lastStream);
  }

  #cancel(stream: Stream): void {
    const waiting = this.#waiting.indexOf(stream);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    if (this.#streams.get(stream.id) !== stream) return;
    this.#send(numbersFrame(FrameType.RST_STREAM, stream.id, ErrorCode.CANCEL));
    this.#forget(stream);
  }

  #forget(stream: Stream): void {
    this.#sending.drop(stream);
    this.#streams.delete(stream.id);
    while (this.#waiting.length > 0 && this.#streams.size < this.#mostStreams) this.#begin(this.#waiting.shift()!);
    if (this.#leaving && this.#streams.size === 0) this.#socket.destroy();
  }

  #end(stream: Stream, error?: StreamError): void {
    this.#forget(stream);
    stream.events.onClose(error);
  }

  #send(...buffers: Buffer[]): void {
    this.#out.push(...buffers);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const out = this.#out;
    this.#out = [];
    if (this.#socket.destroyed) return;
    this.#handedOver = this.#lastId;
    this.#socket.write(out.length === 1 ? out[0] : Buffer.concat(out));
  }

  #received(frame: Frame): void {
    const { type, payload } = frame;
    if (this.#begun && type !== FrameType.CONTINUATION) throw new Error('headers that were left unfinished');
    if (type === FrameType.DATA) this.#data(frame);
    else if (type === FrameType.HEADERS) this.#headers(frame, content(frame));
    else if (type === FrameType.CONTINUATION) this.#headers(frame, payload);
    else if (type === FrameType.WINDOW_UPDATE) this.#granted(frame);
    else if (type === FrameType.RST_STREAM) this.#reset(frame);
    else if (type === FrameType.SETTINGS) this.#settings(frame);
    else if (type === FrameType.PING) this.#ping(frame);
    else if (type === FrameType.GOAWAY) this.#goAway(payload);
    else if (type === FrameType.PUSH_PROMISE) throw new Error('the server pushes, which it was told not to');
  }

  #data(frame: Frame): void {
    const size = frame.payload.length;
    const { window } = this.#options;
    this.#unread += size;
    if (this.#unread > window / 2) {
      this.#send(numbersFrame(FrameType.WINDOW_UPDATE, 0, this.#unread));
      this.#unread = 0;
    }
    const stream = this.#streams.get(frame.stream);
    if (!stream) return;
    stream.unread += size;
    if (stream.unread > window / 2) {
      this.#send(numbersFrame(FrameType.WINDOW_UPDATE, stream.id, stream.unread));
      stream.unread = 0;
    }
    const bytes = content({ ...frame, flags: frame.flags & ~Flag.PRIORITY });
    if (bytes.length > 0) stream.events.onData(bytes);
    if (frame.flags & Flag.END_STREAM) this.#ended(stream);
  }

  #headers({ type, flags, stream }: Frame, block: Buffer): void {
    if (type === FrameType.CONTINUATION && this.#begun?.stream !== stream) throw new Error('headers go on that never began');
    const begun = this.#begun ?? { stream, flags, blocks: [] };
    begun.blocks.push(block);
    if (!(flags & Flag.END_HEADERS)) {
      this.#begun = begun;
      return;
    }
    this.#begun = undefined;
    const fields = this.#decode(begun.blocks.length === 1 ? block : Buffer.concat(begun.blocks));
    const open = this.#streams.get(stream);
    if (!open) return;
    open.events.onHeaders(fields);
    if (begun.flags & Flag.END_STREAM) this.#ended(open);
  }

  #decode(block: Buffer): HeaderFields {
    const text = block.toString('latin1');
    const known = this.#known.get(text);
    if (known) return known;
    const fields = decodeHeaders(block);
    if (this.#known.size < KNOWN_BLOCKS) this.#known.set(text, fields);
    return fields;
  }

  /** The server has said everything. What it did not wait for is of no use any more. */
  #ended(stream: Stream): void {
    // Whoever was just told may have cancelled it.
    if (this.#streams.get(stream.id) !== stream) return;
    if (!stream.done) this.#send(numbersFrame(FrameType.RST_STREAM, stream.id, ErrorCode.CANCEL));
    this.#end(stream);
  }

  #granted({ stream, payload }: Frame): void {
    const more = payload.readUInt32BE(0) & 0x7fff_ffff;
    if (stream === 0) this.#sending.grant(more);
    else this.#sending.grant(more, this.#streams.get(stream) ?? 'gone');
  }

  #reset({ stream, payload }: Frame): void {
    const open = this.#streams.get(stream);
    const code = payload.readUInt32BE(0);
    if (open) this.#end(open, new StreamError(`the server reset the stream with code ${code}`, code === ErrorCode.REFUSED_STREAM));
  }

  #settings({ flags, payload }: Frame): void {
    if (flags & Flag.ACK) return;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const id = payload.readUInt16BE(at);
      const value = payload.readUInt32BE(at + 2);
      if (id === Setting.MAX_CONCURRENT_STREAMS) this.#mostStreams = value;
      else if (id === Setting.INITIAL_WINDOW_SIZE) this.#sending.resize(value, this.#streams.values());
      else if (id === Setting.MAX_FRAME_SIZE) this.#sending.frameBytes = value;
    }
    this.#send(frameHead(FrameType.SETTINGS, Flag.ACK, 0, 0));
  }

  #ping({ flags, payload }: Frame): void {
    if (flags & Flag.ACK) this.#onPong?.();
    else this.#send(frameHead(FrameType.PING, Flag.ACK, 0, payload.length), payload);
  }

  #goAway(payload: Buffer): void {
    const last = payload.readUInt32BE(0) & 0x7fff_ffff;
    const code = payload.readUInt32BE(4);
    if (code !== ErrorCode.NO_ERROR) this.#error ??= new Error(`the server goes away with code ${code}: ${payload.toString('latin1', 8)}`);
    this.#leave(last);
  }

  /** Nothing new is opened, and what comes after `last` is over; the connection ends with the streams that are open. */
  #leave(last: number): void {
    this.#leaving = true;
    const unseen = [...this.#streams.values()].filter(({ id }) => id > last).concat(this.#waiting.splice(0));
    for (const stream of unseen) this.#end(stream, new StreamError('the connection takes nothing new', true));
    this.#options.onGoAway();
    if (this.#streams.size === 0) this.#socket.destroy();
  }

  #closed(): void {
    this.#leaving = true;
    const message = this.#error?.message ?? 'the connection was lost';
    for (const stream of [...this.#streams.values(), ...this.#waiting.splice(0)]) {
      this.#streams.delete(stream.id);
      stream.events.onClose(new StreamError(message, stream.id === 0 || stream.id > this.#handedOver, this.#error));
    }
    this.#options.onClose(this.#error);
  }
}
