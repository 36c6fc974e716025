/** One server that questions are passed on to. */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { connect, isIPv6 } from 'node:net';
import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Query, Response } from './message.ts';
import { decodeAnswer, encodeQuestion, frame, takeFrames } from './wire.ts';

export interface UpstreamOptions {
  clock: Clock;
  forceTcp: boolean;
  /** So many failures in a row make it unhealthy; 0 never does. */
  maxFails: number;
}

const UDP_TIMEOUT_MS = 2_000;
const TCP_TIMEOUT_MS = 4_000;
/** How long an unhealthy one is asked last. It is learnt from questions alone: nothing is sent while nobody asks. */
const UNHEALTHY = { baseMs: 500, maxMs: 30_000 };

/** Healthy until `maxFails` questions in a row failed; then asked last for a while that doubles. */
export class Upstream {
  readonly #address: { host: string; port: number };
  readonly #options: UpstreamOptions;
  readonly #abort = new AbortController();
  #failures = 0;
  #unhealthyUntil = -Infinity;

  constructor(address: { host: string; port: number }, options: UpstreamOptions) {
    this.#address = address;
    this.#options = options;
  }

  get healthy(): boolean {
    return this.#options.clock.monotonic() >= this.#unhealthyUntil;
  }

  close(): void {
    this.#abort.abort(new Error('the DNS server was stopped'));
  }

  /** Its answer; by TCP when the one by UDP did not fit. Throws when there is none in time. */
  async ask(query: Query): Promise<Response> {
    try {
      const overUdp =
        this.#options.forceTcp || query.protocol === 'tcp' ? undefined : await this.#exchange(query, UDP_TIMEOUT_MS, askByUdp);
      const { response } = overUdp && !overUdp.truncated ? overUdp : await this.#exchange(query, TCP_TIMEOUT_MS, askByTcp);
      this.#failures = 0;
      this.#unhealthyUntil = -Infinity;
      return response;
    } catch (error) {
      const { clock, maxFails } = this.#options;
      this.#failures++;
      if (maxFails > 0 && this.#failures >= maxFails)
        this.#unhealthyUntil = clock.monotonic() + backoffDelay(this.#failures - maxFails, UNHEALTHY);
      throw error;
    }
  }

  async #exchange(query: Query, timeoutMs: number, ask: Exchange): Promise<ReturnType<typeof decodeAnswer>> {
    const id = randomInt(0x1_0000);
    const late = new AbortController();
    const { host, port } = this.#address;
    const cancel = this.#options.clock.timer(timeoutMs, () =>
      late.abort(new Error(`${host}:${port} did not answer within ${timeoutMs} ms`)),
    );
    try {
      const signal = AbortSignal.any([this.#abort.signal, late.signal]);
      return await ask(this.#address, encodeQuestion(id, query), { signal, accept: (bytes) => decodeAnswer(bytes, id, query) });
    } finally {
      cancel();
    }
  }
}

interface ExchangeOptions {
  signal: AbortSignal;
  /** Throws where the bytes do not answer the question. */
  accept(bytes: Buffer): ReturnType<typeof decodeAnswer>;
}

type Exchange = (
  address: { host: string; port: number },
  message: Buffer,
  options: ExchangeOptions,
) => Promise<ReturnType<typeof decodeAnswer>>;

/** A socket a question: its port is part of what a forger would have to guess (RFC 5452). What does not answer the question is passed over. */
const askByUdp: Exchange = ({ host, port }, message, { signal, accept }) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.close();
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error) => end(() => reject(error)));
    socket.on('message', (bytes) => {
      let answer: ReturnType<typeof decodeAnswer>;
      try {
        answer = accept(bytes);
      } catch (error) {
        if (error instanceof Error) return;
        throw error;
      }
      end(() => resolve(answer));
    });
    socket.connect(port, host, () => socket.send(message));
  });

const askByTcp: Exchange = ({ host, port }, message, { signal, accept }) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ host, port });
    let rest: Buffer = Buffer.alloc(0);
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('close', () => end(() => reject(new Error(`${host}:${port} closed the connection`))));
    socket.once('connect', () => socket.write(frame(message)));
    socket.on('data', (bytes) => {
      try {
        rest = takeFrames(Buffer.concat([rest, bytes]), (answer) => end(() => resolve(accept(answer))));
      } catch (error) {
        end(() => reject(error));
      }
    });
  });
