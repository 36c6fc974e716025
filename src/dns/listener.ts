/** A port that questions come to, by UDP and by TCP. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { RCODES, respond } from './message.ts';
import type { Handler } from './plugin.ts';
import { decodeQuery, encodeResponse, frame, takeFrames } from './wire.ts';

export interface ListenerOptions {
  host: string;
  /** 0 takes a free one, the same for both. */
  port: number;
  log: Logger;
  handle: Handler;
}

/** A client that says nothing for so long is hung up on (RFC 7766, 6.2.3, asks for some seconds). */
const IDLE_MS = 10_000;
const RECEIVE_BUFFER_BYTES = 1 << 20;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Socket>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#udp?.address().port ?? this.#options.port;
  }

  async open(): Promise<void> {
    const { host, port, log } = this.#options;
    const udp = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
    this.#udp = udp;
    udp.bind(port, host);
    await once(udp, 'listening');
    // A burst of questions after a rollout is larger than the kernel's default holds.
    udp.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    // A client that closed its port before the answer came (ECONNREFUSED), or an answer that no route takes, is no failure of the server's.
    udp.on('error', (error) => log.debug('a datagram was not sent', { error: errorMessage(error) }));
    udp.on('message', (bytes, from) => this.#answerUdp(udp, bytes, from));
    const tcp = createServer((socket) => this.#serve(socket));
    this.#tcp = tcp;
    tcp.listen({ host, port: udp.address().port });
    await once(tcp, 'listening');
  }

  async close(): Promise<void> {
    const [udp, tcp] = [this.#udp, this.#tcp];
    this.#udp = undefined;
    this.#tcp = undefined;
    for (const connection of this.#connections) connection.destroy();
    await Promise.all([
      udp && new Promise<void>((resolve) => udp.close(resolve)),
      tcp?.listening && new Promise((resolve) => tcp.close(resolve)),
    ]);
  }

  #answerUdp(udp: UdpSocket, bytes: Buffer, { address, port }: RemoteInfo): void {
    this.#answer(bytes, { client: address, protocol: 'udp' }, (reply) => {
      if (this.#udp === udp) udp.send(reply, port, address);
    });
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.once('close', () => this.#connections.delete(socket));
    socket.on('error', (error) =>
      this.#options.log.debug('a client cut its connection', { error: errorCode(error) ?? errorMessage(error) }),
    );
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      rest = takeFrames(Buffer.concat([rest, bytes]), (message) =>
        this.#answer(message, { client: socket.remoteAddress ?? '', protocol: 'tcp' }, (reply) => {
          if (socket.writable) socket.write(frame(reply));
        }),
      );
    });
  }

  /** Answers at once where the handler does; a handler that throws is answered for with SERVFAIL. */
  #answer(bytes: Buffer, from: { client: string; protocol: 'udp' | 'tcp' }, send: (reply: Buffer) => void): void {
    const wire = decodeQuery(bytes, from);
    if (!wire) return;
    if ('refusal' in wire) return send(wire.refusal);
    const failed = (error: unknown): void => {
      this.#options.log.debug('a question failed', { name: wire.query.name, error: errorMessage(error) });
      send(encodeResponse(wire, respond(RCODES.SERVFAIL)));
    };
    try {
      const response = this.#options.handle(wire.query);
      if (response instanceof Promise) response.then((later) => send(encodeResponse(wire, later))).catch(failed);
      else send(encodeResponse(wire, response));
    } catch (error) {
      failed(error);
    }
  }
}
