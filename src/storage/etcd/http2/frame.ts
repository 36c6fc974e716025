/** Frames of HTTP/2 (RFC 9113, section 4): nine bytes of head, then the payload. */

export const FRAME_HEAD = 9;

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** The same bits mean different things on different frames. */
export const Flag = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
} as const;

export const ErrorCode = { NO_ERROR: 0, REFUSED_STREAM: 7, CANCEL: 8 } as const;

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

export function frameHead(type: number, flags: number, stream: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

/** A whole frame whose payload is unsigned 32-bit numbers: WINDOW_UPDATE, RST_STREAM. */
export function numbersFrame(type: number, stream: number, ...numbers: number[]): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + numbers.length * 4);
  frameHead(type, 0, stream, numbers.length * 4).copy(frame);
  for (const [index, value] of numbers.entries()) frame.writeUInt32BE(value, FRAME_HEAD + index * 4);
  return frame;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + settings.length * 6);
  frameHead(FrameType.SETTINGS, 0, 0, settings.length * 6).copy(frame);
  for (const [index, [id, value]] of settings.entries()) {
    frame.writeUInt16BE(id, FRAME_HEAD + index * 6);
    frame.writeUInt32BE(value, FRAME_HEAD + index * 6 + 2);
  }
  return frame;
}

/** What is left of a payload without padding and priority (RFC 9113, 6.1 and 6.2). Throws for padding past the end. */
export function content({ flags, payload }: Frame): Buffer {
  const padding = flags & Flag.PADDED ? (payload[0] ?? 0) : 0;
  const start = (flags & Flag.PADDED ? 1 : 0) + (flags & Flag.PRIORITY ? 5 : 0);
  if (start + padding > payload.length) throw new Error('a frame with more padding than content');
  return padding + start === 0 ? payload : payload.subarray(start, payload.length - padding);
}

/** Puts frames together from chunks that end anywhere. Throws for a frame of more than `most` bytes. */
export class FrameReader {
  readonly #most: number;
  readonly #onFrame: (frame: Frame) => void;
  #rest: Buffer | undefined;

  constructor(most: number, onFrame: (frame: Frame) => void) {
    this.#most = most;
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD) {
      const length = bytes.readUIntBE(at, 3);
      if (length > this.#most) throw new Error(`a frame of ${length} bytes`);
      const start = at + FRAME_HEAD;
      if (bytes.length < start + length) break;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      at = start + length;
      this.#onFrame({ type: bytes[start - 6]!, flags: bytes[start - 5]!, stream, payload: bytes.subarray(start, at) });
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
  }
}
