import type * as grpcJs from '@grpc/grpc-js';
import type { Client, ClientDuplexStream, Metadata, ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import { StorageError } from '../storage.ts';
import type { Message } from './wire.ts';

type Grpc = typeof grpcJs;

export interface EtcdTls {
  /** PEM. */
  ca: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

export interface Method<Request, Response> {
  path: string;
  request: Message<Request>;
  response: Message<Response>;
}

const DEADLINE_MS = 10_000;
const ROUND_PAUSE_MS = 50;

/**
 * One HTTP/2 connection to one of the endpoints; calls are pipelined on it. When an endpoint fails, the next call goes to the next one.
 * A call waits for the connection as long as its deadline lets it, so etcd may still be starting.
 */
export class Connection {
  readonly #grpc: Grpc;
  readonly #clock: Clock;
  readonly #clients: Client[];
  readonly #metadata: Metadata;
  #current = 0;
  #closed = false;

  private constructor(grpc: Grpc, endpoints: readonly string[], tls: EtcdTls | undefined, clock: Clock) {
    this.#grpc = grpc;
    this.#clock = clock;
    this.#clients = endpoints.map((endpoint) => clientOf(grpc, endpoint, tls));
    // With one endpoint there is nothing better to do than to wait for it; with several, a dead one is left at once.
    this.#metadata = new grpc.Metadata({ waitForReady: endpoints.length === 1 });
  }

  /** Does not connect yet: the first call does. Endpoints are `unix:///path`, `http://host:port` or `https://host:port`. */
  static async open(endpoints: readonly string[], tls: EtcdTls | undefined, clock: Clock): Promise<Connection> {
    return new Connection(await import('@grpc/grpc-js'), endpoints, tls, clock);
  }

  async call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const deadline = this.#clock.now() + DEADLINE_MS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(method, request, deadline);
      } catch (error) {
        if (this.#closed) throw new StorageError('Closed', 'the store is closed', { cause: error });
        const { code } = error as ServiceError;
        const { status } = this.#grpc;
        if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED) this.rotate();
        if (!neverSent(error as ServiceError) || this.#clock.now() >= deadline) throw storageError(status, error as ServiceError);
      }
      if (attempt % this.#clients.length === 0) await this.#clock.sleep(ROUND_PAUSE_MS);
    }
  }

  stream<Request, Response>(method: Method<Request, Response>): ClientDuplexStream<Request, Response> {
    return this.#client().makeBidiStreamRequest(method.path, method.request.encode, method.response.decode, this.#metadata);
  }

  /** Sends the next calls to the next endpoint. */
  rotate(): void {
    this.#current = (this.#current + 1) % this.#clients.length;
  }

  close(): void {
    this.#closed = true;
    for (const client of this.#clients) client.close();
  }

  #attempt<Request, Response>(
    { path, request: { encode }, response: { decode } }: Method<Request, Response>,
    request: Request,
    deadline: number,
  ): Promise<Response> {
    if (this.#closed) throw new StorageError('Closed', 'the store is closed');
    return new Promise((resolve, reject) => {
      this.#client().makeUnaryRequest<Request, Response>(path, encode, decode, request, this.#metadata, { deadline }, (error, response) => {
        if (error) reject(error);
        else resolve(response!);
      });
    });
  }

  #client(): Client {
    return this.#clients[this.#current]!;
  }
}

/** Only such a call may be made again: of any other one nobody knows whether etcd has carried it out. */
function neverSent({ details }: ServiceError): boolean {
  return typeof details === 'string' && (details.startsWith('No connection established') || details.startsWith('Name resolution failed'));
}

function clientOf(grpc: Grpc, endpoint: string, tls: EtcdTls | undefined): Client {
  const { protocol, host, pathname } = new URL(endpoint);
  const secure = protocol === 'https:';
  const credentials = secure
    ? grpc.credentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null)
    : grpc.credentials.createInsecure();
  const address = protocol === 'unix:' ? `unix:${decodeURIComponent(pathname)}` : host;
  return new grpc.Client(address, credentials, {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    // The defaults begin at one second, which is all the time that a whole start may take.
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.min_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.use_local_subchannel_pool': 1,
    // What we do not use costs time in every call: its own retries (ours know what may be repeated) and its introspection.
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    ...(protocol === 'unix:' ? { 'grpc.default_authority': 'localhost' } : { 'grpc.keepalive_time_ms': 30_000 }),
  });
}

/** etcd tells its errors apart by text (its api/v3rpc/rpctypes/error.go). */
function storageError(status: Grpc['status'], cause: Error & Partial<ServiceError>): StorageError {
  const { details = '', code } = cause;
  if (code === status.OUT_OF_RANGE && details.includes('compacted')) return new StorageError('Compacted', details, { cause });
  if (code === status.RESOURCE_EXHAUSTED && details.includes('space exceeded')) return new StorageError('NoSpace', details, { cause });
  if (details.includes('request is too large')) return new StorageError('TooLarge', details, { cause });
  return new StorageError('Unavailable', details || cause.message, { cause });
}
