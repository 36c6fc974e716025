import type { Clock } from '../../lib/clock.ts';
import { StorageError } from '../storage.ts';
import { Channel, GrpcCode, GrpcError, type Duplex, type DuplexEvents, type EtcdTls, type Method } from './channel.ts';

const DEADLINE_MS = 10_000;
const ROUND_PAUSE_MS = 50;

/**
 * Calls to one of the endpoints, pipelined on one HTTP/2 connection. When an endpoint fails, the next call goes to the next one.
 * A call waits for the connection as long as its deadline lets it, so etcd may still be starting.
 */
export class Connection {
  readonly #clock: Clock;
  readonly #channels: Channel[];
  #current = 0;
  #closed = false;

  /** Does not connect yet: the first call does. Endpoints are `unix:///path`, `http://host:port` or `https://host:port`. */
  constructor(endpoints: readonly string[], tls: EtcdTls | undefined, clock: Clock) {
    this.#clock = clock;
    // With one endpoint there is nothing better to do than to wait for it; with several, a dead one is left at once.
    const patient = endpoints.length === 1;
    this.#channels = endpoints.map((endpoint) => new Channel({ endpoint, ...(tls ? { tls } : {}), clock, patient }));
  }

  async call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const deadline = this.#clock.now() + DEADLINE_MS;
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new StorageError('Closed', 'the store is closed');
      try {
        return await this.#channel().call(method, request, Math.max(deadline - this.#clock.now(), 0));
      } catch (error) {
        if (this.#closed) throw new StorageError('Closed', 'the store is closed', { cause: error });
        if (!(error instanceof GrpcError)) throw error;
        if (error.code === GrpcCode.UNAVAILABLE || error.code === GrpcCode.DEADLINE_EXCEEDED) this.rotate();
        // Of a call that was sent nobody knows whether etcd has carried it out.
        if (!error.neverSent || this.#clock.now() >= deadline) throw storageError(error);
      }
      if (attempt % this.#channels.length === 0) await this.#clock.sleep(ROUND_PAUSE_MS);
    }
  }

  stream<Request, Response>(method: Method<Request, Response>, events: DuplexEvents<Response>): Duplex<Request> {
    return this.#channel().duplex(method, events);
  }

  /** Sends the next calls to the next endpoint. */
  rotate(): void {
    this.#current = (this.#current + 1) % this.#channels.length;
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#channels) channel.close();
  }

  #channel(): Channel {
    return this.#channels[this.#current]!;
  }
}

/** etcd tells its errors apart by text (its api/v3rpc/rpctypes/error.go). */
function storageError(cause: GrpcError): StorageError {
  const { message, code } = cause;
  if (code === GrpcCode.OUT_OF_RANGE && message.includes('compacted')) return new StorageError('Compacted', message, { cause });
  if (code === GrpcCode.RESOURCE_EXHAUSTED && message.includes('space exceeded')) return new StorageError('NoSpace', message, { cause });
  if (message.includes('request is too large')) return new StorageError('TooLarge', message, { cause });
  return new StorageError('Unavailable', message, { cause });
}
