/** The door to gRPC: calls described by a path and two message tables, over one connection to a unix socket. */
import {
  Client,
  credentials,
  type ClientReadableStream,
  type ClientDuplexStream,
  Metadata,
  status,
  type ServiceError,
} from '@grpc/grpc-js';
import { systemClock } from '../../../lib/clock.ts';
import { RuntimeError } from '../runtime.ts';
import { decode, encode, type Decoded, type Encodable, type Message, type MessageFields } from './wire.ts';

export interface Method<Q extends MessageFields, S extends MessageFields> {
  path: string;
  request: Message<Q>;
  response: Message<S>;
}

export interface CallOptions {
  /** How long the answer may take; two minutes unless given. */
  deadlineMs?: number;
  signal?: AbortSignal;
  headers?: Readonly<Record<string, string>>;
}

export interface Connection {
  /** Throws RuntimeError. */
  call<Q extends MessageFields, S extends MessageFields>(
    method: Method<Q, S>,
    request: Encodable<Message<Q>>,
    options?: CallOptions,
  ): Promise<Decoded<Message<S>>>;
  /** A call that answers with a stream, which lives until the signal aborts. */
  serverStream<Q extends MessageFields, S extends MessageFields>(
    method: Method<Q, S>,
    request: Encodable<Message<Q>>,
    signal: AbortSignal,
  ): ClientReadableStream<Decoded<Message<S>>>;
  duplexStream<Q extends MessageFields, S extends MessageFields>(
    method: Method<Q, S>,
    options?: CallOptions,
  ): ClientDuplexStream<Encodable<Message<Q>>, Decoded<Message<S>>>;
  close(): void;
}

const DEFAULT_DEADLINE_MS = 120_000;

/** Connects when first used, and again by itself after the other side was restarted. */
export function connectUnix(socketPath: string): Connection {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    'grpc.enable_http_proxy': 0,
    // containerd is local: after a restart it is back within tens of milliseconds
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.min_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.service_config_disable_resolution': 1,
  });
  return {
    call: (method, request, options = {}) => unary(client, method, request, options),
    serverStream(method, request, signal) {
      const stream = client.makeServerStreamRequest(method.path, encoder(method), decoder(method), request);
      signal.addEventListener('abort', () => stream.cancel(), { once: true });
      return stream;
    },
    duplexStream: (method, options = {}) =>
      client.makeBidiStreamRequest(method.path, encoder(method), decoder(method), metadataOf(options), { deadline: deadlineOf(options) }),
    close: () => client.close(),
  };
}

const encoder =
  <Q extends MessageFields, S extends MessageFields>(method: Method<Q, S>) =>
  (value: Encodable<Message<Q>>): Buffer =>
    encode(method.request, value);
const decoder =
  <Q extends MessageFields, S extends MessageFields>(method: Method<Q, S>) =>
  (buffer: Buffer): Decoded<Message<S>> =>
    decode(method.response, buffer);

/** A deadline as gRPC takes it: a point in time that it compares with the system's own clock, so no other clock may give it. */
export function deadlineIn(ms: number): number {
  return systemClock().now() + ms;
}

const deadlineOf = ({ deadlineMs = DEFAULT_DEADLINE_MS }: CallOptions): number => deadlineIn(deadlineMs);

function metadataOf({ headers = {} }: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

function unary<Q extends MessageFields, S extends MessageFields>(
  client: Client,
  method: Method<Q, S>,
  request: Encodable<Message<Q>>,
  options: CallOptions,
): Promise<Decoded<Message<S>>> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      method.path,
      encoder(method),
      decoder(method),
      request,
      metadataOf(options),
      { deadline: deadlineOf(options) },
      (error, value) => {
        signal?.removeEventListener('abort', onAbort);
        if (error) reject(signal?.aborted ? (signal.reason as Error) : runtimeError(error));
        else resolve(value!);
      },
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** gRPC's codes in the words of the runtime contract. The message is the other side's own. */
export function runtimeError(error: ServiceError): RuntimeError {
  return new RuntimeError(CODES[error.code] ?? 'Unknown', error.details || error.message, { cause: error });
}

const CODES: Partial<Record<status, RuntimeError['code']>> = {
  [status.NOT_FOUND]: 'NotFound',
  [status.ALREADY_EXISTS]: 'AlreadyExists',
  [status.INVALID_ARGUMENT]: 'InvalidArgument',
  [status.DEADLINE_EXCEEDED]: 'Timeout',
  [status.UNAVAILABLE]: 'Unavailable',
  [status.UNAUTHENTICATED]: 'Unauthenticated',
};
