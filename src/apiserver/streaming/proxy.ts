/** The `proxy` subresource: any request, upgrades too, to a pod, an endpoint of a service, or a node. */
import type { IncomingMessage } from 'node:http';
import type { StatusError } from '../../api/status.ts';
import { statusError } from '../../api/status.ts';
import type { RequestContext, StreamReply, StreamingHandler } from '../contract.ts';
import type { AdmitConnection } from '../registry/connect.ts';
import { proxiedBody, type ProxiedFrom, proxiedHeaders } from './proxied-page.ts';
import type { ProxyLocationOptions } from './proxy-location.ts';
import { proxyLocator } from './proxy-location.ts';
import { forwardedHeaders, relay } from './relay.ts';
import type { Target } from './target.ts';

export function proxyHandler(options: ProxyLocationOptions & { admit: AdmitConnection }): StreamingHandler {
  const locate = proxyLocator(options);
  return {
    match: ({ info }) => info.subresource === 'proxy' && info.group === '' && ['pods', 'services', 'nodes'].includes(info.resource),
    async handle(context, request, reply) {
      await options.admit(context);
      const { prefix, rest } = splitPath(request.url ?? context.info.path);
      const reads = context.method === 'GET' || context.method === 'HEAD';
      if (rest === '' && reads && reply.kind === 'response') return redirectToSlash(reply, prefix, queryOf(request));
      await passOn(locate(context.info), { prefix, rest: rest || '/' }, context, request, reply);
    },
  };
}

interface SplitPath {
  /** `/api/v1/namespaces/ns/pods/web/proxy` */
  prefix: string;
  /** What follows, still encoded, without query; '' or beginning with a slash. */
  rest: string;
}

/** Exported for its test. The name of the object may itself be `proxy`, so segments are counted, not searched. */
export function splitPath(url: string): SplitPath {
  const path = url.split('?', 1)[0]!;
  const segments = path.split('/');
  const length = segments[3] === 'namespaces' ? 8 : 6;
  const prefix = segments.slice(0, length).join('/');
  return { prefix, rest: path.slice(prefix.length) };
}

/** Relative links of a page work only below a path that ends with a slash. */
function redirectToSlash({ response }: Extract<StreamReply, { kind: 'response' }>, prefix: string, query: string): void {
  response.writeHead(301, { location: `${prefix}/${query}` });
  response.end();
}

/** As it came, with its question mark. */
function queryOf({ url = '' }: IncomingMessage): string {
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark);
}

async function passOn(
  target: Target,
  { prefix, rest }: SplitPath,
  context: RequestContext,
  request: IncomingMessage,
  reply: StreamReply,
): Promise<void> {
  const upgrade = reply.kind === 'upgrade';
  const host = context.headers.host ?? (context.headers[':authority'] as string | undefined) ?? '';
  // the target sees the host that the client asked, as upstream
  const headers = forwardedHeaders(context.headers, host || target.authority, upgrade);
  headers['x-forwarded-for'] = [context.headers['x-forwarded-for'], context.remoteAddress].filter(Boolean).join(', ');
  headers['x-forwarded-uri'] = prefix + rest;
  headers['x-forwarded-host'] = host;
  headers['x-forwarded-proto'] = 'https';
  const from: ProxiedFrom = { target, host, prefix };
  const bodyless = upgrade || context.method === 'GET' || context.method === 'HEAD';
  await relay(
    target,
    {
      method: request.method!,
      path: rest + queryOf(request),
      headers,
      ...(bodyless ? {} : { body: request }),
      signal: context.signal,
      unreachable,
      rewrite: (answered) => proxiedHeaders(answered, from),
      through: (answered) => proxiedBody(answered, from),
    },
    reply,
  );
}

function unreachable(why: string, cause: unknown): StatusError {
  return statusError('ServiceUnavailable', `error trying to reach service: ${why}`, undefined, cause);
}
