import { Flag, frameHead, FrameType } from './frame.ts';

/** The sending half of a stream. */
export interface Outgoing {
  /** 0 until it is open. */
  id: number;
  /** What the server still takes on this stream, bytes. */
  window: number;
  queue: { bytes: Buffer; end: boolean }[];
  /** Everything was sent, the end too. */
  done?: boolean;
}

/**
 * What bodies go out when (RFC 9113, 5.2): as much as the windows of the connection and of the stream allow, in frames that the server takes; the
 * rest waits, streams in the order in which they came to a stop.
 */
export class SendQueue<S extends Outgoing> {
  /** The largest frame that the server takes. */
  frameBytes: number;
  #window: number;
  #streamWindow: number;
  readonly #send: (buffers: Buffer[]) => void;
  readonly #stopped = new Set<S>();

  constructor(window: number, frameBytes: number, send: (buffers: Buffer[]) => void) {
    this.#window = window;
    this.#streamWindow = window;
    this.frameBytes = frameBytes;
    this.#send = send;
  }

  /** The stream is open now: what was pushed before goes out. */
  begin(stream: S): void {
    stream.window = this.#streamWindow;
    if (stream.queue.length > 0) this.#pump(stream);
  }

  push(stream: S, bytes: Buffer, end: boolean): void {
    stream.queue.push({ bytes, end });
    if (stream.id > 0 && !this.#stopped.has(stream)) this.#pump(stream);
  }

  /** Nothing more of it is sent. */
  drop(stream: S): void {
    stream.queue = [];
    this.#stopped.delete(stream);
  }

  /** The server takes so many bytes more: on one stream, or in all. */
  grant(bytes: number, stream?: S | 'gone'): void {
    if (stream === undefined) this.#window += bytes;
    else if (stream !== 'gone') stream.window += bytes;
    this.#resume();
  }

  /** The server changed what a stream may send at first, which holds for those that are open too (RFC 9113, 6.9.2). */
  resize(window: number, open: Iterable<S>): void {
    const more = window - this.#streamWindow;
    this.#streamWindow = window;
    for (const stream of open) stream.window += more;
    this.#resume();
  }

  #resume(): void {
    const stopped = [...this.#stopped];
    this.#stopped.clear();
    for (const stream of stopped) this.#pump(stream);
  }

  #pump(stream: S): void {
    while (stream.queue.length > 0) {
      const [{ bytes, end }] = stream.queue as [{ bytes: Buffer; end: boolean }];
      const most = Math.min(bytes.length, this.frameBytes, stream.window, this.#window);
      if (most <= 0 && bytes.length > 0) return void this.#stopped.add(stream);
      const last = most === bytes.length;
      const flags = last && end ? Flag.END_STREAM : 0;
      this.#send([frameHead(FrameType.DATA, flags, stream.id, most), last ? bytes : bytes.subarray(0, most)]);
      this.#window -= most;
      stream.window -= most;
      if (last) stream.queue.shift();
      else stream.queue[0] = { bytes: bytes.subarray(most), end };
      stream.done ||= last && end;
    }
  }
}
