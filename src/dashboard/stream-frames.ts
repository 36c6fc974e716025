/**
 * The words of the page's WebSocket, one JSON text a frame. One socket carries all watches and logs of a page: browsers open no more than six
 * HTTP/1.1 connections to one host, for all tabs together, and an open watch would hold one for good.
 *
 *     page      open(id) ------------> ... close(id)
 *     backend   answer(id) data(id)* end(id)
 *
 * Ids are the page's own. After `end`, or after the page's `close`, nothing more is said about an id.
 */
export type PageFrame = OpenFrame | CloseFrame;

export interface OpenFrame {
  open: number;
  /** With query. */
  path: string;
  /** The bearer token of who is signed in. */
  token: string;
}

export interface CloseFrame {
  close: number;
}

export type BackendFrame =
  | { id: number; answer: number; type: string }
  | { id: number; data: string }
  /** `error` when the answer was cut off. */
  | { id: number; end: true; error?: string };
