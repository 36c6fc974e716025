/** Passes requests for a group version on to the API server behind its Service. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { WatchEvent } from '../../api/meta.ts';
import { statusError, type StatusError } from '../../api/status.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { RequestContext, StreamingHandler } from '../contract.ts';
import { exchange, forwardedHeaders, relay } from '../streaming/relay.ts';
import { remoteUserHeaders } from './backend.ts';
import type { Backend, Backends } from './backends.ts';
import type { LocalApiRegistry } from './local-apis.ts';

/** Requests of this process for what is served elsewhere. */
export interface RemoteApis {
  match(context: RequestContext): boolean;
  /** `context` has been authenticated and authorised. Throws StatusError. */
  call(context: RequestContext, request: ApiRequest): Promise<ApiResponse>;
}

type Find = (context: RequestContext) => Backend | undefined;

/** Who serves what a request asks for; what this process can answer itself it does. */
export function backendFinder(backends: Backends, local: LocalApiRegistry): Find {
  return ({ info: { path } }) => {
    if (backends.size === 0 || !path.startsWith('/apis/')) return undefined;
    const [, , group, version] = path.split('/', 4);
    if (!group || !version) return undefined;
    const key = `${group}/${version}`;
    return local.find(key) ? undefined : backends.find(key);
  };
}

/** Over TLS: any verb, watches and upgrades as they are. */
export function remoteHandler(find: Find): StreamingHandler {
  return {
    match: (context) => find(context) !== undefined,
    async handle(context, request, reply) {
      const target = find(context)!.target();
      const upgrade = reply.kind === 'upgrade';
      const headers = {
        ...forwardedHeaders(context.headers, target.authority, upgrade),
        ...remoteUserHeaders(context.user),
        'x-forwarded-for': [context.headers['x-forwarded-for'], context.remoteAddress].filter(Boolean).join(', '),
        'x-forwarded-proto': 'https',
        'x-forwarded-host': context.headers.host ?? (context.headers[':authority'] as string | undefined) ?? '',
        'x-forwarded-uri': context.info.path,
      };
      const bodyless = upgrade || context.method === 'GET' || context.method === 'HEAD';
      const { method, url } = request;
      const call = { method: method!, path: url!, headers, ...(bodyless ? {} : { body: request }), signal: context.signal, unreachable };
      await relay(target, call, reply);
    },
  };
}

/** For components of this process: bodies and answers are values. */
export function remoteApis(find: Find): RemoteApis {
  return {
    match: (context) => find(context) !== undefined,
    async call(context, request) {
      const target = find(context)!.target();
      const { Readable } = await import('node:stream');
      const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
      const headers: OutgoingHttpHeaders = {
        accept: 'application/json',
        ...forwardedHeaders(request.headers ?? {}, target.authority, false),
        ...remoteUserHeaders(context.user),
        ...(body ? { 'content-type': request.headers?.['content-type'] ?? 'application/json', 'content-length': body.length } : {}),
      };
      const { method, path } = request;
      const signal = context.signal;
      const answer = await exchange(target, {
        method,
        path,
        headers,
        ...(body ? { body: Readable.from([body]) } : {}),
        signal,
        unreachable,
      });
      if (answer.kind === 'upgraded') {
        answer.socket.destroy();
        throw statusError('BadRequest', 'upgrades need a connection of their own');
      }
      return context.info.verb === 'watch' && answer.message.statusCode === 200
        ? { status: 200, headers: {}, events: events(answer.message, request.signal) }
        : await wholeAnswer(answer.message);
    },
  };
}

function unreachable(why: string, cause: unknown): StatusError {
  return statusError('ServiceUnavailable', `error trying to reach service: ${why}`, undefined, cause);
}

async function wholeAnswer(message: IncomingMessage): Promise<ApiResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const { statusCode: status = 502, headers } = message;
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') sent[name] = value;
  return headers['content-type']?.startsWith('application/json')
    ? { status, headers: sent, body: JSON.parse(text) }
    : { status, headers: sent, text };
}

/** One event a line. */
async function* events(message: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<readonly WatchEvent[]> {
  const onAbort = (): void => void message.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  let rest = '';
  try {
    for await (const chunk of message.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      const batch = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as WatchEvent);
      if (batch.length > 0) yield batch;
    }
  } catch (error) {
    // The watch was given up by its reader.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    message.destroy();
  }
}
