import type { WatchEvent } from './meta.ts';

/**
 * How a component in the API server's own process talks to it: no TLS, no HTTP parsing, no copying of bytes.
 * The https transport gives the same promises over the wire; components cannot tell which one they have.
 */
export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With query: `/api/v1/namespaces/default/pods?labelSelector=app%3Dweb`. */
  path: string;
  /** Lower-case names. `content-type` defaults to application/json. */
  headers?: Readonly<Record<string, string>>;
  /** A JSON value. It is handed over: the caller must not change it afterwards. */
  body?: unknown;
  /** Ends a watch, or gives up on an answer. */
  signal?: AbortSignal;
}

export interface ApiResponse {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** The JSON answer. Shared with the server's cache on the loopback transport: read only. Absent for text answers. */
  body?: unknown;
  /** A text answer (logs, /version of a proxied server …). */
  text?: string;
  /**
   * The answer to a watch: batches in order, none lost. Ends when the server ends the watch; an event of type ERROR carries a Status.
   * Batches hold at least one event. Objects are shared: read only.
   */
  events?: AsyncIterable<readonly WatchEvent[]>;
}

/** Answers any request, errors included (as a `Status` body with its code). Rejects only when the transport itself failed or the signal aborted. */
export type Transport = (request: ApiRequest) => Promise<ApiResponse>;

/** Who a request is for; what authentication found out. */
export interface UserInfo {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** What the API server offers to its own process: a transport for a given identity, with the same pipeline and the same RBAC as over TLS. */
export type LoopbackFactory = (user: UserInfo) => Transport;
