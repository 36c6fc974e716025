import type { ServerResponse } from 'node:http';
import type { WatchSink } from './channel.ts';

/** Most bytes that may wait for a slow client beyond what it began with; it is cut off and resumes from where it was. */
const BACKLOG_BYTES = 16 * 1024 * 1024;

/** A watch on the wire. What comes before `begin` waits, so that an error can still be a status code of its own. */
export class ResponseSink implements WatchSink<Buffer> {
  readonly #response: ServerResponse;
  readonly #start: () => void;
  #ended = false;
  #early: Buffer[] | undefined = [];
  #limit = BACKLOG_BYTES;

  constructor(response: ServerResponse, start: () => void) {
    this.#response = response;
    this.#start = start;
  }

  /** Writes the head and everything so far. */
  begin(): void {
    const early = Buffer.concat(this.#early ?? []);
    this.#early = undefined;
    this.#limit += early.length;
    if (this.#response.destroyed) return;
    this.#start();
    if (early.length > 0) this.#response.write(early);
    if (this.#ended) this.#response.end();
  }

  send(batch: Buffer): void {
    if (this.#early) {
      this.#early.push(batch);
      return;
    }
    if (this.#response.writableEnded || this.#response.destroyed) return;
    const { chunkedEncoding, socket } = this.#response;
    // Without a socket it waits behind an earlier answer; HTTP/2 knows no chunks.
    if (chunkedEncoding && socket) socket.write(chunkOf(batch));
    else this.#response.write(batch);
    if (this.#response.writableLength > this.#limit) this.#response.destroy();
  }

  end(): void {
    this.#ended = true;
    if (!this.#early && !this.#response.writableEnded) this.#response.end();
  }
}

const LINE_END = Buffer.from('\r\n');
const chunks = new WeakMap<Buffer, Buffer>();

/** A batch as a chunk of HTTP/1.1 (RFC 9112, 7.1), made once for all who are sent it; Node would put one together for each. */
function chunkOf(batch: Buffer): Buffer {
  let chunk = chunks.get(batch);
  if (!chunk) {
    chunk = Buffer.concat([Buffer.from(`${batch.length.toString(16)}\r\n`), batch, LINE_END]);
    chunks.set(batch, chunk);
  }
  return chunk;
}
