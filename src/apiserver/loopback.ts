import { groupVersion, type KubeObject, type WatchEvent } from '../api/meta.ts';
import type { ApiRequest, ApiResponse, Transport, UserInfo } from '../api/transport.ts';
import type { RequestAudit } from './audit/audit.ts';
import { valueBody } from './body.ts';
import { Request } from './context.ts';
import type { HandlerResponse, RequestContext } from './contract.ts';
import { NotFoundPage, toStatusError } from './errors.ts';
import { authorized, serve, type Answer, type Pipeline } from './pipeline.ts';
import { viewOf } from './registry/convert.ts';
import { warningHeader } from './warnings.ts';
import type { WatchEncoder, WatchSink } from './watch/channel.ts';
import type { Watches } from './watch/open.ts';

type Events = readonly WatchEvent[];

export interface LoopbackOptions {
  pipeline: Pipeline;
  watches: Watches;
  clock: ConstructorParameters<typeof Request>[1];
  onError: (error: unknown, request: RequestContext) => void;
}

/** The same pipeline without a wire: bodies and answers are objects, and answers are the cache's own. */
export function createLoopback(options: LoopbackOptions): (user: UserInfo) => Transport {
  return (user) => {
    const member = user.groups.includes('system:authenticated') ? user : { ...user, groups: [...user.groups, 'system:authenticated'] };
    return (request) => handle(options, member, request);
  };
}

async function handle(
  options: LoopbackOptions,
  user: UserInfo,
  { method, path, headers = {}, body, signal }: ApiRequest,
): Promise<ApiResponse> {
  signal?.throwIfAborted();
  const request = new Request({ method, url: path, headers, remoteAddress: '127.0.0.1' }, options.clock);
  request.user = user;
  const abort = (): void => request.abort(signal!.reason as Error);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const { remote } = options.pipeline;
    await options.pipeline.loaded;
    if (remote.match(request)) {
      authorized(options.pipeline, request);
      return await remote.call(request, { method, path, headers, body, ...(signal ? { signal } : {}) });
    }
    const answer = await serve(options.pipeline, request, valueBody(body, headers['content-type']));
    const response = await respond(options, answer, signal, warningHeaders(request));
    if (request.audit) auditLoopback(request.audit, response);
    return response;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof NotFoundPage) {
      request.audit?.complete(404);
      return { status: 404, headers: {}, text: `${error.message}\n` };
    }
    options.onError(error, request);
    const failure = toStatusError(error, request.info);
    request.audit?.failed(error, failure);
    request.audit?.complete(failure.code);
    return { status: failure.code, headers: {}, body: failure.status };
  } finally {
    signal?.removeEventListener('abort', abort);
    request.done();
  }
}

/** A watch ends when its reader leaves it. */
function auditLoopback(audit: RequestAudit, { status, events }: ApiResponse): void {
  if (!(events instanceof EventQueue)) return audit.complete(status);
  audit.started(status);
  events.onEnd = () => audit.complete(status);
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

function warningHeaders({ warnings }: Request): Readonly<Record<string, string>> {
  const warning = warningHeader(warnings);
  return warning ? { warning } : NO_HEADERS;
}

function respond(
  { watches }: LoopbackOptions,
  answer: Answer,
  signal: AbortSignal | undefined,
  headers: Readonly<Record<string, string>>,
): ApiResponse | Promise<ApiResponse> {
  switch (answer.kind) {
    case 'object':
      return { status: answer.status, headers, body: answer.view.object };
    case 'value':
      return { status: answer.status, headers, body: answer.body };
    case 'list':
      return { status: 200, headers, body: listObject(answer) };
    case 'watch': {
      const queue = new EventQueue();
      const { served, watch } = answer;
      const encoder = (): WatchEncoder<Events> => objectEncoder(served);
      const leave = watches.open({ served, watch, encoding: `objects ${groupVersion(served.info)}`, encoder, sink: queue });
      queue.onReturn(leave, signal);
      return { status: 200, headers, events: queue };
    }
    case 'response':
      return fromHandler(answer.response, headers);
  }
}

function listObject({ info, items, revision, ...page }: Extract<Answer, { kind: 'list' }>): object {
  const metadata = {
    resourceVersion: String(revision),
    ...(page.continue === undefined ? {} : { continue: page.continue }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  return { kind: `${info.kind}List`, apiVersion: groupVersion(info), metadata, items: items.map((view) => view.object) };
}

async function fromHandler(response: HandlerResponse, added: Readonly<Record<string, string>>): Promise<ApiResponse> {
  const { status } = response;
  const headers = { ...response.headers, ...added };
  if ('body' in response) return { status, headers, body: response.body };
  if ('bytes' in response) return ofBytes(status, headers, response.contentType, response.bytes);
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.stream) chunks.push(chunk);
  return ofBytes(status, headers, response.contentType, Buffer.concat(chunks));
}

function ofBytes(status: number, headers: Readonly<Record<string, string>>, contentType: string, bytes: Buffer): ApiResponse {
  const text = bytes.toString();
  if (!contentType.startsWith('application/json')) return { status, headers: { ...headers, 'content-type': contentType }, text };
  return { status, headers: { ...headers, 'content-type': contentType }, body: JSON.parse(text) as unknown };
}

function objectEncoder(served: Parameters<typeof viewOf>[0]): WatchEncoder<Events> {
  const { info } = served;
  return {
    error: (status) => [{ type: 'ERROR', object: status as unknown as KubeObject }],
    events: (events) => events.map(({ type, entry }) => ({ type, object: viewOf(served, entry).object })),
    bookmark: (revision, initialEnd) => [
      {
        type: 'BOOKMARK',
        object: {
          kind: info.kind,
          apiVersion: groupVersion(info),
          metadata: { resourceVersion: String(revision), ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}) },
        },
      },
    ],
  };
}

/** Most events that may wait for a reader of this process; a reader that is further behind is cut off and lists again. */
const QUEUE_EVENTS = 200_000;

/** Batches on their way to one reader. */
class EventQueue implements WatchSink<Events>, AsyncIterableIterator<Events> {
  #batches: Events[] = [];
  #waiting = 0;
  #reader: ((result: IteratorResult<Events>) => void) | undefined;
  #ended = false;
  #leave: (() => void) | undefined;
  onEnd: (() => void) | undefined;

  send(batch: Events): void {
    if (this.#ended) return;
    if (this.#reader) {
      const reader = this.#reader;
      this.#reader = undefined;
      reader({ done: false, value: batch });
      return;
    }
    this.#batches.push(batch);
    this.#waiting += batch.length;
    if (this.#waiting > QUEUE_EVENTS) {
      this.#batches = [];
      this.#finish();
    }
  }

  end(): void {
    if (!this.#ended) this.onEnd?.();
    this.#ended = true;
    this.#reader?.({ done: true, value: undefined });
    this.#reader = undefined;
  }

  onReturn(leave: () => void, signal: AbortSignal | undefined): void {
    const finish = (): void => this.#finish();
    signal?.addEventListener('abort', finish, { once: true });
    this.#leave = () => {
      signal?.removeEventListener('abort', finish);
      leave();
    };
    if (signal?.aborted) finish();
  }

  next(): Promise<IteratorResult<Events>> {
    const batch = this.#batches.shift();
    if (batch) {
      this.#waiting -= batch.length;
      return Promise.resolve({ done: false, value: batch });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  return(): Promise<IteratorResult<Events>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(): void {
    this.#leave?.();
    this.#leave = undefined;
    this.end();
  }
}
