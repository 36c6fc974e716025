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
    this.#response.write(batch);
    if (this.#response.writableLength > this.#limit) this.#response.destroy();
  }

  end(): void {
    this.#ended = true;
    if (!this.#early && !this.#response.writableEnded) this.#response.end();
  }
}
