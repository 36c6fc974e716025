/** The part of spdy-transport that we use; the package brings no types. */
declare module 'spdy-transport' {
  import type { EventEmitter } from 'node:events';
  import type { Duplex } from 'node:stream';

  export interface SpdyStream extends Duplex {
    id: number;
    headers: Record<string, string>;
    respond(status: number, headers: Record<string, string>): void;
    abort(): void;
  }

  export interface SpdyConnection extends EventEmitter {
    start(version: number): void;
    end(): void;
    request(options: { method: string; path: string; headers: Record<string, string> }, callback: (error: Error | null, stream: SpdyStream) => void): SpdyStream;
    /** What the parser calls for each frame. */
    _handleFrame(frame: object): void;
    on(event: 'stream', listener: (stream: SpdyStream) => void): this;
    on(event: 'error' | 'close', listener: (error?: Error) => void): this;
  }

  const transport: { connection: { create(socket: Duplex, options: { protocol: 'spdy'; isServer: boolean }): SpdyConnection } };
  export default transport;
}
