/** The engine's framing of stdout and stderr on one connection: a stream number, three zero bytes, a length, the data (Engine API, "Stream format"). */
export class Demultiplexer {
  #rest: Buffer = Buffer.alloc(0);
  readonly #onData: (stream: 'stdout' | 'stderr', data: Buffer) => void;

  constructor(onData: (stream: 'stdout' | 'stderr', data: Buffer) => void) {
    this.#onData = onData;
  }

  write(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUInt32BE(4);
      if (this.#rest.length < 8 + length) return;
      const stream = this.#rest[0] === 2 ? 'stderr' : 'stdout';
      this.#onData(stream, this.#rest.subarray(8, 8 + length));
      this.#rest = this.#rest.subarray(8 + length);
    }
  }
}
