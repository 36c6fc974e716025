import type { BackendFrame, PageFrame } from '../stream-frames.ts';
import { Chunks } from './chunks.ts';

export interface StreamAnswer {
  status: number;
  type: string;
  /** The answer's text as it comes. Ends with the answer; throws when it is cut off. */
  chunks: AsyncIterable<string>;
}

interface Stream {
  chunks: Chunks;
  answered(frame: { answer: number; type: string }): void;
  failed(error: Error): void;
}

export interface StreamSocketOptions {
  url: string;
  /** Told when the socket opened or was lost; not when it was closed for want of use. */
  onState(open: boolean): void;
}

/** All watches and logs of the page over one WebSocket, which is opened when it is first needed and again after a loss. */
export class StreamSocket {
  readonly #options: StreamSocketOptions;
  readonly #streams = new Map<number, Stream>();
  #socket: WebSocket | undefined;
  #last = 0;

  constructor(options: StreamSocketOptions) {
    this.#options = options;
  }

  /** Resolves with the head of the answer. Rejects when there is no connection, or when the signal aborts first. */
  open(path: string, token: string, signal?: AbortSignal): Promise<StreamAnswer> {
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<StreamAnswer>();
    const chunks = new Chunks();
    const failed = (error: Error): void => {
      reject(error);
      chunks.fail(error);
      this.#streams.delete(id);
    };
    this.#streams.set(id, { chunks, failed, answered: ({ answer: status, type }) => resolve({ status, type, chunks }) });
    signal?.addEventListener(
      'abort',
      () => {
        if (!this.#streams.has(id)) return;
        failed(signal.reason as Error);
        if (this.#socket?.readyState === WebSocket.OPEN) this.#say({ close: id });
      },
      { once: true },
    );
    this.#whenOpen(() => this.#streams.has(id) && this.#say({ open: id, path, token }));
    return promise;
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#failAll(new Error('signed out'));
  }

  #say(frame: PageFrame): void {
    this.#socket!.send(JSON.stringify(frame));
  }

  #whenOpen(then: () => void): void {
    this.#socket ??= this.#connect();
    if (this.#socket.readyState === WebSocket.OPEN) then();
    else this.#socket.addEventListener('open', then, { once: true });
  }

  #connect(): WebSocket {
    const socket = new WebSocket(this.#options.url);
    socket.addEventListener('open', () => this.#options.onState(true));
    socket.addEventListener('message', ({ data }) => this.#heard(JSON.parse(String(data)) as BackendFrame));
    socket.addEventListener('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#failAll(new Error('the connection to the cluster was lost'));
      this.#options.onState(false);
    });
    return socket;
  }

  #heard(frame: BackendFrame): void {
    const stream = this.#streams.get(frame.id);
    if (!stream) return;
    if ('answer' in frame) stream.answered(frame);
    else if ('data' in frame) stream.chunks.push(frame.data);
    else if (frame.error !== undefined) stream.failed(new Error(frame.error));
    else {
      stream.chunks.end();
      this.#streams.delete(frame.id);
    }
  }

  #failAll(error: Error): void {
    for (const stream of this.#streams.values()) stream.failed(error);
  }
}
