import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { parseDuration } from '../api/codec/scalars.ts';
import { statusError } from '../api/status.ts';
import type { UserInfo } from '../api/transport.ts';
import type { RequestAudit } from './audit/audit.ts';
import type { PeerCertificate, RequestContext, RequestInfo } from './contract.ts';
import { requestInfo } from './request-info.ts';

/** How long anything but a watch or a stream may take at most, ms (kube-apiserver's --request-timeout). */
const REQUEST_TIMEOUT_MS = 60_000;

export interface IncomingCall {
  method: string;
  /** With query. */
  url: string;
  headers: Readonly<IncomingHttpHeaders>;
  remoteAddress: string;
  peer?: PeerCertificate;
}

/** apiserver's maxAuditIDLength. */
const AUDIT_ID_LENGTH = 64;
const NOBODY: UserInfo = { name: '', groups: [] };
const NO_QUERY = new URLSearchParams();

/** A request as the stages see it. What costs something (query, signal) is made when first asked for. */
export class Request implements RequestContext {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly remoteAddress: string;
  readonly peer?: PeerCertificate;
  readonly query: URLSearchParams;
  readonly info: RequestInfo;
  readonly warnings: string[] = [];
  user: UserInfo = NOBODY;
  impersonator?: UserInfo;
  /** Where it is written down, if a policy wants it to be. */
  audit?: RequestAudit | undefined;
  /** A policy has been asked. */
  auditDecided = false;
  readonly #warned = new Set<string>();
  #auditId: string | undefined;
  readonly #clock: Clock;
  #controller: AbortController | undefined;
  #aborted: Error | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Its own deadline, ms, if the client named one. */
  readonly timeoutMs?: number;

  /** Throws URIError for a malformed path, StatusError 400 for a timeout that is none. */
  constructor({ method, url, headers, remoteAddress, peer }: IncomingCall, clock: Clock) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.remoteAddress = remoteAddress;
    if (peer) this.peer = peer;
    this.#clock = clock;
    const mark = url.indexOf('?');
    this.query = mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
    this.info = requestInfo(method, mark < 0 ? url : url.slice(0, mark), this.query);
    const timeout = this.query.size > 0 ? this.query.get('timeout') : null;
    if (timeout && !this.isLongRunning) this.timeoutMs = timeoutOf(timeout);
  }

  /** Once for each text. */
  warn(text: string): void {
    if (text === '' || this.#warned.has(text)) return;
    this.#warned.add(text);
    this.warnings.push(text);
  }

  annotate(key: string, value: string): void {
    this.audit?.annotate(key, value);
  }

  /** Names the request in its answer and in the audit log: the client's own name for it, if it gave one. */
  get auditId(): string {
    if (this.#auditId) return this.#auditId;
    const given = this.headers['audit-id'];
    return (this.#auditId = typeof given === 'string' && given !== '' ? given.slice(0, AUDIT_ID_LENGTH) : randomUUID());
  }

  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    this.#controller = new AbortController();
    if (this.#aborted) this.#controller.abort(this.#aborted);
    else if (!this.isLongRunning)
      this.#cancelTimer = this.#clock.timer(this.timeoutMs ?? REQUEST_TIMEOUT_MS, () =>
        this.abort(new DOMException('the request took too long', 'TimeoutError')),
      );
    return this.#controller.signal;
  }

  get isLongRunning(): boolean {
    return this.info.verb === 'watch' || STREAMS.has(this.info.subresource);
  }

  /** The client is gone, or time is over. */
  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#controller?.abort(reason);
  }

  /** Answered: no timer stays behind. */
  done(): void {
    this.#cancelTimer?.();
  }
}

/** The `timeout` of a query: as long as the server has at most, and that when it is 0 (apiserver's WithRequestDeadline). */
function timeoutOf(text: string): number {
  try {
    const ms = Number(parseDuration(text) / 1_000_000n);
    return ms === 0 ? REQUEST_TIMEOUT_MS : Math.min(Math.max(ms, 0), REQUEST_TIMEOUT_MS);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw statusError('BadRequest', `invalid timeout specified in the request URL - ${error.message}`, undefined, error);
  }
}

const STREAMS = new Set(['log', 'exec', 'attach', 'portforward', 'proxy']);

/** The same request as if its URL had asked for something else: one object of a collection, a subresource by another road. */
export function withInfo(context: RequestContext, info: RequestInfo): RequestContext {
  const { method, query, headers, user, impersonator, remoteAddress, peer } = context;
  return {
    info,
    method,
    query,
    headers,
    user,
    ...(impersonator ? { impersonator } : {}),
    remoteAddress,
    ...(peer ? { peer } : {}),
    warn: (text) => context.warn(text),
    annotate: (key, value) => context.annotate(key, value),
    get signal() {
      return context.signal;
    },
  };
}
