/** A message of gRPC on the wire: whether it is compressed (one byte), its length (four), its bytes. */
const PREFIX = 5;

/** A message with its prefix. Ours are never compressed. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX);
  return framed;
}

/** Puts messages together from chunks that end anywhere. `onMessage` may keep the bytes. */
export class MessageReader {
  readonly #onMessage: (bytes: Buffer) => void;
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = PREFIX;

  constructor(onMessage: (bytes: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  /** Throws for a compressed message, which was not asked for. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return;
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#needed = PREFIX;
    while (rest.length >= PREFIX) {
      if (rest[0] !== 0) throw new Error('a compressed message');
      const end = PREFIX + rest.readUInt32BE(1);
      if (rest.length < end) {
        this.#needed = end;
        break;
      }
      this.#onMessage(rest.subarray(PREFIX, end));
      rest = rest.subarray(end);
    }
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
  }
}
