import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Handler, HandlerResponse, RequestContext } from '../contract.ts';
import { notFoundPage } from '../errors.ts';

export type Endpoint = 'healthz' | 'livez' | 'readyz';

export interface HealthCheck {
  /** `etcd`, `poststarthook/rbac/bootstrap-roles` */
  name: string;
  /** Where it counts; everywhere unless given. */
  endpoints?: readonly Endpoint[];
  /** Throws or rejects when not healthy. Must answer within a second or so. */
  check(signal: AbortSignal): void | Promise<void>;
}

/** /healthz, /livez and /readyz: all checks, or one by its name behind a slash. `?verbose` lists them, `?exclude=name` leaves one out. */
export function healthHandler(checks: readonly HealthCheck[], log: Logger): Handler {
  const all: HealthCheck[] = [{ name: 'ping', check: () => undefined }, ...checks];
  return {
    name: 'health',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && /^\/(?:healthz|livez|readyz)(?:\/|$)/.test(info.path),
    handle: async (context) => {
      const [, endpoint, ...rest] = context.info.path.split('/') as [string, Endpoint, ...string[]];
      const own = all.filter(({ endpoints }) => !endpoints || endpoints.includes(endpoint));
      const name = rest.join('/');
      return name ? one(own, name, context, log) : everything(endpoint, own, context, log);
    },
  };
}

async function one(checks: readonly HealthCheck[], name: string, { signal }: RequestContext, log: Logger): Promise<HandlerResponse> {
  const found = checks.find((check) => check.name === name);
  if (!found) throw notFoundPage();
  const failure = await failureOf(found, signal, log);
  return failure ? text(500, `internal server error: ${failure}\n`) : text(200, 'ok');
}

async function everything(
  endpoint: Endpoint,
  checks: readonly HealthCheck[],
  { query, signal }: RequestContext,
  log: Logger,
): Promise<HandlerResponse> {
  const excluded = new Set(
    query
      .getAll('exclude')
      .flatMap((value) => value.split(','))
      .filter(Boolean),
  );
  const failures = await Promise.all(
    checks.map((check) => (excluded.has(check.name) ? Promise.resolve(undefined) : failureOf(check, signal, log))),
  );
  const lines = checks.map(({ name }, index) => {
    if (excluded.has(name)) return `[+]${name} excluded: ok\n`;
    // Who may ask is anyone; why something failed is in the log.
    return failures[index] ? `[-]${name} failed: reason withheld\n` : `[+]${name} ok\n`;
  });
  const unknown = [...excluded].filter((name) => !checks.some((check) => check.name === name));
  if (unknown.length > 0)
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown.map((name) => JSON.stringify(name)).join(', ')}\n`);
  const failed = failures.some(Boolean);
  if (failed) return text(500, `${lines.join('')}${endpoint} check failed\n`);
  return text(200, query.has('verbose') ? `${lines.join('')}${endpoint} check passed\n` : 'ok');
}

async function failureOf({ name, check }: HealthCheck, signal: AbortSignal, log: Logger): Promise<string | undefined> {
  try {
    await check(signal);
    return undefined;
  } catch (error) {
    const reason = errorMessage(error);
    log.warn('a health check failed', { check: name, reason });
    return reason;
  }
}

function text(status: number, content: string): HandlerResponse {
  return {
    status,
    bytes: Buffer.from(content),
    contentType: 'text/plain; charset=utf-8',
    headers: { 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache, private' },
  };
}
