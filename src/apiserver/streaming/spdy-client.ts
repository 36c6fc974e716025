/**
 * The client's side of SPDY/3.1 as far as Kubernetes uses it (SPDY Protocol draft 3.1): streams that we open, data both ways, half-close.
 * Its servers (moby/spdystream) know no flow control, so there is none here: who receives holds the connection up by not resolving.
 */
import type { Duplex } from 'node:stream';
import { constants, createDeflate } from 'node:zlib';
import dictionaries from 'spdy-transport/lib/spdy-transport/protocol/spdy/dictionary.js';

/** Called with each piece of a stream, in order; the next one waits for its promise. `end` comes once, perhaps with the last piece. */
export type Receive = (data: Buffer, end: boolean) => Promise<void> | void;

const TYPE = { synStream: 1, rstStream: 3, ping: 6 };
const FLAG_FIN = 1;
const HEADER_BYTES = 8;
const CONTROL = 0x8003;

export class SpdyClient {
  readonly #socket: Duplex;
  readonly #receivers = new Map<number, Receive>();
  // One compression context for all header blocks of the connection. Those of the server are not read: its replies say nothing.
  readonly #deflate = createDeflate({ dictionary: dictionaries['3'], flush: constants.Z_SYNC_FLUSH });
  #nextId = 1;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Opens a stream and gives its number. One after the other: the order of header blocks is that of their compression. */
  async open(headers: Readonly<Record<string, string>>, receive: Receive): Promise<number> {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#receivers.set(id, receive);
    const block = await this.#compressed(headerBlock(headers));
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(id);
    this.#socket.write(control(TYPE.synStream, Buffer.concat([fixed, block])));
    return id;
  }

  /** False when the connection has enough to do: wait for its `drain`. `end` closes our side of the stream. */
  send(id: number, data: Buffer, end = false): boolean {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(id);
    header.writeUInt32BE(data.length, 4);
    if (end) header[4] = FLAG_FIN;
    return this.#socket.write(Buffer.concat([header, data]));
  }

  /** Hands what arrives to the receivers. Resolves when the connection has ended; `head` is what was read of it before. */
  async run(head: Buffer): Promise<void> {
    let data = await this.#frames(head);
    for await (const chunk of this.#socket)
      data = await this.#frames(data.length === 0 ? (chunk as Buffer) : Buffer.concat([data, chunk as Buffer]));
  }

  close(): void {
    this.#deflate.close();
    this.#socket.destroy();
  }

  /** Reads the whole frames; gives back what is left. */
  async #frames(data: Buffer): Promise<Buffer> {
    let rest = data;
    while (rest.length >= HEADER_BYTES) {
      const length = HEADER_BYTES + rest.readUIntBE(5, 3);
      if (rest.length < length) break;
      await this.#frame(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    return rest;
  }

  async #frame(frame: Buffer): Promise<void> {
    const body = frame.subarray(HEADER_BYTES);
    if ((frame[0]! & 0x80) === 0) return this.#deliver(frame.readUInt32BE(0), body, (frame[4]! & FLAG_FIN) !== 0);
    const type = frame.readUInt16BE(2);
    if (type === TYPE.ping) this.#socket.write(control(TYPE.ping, body));
    else if (type === TYPE.rstStream) await this.#deliver(body.readUInt32BE(0), Buffer.alloc(0), true);
  }

  async #deliver(id: number, data: Buffer, end: boolean): Promise<void> {
    const receive = this.#receivers.get(id);
    if (end) this.#receivers.delete(id);
    await receive?.(data, end);
  }

  #compressed(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#deflate.write(block, (error) => {
        if (error) return reject(error);
        const out: Buffer[] = [];
        for (let chunk = this.#deflate.read() as Buffer | null; chunk; chunk = this.#deflate.read() as Buffer | null) out.push(chunk);
        resolve(Buffer.concat(out));
      });
    });
  }
}

function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers);
  return Buffer.concat([uint32(entries.length), ...entries.flat().flatMap((text) => [uint32(Buffer.byteLength(text)), Buffer.from(text)])]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function control(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(CONTROL, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}
