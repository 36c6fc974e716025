/** An API server behind a Service: where it is, whether it answers, and what it says that it serves. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { APIService, APIServiceSpec } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import { statusError } from '../../api/status.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Rng } from '../../lib/random.ts';
import type { PodAddressResolver } from '../streaming/proxy-location.ts';
import { exchange } from '../streaming/relay.ts';
import { tlsTarget, type Target } from '../streaming/target.ts';
import type { Located } from './services.ts';

export interface BackendOptions {
  /** The front proxy's client certificate, PEM: extension API servers believe its X-Remote-* headers. */
  frontProxy?: { cert: string; key: string };
  /** Where a simulated pod's address really listens. */
  resolve?: PodAddressResolver;
  clock: Clock;
  rng: Rng;
}

/** Where requests for this APIService go. Throws StatusError ServiceUnavailable when nobody is there. */
export function backendTarget({ spec }: APIService, located: Located, { frontProxy, resolve, rng }: BackendOptions): Target {
  if ('missing' in located) throw statusError('ServiceUnavailable', 'service unavailable');
  const chosen = located.at[Math.floor(rng.next() * located.at.length)] ?? located.at[0];
  const { host, port } = resolve?.(chosen.host, chosen.port) ?? chosen;
  const { service, caBundle, insecureSkipTLSVerify } = spec as APIServiceSpec;
  return tlsTarget(host, port, {
    ...frontProxy,
    servername: `${service!.name}.${service!.namespace}.svc`,
    ...(caBundle ? { ca: Buffer.from(caBundle, 'base64').toString() } : {}),
    verify: !insecureSkipTLSVerify,
  });
}

/** The headers by which a front proxy names the user that it speaks for (authentication by request header). */
export function remoteUserHeaders({ name, uid, groups, extra = {} }: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { 'x-remote-user': name, 'x-remote-group': [...groups] };
  if (uid) headers['x-remote-uid'] = uid;
  for (const [key, values] of Object.entries(extra)) headers[`x-remote-extra-${escapeKey(key)}`] = [...values];
  return headers;
}

/** Keys are percent-encoded where a header's name may not hold them. */
function escapeKey(key: string): string {
  return key.toLowerCase().replaceAll(/[^a-z0-9!#$&'*+\-.^_`|~]/g, (character) => encodeURIComponent(character).toLowerCase());
}

/** As whom the server itself asks. */
export const AGGREGATOR: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'] };

export interface Fetched {
  status: number;
  contentType: string;
  etag: string;
  location: string;
  bytes: Buffer;
}

const FETCH_MS = 5000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** A small GET of the server's own. Rejects when there is no answer within five seconds. */
export async function fetchFrom(target: Target, clock: Clock, path: string, headers: OutgoingHttpHeaders): Promise<Fetched> {
  const deadline = new AbortController();
  const cancel = clock.timer(FETCH_MS, () => deadline.abort(new Error('context deadline exceeded')));
  try {
    const answer = await exchange(target, {
      method: 'GET',
      path,
      headers: { host: target.authority, connection: 'close', ...remoteUserHeaders(AGGREGATOR), ...headers },
      signal: deadline.signal,
      unreachable: (why, cause) => statusError('ServiceUnavailable', why, undefined, cause),
    });
    if (answer.kind === 'upgraded') {
      answer.socket.destroy();
      throw new Error('the answer is an upgrade');
    }
    return await collected(answer.message, deadline.signal);
  } finally {
    cancel();
  }
}

async function collected(message: IncomingMessage, signal: AbortSignal): Promise<Fetched> {
  const onAbort = (): void => void message.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  signal.removeEventListener('abort', onAbort);
  const { statusCode = 0, headers } = message;
  const { etag = '', location = '' } = headers;
  return { status: statusCode, contentType: headers['content-type'] ?? '', etag, location, bytes: Buffer.concat(chunks) };
}
